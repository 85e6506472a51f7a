"""Check the definition before the stack starts: an invalid one would only show up in the functions' logs.

`python -m local.deployment.check_definition` reports in one sentence what is wrong with the definition or its lock, for
`make check`. `--lock` writes the lock instead, for `make definition-lock`; `--add` completes it, as a start does.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.definitions.location import location
from cli.test.examples import check_definition
from local.deployment.definition_lock import check_lock, present_meaning, write_lock
from local.deployment.template import pipeline_reference, template
from local.errors import InvalidDefinition, LocalError
from tailrace.definition.failures import FAILURES
from tailrace.definition.pipeline import Pipeline, load_pipeline
from tailrace.definition.route_names import disagreement
from tailrace.errors import DefinitionError

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "layers" / "tailrace"
ROUTES_DOC = "docs/definition.md#routes"


def load_checked_pipeline(
    template_data: Mapping[str, Any] | None = None, report: Callable[[str], None] = lambda _: None, *, add: bool = True
) -> Pipeline:
    """Import and return the pipeline that the template names, after comparing it with its lock.

    Args:
        template_data: a parsed template; the default is template.yaml.
        report: is called with a sentence when the lock was completed or cannot be kept.
        add: complete the lock with what is new in the definition.

    Raises:
        InvalidDefinition: the pipeline cannot be imported or deployed, or fails on its examples.
        MeaningChanged: an aggregate counts differently under the same version.
    """
    pipeline = _load_pipeline(template_data or template())
    present = present_meaning(pipeline)  # functions may change what they refer to, such as a cache
    try_examples(pipeline, report)
    check_lock(pipeline, pipeline_reference(template_data), report, present, add=add)
    return pipeline


def try_examples(pipeline: Pipeline, report: Callable[[str], None]) -> None:
    """Try the definition on its examples; report what that could not check.

    Raises:
        InvalidDefinition: it does not work on them.
    """
    found = check_definition(pipeline)
    for warning in found.warnings:
        report(f"Warning: {warning}.")
    if found.errors:
        raise InvalidDefinition("\n".join(f"Invalid definition: {error}." for error in found.errors))


def _load_pipeline(template_data: Mapping[str, Any]) -> Pipeline:
    reference = pipeline_reference(template_data)
    pipeline = _import_pipeline(reference)
    module = Path(str(sys.modules[reference.partition(":")[0]].__file__))
    if module.is_relative_to(ROOT) and not module.is_relative_to(LAYER) and not module.is_relative_to(sys.prefix):
        raise InvalidDefinition(
            f"{reference} is in {module.relative_to(ROOT)}, which a deployment does not contain: "
            f"move it into {LAYER.relative_to(ROOT)}, next to pipeline."
        )
    return pipeline


def _import_pipeline(reference: str) -> Pipeline:
    try:
        return load_pipeline(reference)
    except FAILURES as error:  # the user's code may raise anything on import
        prefix = "" if isinstance(error, DefinitionError) else f"{type(error).__name__}: "
        raise InvalidDefinition(f"Invalid definition: {location(error)}{prefix}{error}") from error


def check_routes_parameter(pipeline: Pipeline, template_data: Mapping[str, Any]) -> None:
    """Raise InvalidDefinition if the template's parameter names other routes than the template's pipeline."""
    parameters = template_data["Parameters"]
    if pipeline_reference(template_data) != parameters["Pipeline"]["Default"]:
        return  # TAILRACE_PIPELINE names another one, and whoever passes it to a deployment passes its routes
    if found := disagreement([route.name for route in pipeline.routes], parameters["Routes"]["Default"]):
        raise InvalidDefinition(f"template.yaml, parameter Routes ({ROUTES_DOC}): {found}")


def main(arguments: Sequence[str] = ()) -> int:
    """Report what is wrong with the definition; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.deployment.check_definition", description="Check it.")
    parser.add_argument("--lock", action="store_true", help="write the lock")
    parser.add_argument("--add", action="store_true", help="complete the lock")
    options = parser.parse_args(arguments)
    try:
        if options.lock:
            write_lock(_load_pipeline(template()), pipeline_reference(), _print)
        else:
            pipeline = load_checked_pipeline(report=_print, add=options.add)
            if not options.add:  # a local stack gets its routes from the definition
                check_routes_parameter(pipeline, template())
    except LocalError as error:
        _print(str(error))
        return 1
    return 0


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
