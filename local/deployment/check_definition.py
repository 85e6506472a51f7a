"""Can the definition be used? Asked before anything is started: on one machine its functions would fail out of sight.

`python -m local.deployment.check_definition` answers in one sentence, for `make check`.
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
    """Import and return the pipeline that the template names; ``template_data`` is another template, already read.

    Raises:
        DefinitionUnusable: it cannot be imported, or the template lacks what its routes take.
    """
    template_data = template_data or template()
    pipeline = _import_pipeline(template_data["Parameters"]["Pipeline"]["Default"])
    missing = [
        f"{name} has no {variable}"
        for name, variable in _required_variables(pipeline)
        if not _has_variable(template_data, name, variable)
    ]
    if missing:
        raise InvalidDefinition(f"template.yaml lacks what a route needs ({ROUTES_DOC}): {', '.join(missing)}.")
    return pipeline


def _import_pipeline(reference: str) -> Pipeline:
    try:
        return load_pipeline(reference)
    except Exception as error:  # whatever the user's own code raises when it is imported
        prefix = "" if isinstance(error, DefinitionError) else f"{type(error).__name__}: "
        raise InvalidDefinition(f"The definition cannot be used: {_location(error)}{prefix}{error}") from error


def _location(error: BaseException) -> str:
    """Tell the last line of the user's own that led to an error; a SyntaxError tells its own."""
    for candidate in (
        error,
        error.__cause__,
    ):  # an ImportError, for example, stands behind the DefinitionError that tells it
        frames = traceback.extract_tb(candidate.__traceback__) if candidate else []
        own = [frame for frame in frames if _is_own(Path(frame.filename))]
        if own:
            return f"{Path(own[-1].filename).relative_to(ROOT)}, line {own[-1].lineno}: "
    return ""


def _is_own(path: Path) -> bool:
    return path.is_relative_to(LAYER) and not path.is_relative_to(CORE_PACKAGE)


def _required_variables(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    for route in pipeline.routes:
        yield "FanoutFunction", route_queue_variable(route.name)
        yield "ApiFunction", route_queue_variable(route.name)
        yield "ApiFunction", dead_letter_queue_variable(route.name)


def _has_variable(template_data: Mapping[str, Any], function: str, variable: str) -> bool:
    return variable in template_data["Resources"][function]["Properties"]["Environment"]["Variables"]


def main() -> int:
    """Say what is wrong with the definition, if anything is; return the exit status."""
    try:
        load_checked_pipeline()
    except InvalidDefinition as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
