"""Can the definition be used? Asked before anything is started: on one machine its functions would fail out of sight.

`python -m local.deployment.check_definition` answers in one sentence, for `make check`.
"""

import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.deployment.template import template
from local.errors import DefinitionUnusable
from tailrace.aws.runtime.settings import dead_letter_queue_variable, route_queue_variable
from tailrace.definition.pipeline import Pipeline, load_pipeline
from tailrace.errors import DefinitionError

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "layers" / "tailrace"
ENGINE = LAYER / "tailrace"
PLACES = "docs/definition.md#routes"


def usable_pipeline(given: Mapping[str, Any] | None = None) -> Pipeline:
    """Import and return the pipeline that the template names; ``given`` is another template, already read.

    Raises:
        DefinitionUnusable: it cannot be imported, or the template lacks what its routes take.
    """
    given = given or template()
    pipeline = _imported(given["Parameters"]["Pipeline"]["Default"])
    missing = [f"{name} has no {variable}" for name, variable in _wanted(pipeline) if not _has(given, name, variable)]
    if missing:
        raise DefinitionUnusable(f"template.yaml lacks what a route needs ({PLACES}): {', '.join(missing)}.")
    return pipeline


def _imported(reference: str) -> Pipeline:
    try:
        return load_pipeline(reference)
    except Exception as error:  # whatever the user's own code raises when it is imported
        kind = "" if isinstance(error, DefinitionError) else f"{type(error).__name__}: "
        raise DefinitionUnusable(f"The definition cannot be used: {_place(error)}{kind}{error}") from error


def _place(error: BaseException) -> str:
    """Tell the last line of the user's own that led to an error; a SyntaxError tells its own."""
    for one in (error, error.__cause__):  # an ImportError, for example, stands behind the DefinitionError that tells it
        frames = traceback.extract_tb(one.__traceback__) if one else []
        own = [frame for frame in frames if _is_own(Path(frame.filename))]
        if own:
            return f"{Path(own[-1].filename).relative_to(ROOT)}, line {own[-1].lineno}: "
    return ""


def _is_own(path: Path) -> bool:
    return path.is_relative_to(LAYER) and not path.is_relative_to(ENGINE)


def _wanted(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    for route in pipeline.routes:
        yield "FanoutFunction", route_queue_variable(route.name)
        yield "ApiFunction", route_queue_variable(route.name)
        yield "ApiFunction", dead_letter_queue_variable(route.name)


def _has(given: Mapping[str, Any], function: str, variable: str) -> bool:
    return variable in given["Resources"][function]["Properties"]["Environment"]["Variables"]


def main() -> int:
    """Say what is wrong with the definition, if anything is; return the exit status."""
    try:
        usable_pipeline()
    except DefinitionUnusable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
