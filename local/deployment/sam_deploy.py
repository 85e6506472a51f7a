"""`make deploy`: `sam deploy --guided`, with the pipeline that the variable TAILRACE_PIPELINE names, and its routes.

SAM takes parameters from the command line or from samconfig.toml, not from both: those that an earlier deployment has
saved are passed on.
"""

import os
import shlex
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from local.deployment.build import SAM
from local.deployment.check_definition import load_checked_pipeline
from local.deployment.template import VARIABLE, pipeline_reference
from local.errors import LocalError
from tailrace.definition.route_names import routes_parameter

ROOT = Path(__file__).resolve().parents[2]


def arguments(variables: Mapping[str, str], config: str, routes: str) -> list[str]:
    """Return the arguments of `sam`, given the environment, the text of samconfig.toml, and the definition's routes.

    Raises:
        InvalidDefinition: the variable has another form than `module:attribute`.
    """
    deploy = tomllib.loads(config).get("default", {}).get("deploy", {})
    saved = deploy.get("parameters", {}).get("parameter_overrides", "")
    parts = shlex.split(saved) if isinstance(saved, str) else list(saved)
    pipeline = f"Pipeline={pipeline_reference()}"
    if variables.get(VARIABLE, "").strip():
        chosen = [f"Routes={routes}", pipeline]
    elif all(part == pipeline for part in parts if part.startswith("Pipeline=")):
        chosen = [f"Routes={routes}"]
    else:  # an earlier deployment has saved another pipeline, whose routes are not these
        chosen = []
    names = tuple(part.partition("=")[0] + "=" for part in chosen)
    others = [part for part in parts if not part.startswith(names)]
    return ["deploy", "--guided", "--parameter-overrides", *others, *chosen]


def main() -> int:
    """Check the definition, then become `sam`."""
    try:
        routes = routes_parameter(route.name for route in load_checked_pipeline(report=_print).routes)
        command = [str(SAM), *arguments(os.environ, (ROOT / "samconfig.toml").read_text(encoding="utf-8"), routes)]
    except LocalError as error:
        _print(str(error))
        return 1
    return os.execv(SAM, command)  # noqa: S606 - a local tool


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
