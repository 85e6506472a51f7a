"""`make deploy`: `sam deploy --guided`, with the pipeline that the variable TAILRACE_PIPELINE names, and its routes.

The functions get the architecture that the layer is built for: with another one they could not start, not even to tell
CloudFormation, which would wait for their answer.

The arguments are those of the build, and `--stack-name`. What they say about region, profile, samconfig.toml,
parameters and the folder of the build holds for the deployment, too: otherwise it would go to another account, or
deploy an earlier build.

SAM takes parameters from the command line or from samconfig.toml, not from both: those that an earlier deployment has
saved are passed on.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import starmap
from pathlib import Path

from local.deployment.build import SAM
from local.deployment.check_definition import load_checked_pipeline
from local.deployment.layers import LIBRARIES
from local.deployment.sam_config import SamConfig, parameters, read_config
from local.deployment.template import VARIABLE, pipeline_reference
from local.errors import DeployFailed, LocalError
from tailrace.definition.route_names import routes_parameter

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".aws-sam" / "build"
LAYER = "TailraceLayer"
NAMES = "at most 25 lower-case letters, digits and hyphens, and begins with a letter"
"""The rule for a stack's name: it is part of bucket names, which have at most 63 characters."""

_STACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,24}")
_ARCHITECTURE = "Architecture"
_SHARED = ("--config-env", "--config-file", "--stack-name", "--region", "--profile")
"""Options that the deployment also has."""
_OTHERS = ("-bi", "-cd", "-ef", "-mw")
"""Options of the build that begin like other short ones."""


def shared_options(given: Sequence[str]) -> argparse.Namespace:
    """Return the arguments that hold for the deployment, too."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in (*_SHARED, *_OTHERS):
        parser.add_argument(name)
    parser.add_argument("--parameter-overrides", nargs="*", default=[])
    parser.add_argument("--build-dir", "-b", type=Path, default=BUILD)
    return parser.parse_known_args(given)[0]


def arguments(
    variables: Mapping[str, str],
    config: SamConfig,
    routes: str,
    built: str | None = None,
    given: argparse.Namespace | None = None,
) -> list[str]:
    """Return the arguments of `sam`.

    Args:
        variables: the environment.
        config: samconfig.toml.
        routes: the value of the parameter Routes that the definition needs.
        built: the architecture that the layer is built for; None if nothing shows it.
        given: the arguments that hold for the deployment, too.

    Raises:
        InvalidDefinition: the variable has another form than `module:attribute`.
        DeployFailed: the parameters cannot be read, or name another architecture, or the stack name is invalid.
    """
    given = given or shared_options([])
    saved = config.parameters() | parameters(given.parameter_overrides, "in ARGUMENTS")
    _check_name(config, given.stack_name)
    if built is not None and saved.get(_ARCHITECTURE, built) != built:
        option = f"--parameter-overrides {_ARCHITECTURE}={saved[_ARCHITECTURE]}"
        raise DeployFailed(
            f"The layer is built for {built}, and {config.name} has {_ARCHITECTURE}={saved[_ARCHITECTURE]}: "
            f"run make deploy ARGUMENTS='{option}', or change it there."
        )
    pipeline = pipeline_reference()
    if variables.get(VARIABLE, "").strip():
        chosen = {"Routes": routes, "Pipeline": pipeline}
    elif saved.get("Pipeline", pipeline) == pipeline:
        chosen = {"Routes": routes}
    else:  # an earlier deployment has saved another pipeline, whose routes are not these
        chosen = {}
    if built is not None:
        chosen[_ARCHITECTURE] = built
    others = {name: value for name, value in saved.items() if name not in chosen}
    passed = starmap(_quoted, (others | chosen).items())
    return ["deploy", "--guided", *_place(given, config), "--parameter-overrides", *passed]


def _place(given: argparse.Namespace, config: SamConfig) -> list[str]:
    """Return the options that say what is deployed, and where to."""
    options = {name: getattr(given, name[2:].replace("-", "_")) for name in _SHARED}
    if given.build_dir != BUILD:
        options["--template-file"] = str(given.build_dir / "template.yaml")
        options["--config-file"] = str(ROOT / config.name)  # which SAM would look for beside the template
    return [part for name, value in options.items() if value is not None for part in (name, value)]


def built_architecture(layer: Path) -> str | None:
    """Return the architecture of a built layer's compiled modules; None if there are none."""
    names = {path.stem for path in layer.rglob("*.so")}
    return next((one for one, suffix in LIBRARIES.items() if any(name.endswith(suffix) for name in names)), None)


def _check_name(config: SamConfig, given: str | None) -> None:
    """Refuse a name with which the deployment would fail only when it creates the buckets."""
    name, where = (config.stack_name, f" in {config.name}") if given is None else (given, "")
    if isinstance(name, str) and not _STACK_NAME.fullmatch(name):
        raise DeployFailed(f"The stack name {name!r}{where} is invalid: a stack name has {NAMES}.")


def _quoted(name: str, value: str) -> str:
    # SAM refuses an empty value without quotes, and ends one at its first space
    escaped = value.replace('"', r"\"")
    return f'{name}="{escaped}"'


def main(given: Sequence[str] | None = None) -> int:
    """Check the definition, then become `sam`."""
    options = shared_options(sys.argv[1:] if given is None else given)
    try:
        routes = routes_parameter(route.name for route in load_checked_pipeline(report=_print).routes)
        config = read_config(ROOT, options.config_file, options.config_env)
        built = built_architecture(options.build_dir / LAYER)
        command = [str(SAM), *arguments(os.environ, config, routes, built, options)]
    except LocalError as error:
        _print(str(error))
        return 1
    _print(f"A stack name has {NAMES}; with any other, the deployment fails.")
    return os.execv(SAM, command)  # noqa: S606 - a local tool


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
