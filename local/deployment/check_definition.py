"""Check the definition before the stack starts: an invalid one would only show up in the functions' logs.

`python -m local.deployment.check_definition` reports an invalid definition in one sentence, for `make check`.
"""

import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.deployment.template import template
from local.errors import InvalidDefinition
from tailrace.aws.runtime.settings import dead_letter_queue_variable, route_queue_variable
from tailrace.definition.pipeline import Pipeline, load_pipeline
from tailrace.errors import DefinitionError

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "layers" / "tailrace"
CORE_PACKAGE = LAYER / "tailrace"
ROUTES_DOC = "docs/definition.md#routes"


def load_checked_pipeline(template_data: Mapping[str, Any] | None = None) -> Pipeline:
    """Import and return the pipeline that the template names.

    Args:
        template_data: a parsed template; the default is template.yaml.

    Raises:
        InvalidDefinition: the pipeline cannot be imported, or the template lacks variables that its routes need.
    """
    template_data = template_data or template()
    pipeline = _import_pipeline(template_data["Parameters"]["Pipeline"]["Default"])
    missing = [
        f"{name} has no {variable}"
        for name, variable in _required_variables(pipeline)
        if not _has_variable(template_data, name, variable)
    ]
    if missing:
        raise InvalidDefinition(
            f"template.yaml lacks variables that a route needs ({ROUTES_DOC}): {', '.join(missing)}."
        )
    return pipeline


def _import_pipeline(reference: str) -> Pipeline:
    try:
        return load_pipeline(reference)
    except Exception as error:  # the user's code may raise anything on import
        prefix = "" if isinstance(error, DefinitionError) else f"{type(error).__name__}: "
        raise InvalidDefinition(f"Invalid definition: {_location(error)}{prefix}{error}") from error


def _location(error: BaseException) -> str:
    """The file and line of the last frame in the user's code; a SyntaxError's message has its own."""
    for candidate in (error, error.__cause__):  # a DefinitionError may wrap an ImportError from the user's code
        frames = traceback.extract_tb(candidate.__traceback__) if candidate else []
        own = [frame for frame in frames if _is_user_code(Path(frame.filename))]
        if own:
            return f"{Path(own[-1].filename).relative_to(ROOT)}, line {own[-1].lineno}: "
    return ""


def _is_user_code(path: Path) -> bool:
    return path.is_relative_to(LAYER) and not path.is_relative_to(CORE_PACKAGE)


def _required_variables(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    for route in pipeline.routes:
        yield "FanoutFunction", route_queue_variable(route.name)
        yield "ApiFunction", route_queue_variable(route.name)
        yield "ApiFunction", dead_letter_queue_variable(route.name)


def _has_variable(template_data: Mapping[str, Any], function: str, variable: str) -> bool:
    return variable in template_data["Resources"][function]["Properties"]["Environment"]["Variables"]


def main() -> int:
    """Report an invalid definition; return the exit status."""
    try:
        load_checked_pipeline()
    except InvalidDefinition as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
