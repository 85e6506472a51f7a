"""`make deploy`: `sam deploy --guided`, with the pipeline that the variable TAILRACE_PIPELINE names, and its routes.

The functions get the architecture that the layer is built for: with another one they could not start, not even to tell
CloudFormation, which would wait for their answer.

SAM takes parameters from the command line or from samconfig.toml, not from both: those that an earlier deployment has
saved are passed on.
"""

import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping
from itertools import starmap
from pathlib import Path
from typing import Any

from local.deployment.build import SAM
from local.deployment.check_definition import load_checked_pipeline
from local.deployment.template import VARIABLE, pipeline_reference
from local.errors import DeployFailed, LocalError
from tailrace.definition.route_names import routes_parameter

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / ".aws-sam" / "build" / "TailraceLayer"
NAMES = "at most 25 lower-case letters, digits and hyphens, and begins with a letter"
"""The rule for a stack's name: it is part of bucket names, which have at most 63 characters."""

_STACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,24}")
_ARCHITECTURE = "Architecture"
_SUFFIXES = {"arm64": "-aarch64-linux-gnu", "x86_64": "-x86_64-linux-gnu"}
_SHORT_FORM = re.compile(r"(?!ParameterKey=)([A-Za-z0-9]+)=(.*)", re.DOTALL)
_LONG_FORM = re.compile(r"ParameterKey=([A-Za-z0-9]+),ParameterValue=(.*)", re.DOTALL)


def arguments(variables: Mapping[str, str], config: str, routes: str, built: str | None = None) -> list[str]:
    """Return the arguments of `sam`.

    Args:
        variables: the environment.
        config: the text of samconfig.toml.
        routes: the value of the parameter Routes that the definition needs.
        built: the architecture that the layer is built for; None if nothing shows it.

    Raises:
        InvalidDefinition: the variable has another form than `module:attribute`.
        DeployFailed: the saved parameters cannot be read, or name another architecture, or the saved stack name is
            invalid.
    """
    saved = _saved(config)
    _check_name(_settings(config).get("stack_name"))
    if built is not None and saved.get(_ARCHITECTURE, built) != built:
        option = f"--parameter-overrides {_ARCHITECTURE}={saved[_ARCHITECTURE]}"
        raise DeployFailed(
            f"The layer is built for {built}, and samconfig.toml has {_ARCHITECTURE}={saved[_ARCHITECTURE]}: "
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
    return ["deploy", "--guided", "--parameter-overrides", *starmap(_quoted, (others | chosen).items())]


def built_architecture(layer: Path) -> str | None:
    """Return the architecture of a built layer's compiled modules; None if there are none."""
    names = {path.stem for path in layer.rglob("*.so")}
    return next((one for one, suffix in _SUFFIXES.items() if any(name.endswith(suffix) for name in names)), None)


def _saved(config: str) -> dict[str, str]:
    """Return the parameters that samconfig.toml has, by name."""
    try:
        return dict(_pairs(_settings(config).get("parameter_overrides", "")))
    except ValueError as error:  # of TOML, or a quotation that does not end
        raise DeployFailed(f"The parameters saved in samconfig.toml cannot be read: {error}.") from error


def _settings(config: str) -> dict[str, Any]:
    """Return the settings for deployments in samconfig.toml."""
    default = _table(tomllib.loads(config), "default")
    found: dict[str, Any] = {}
    for command in ("global", "deploy"):
        found |= _table(_table(default, command), "parameters")
    return found


def _check_name(name: object) -> None:
    """Refuse a name with which the deployment would fail only when it creates the buckets."""
    if isinstance(name, str) and not _STACK_NAME.fullmatch(name):
        raise DeployFailed(f"The stack name {name!r} in samconfig.toml is invalid: a stack name has {NAMES}.")


def _table(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = parent.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{name} is {found!r}, not a table")  # noqa: TRY004 - as for all else in the file
    return found


def _pairs(saved: Any) -> Iterator[tuple[str, str]]:
    """Yield names and values in each form that SAM reads."""
    match saved:
        case str(text):
            for part in shlex.split(text):
                if part.startswith("file://"):
                    raise ValueError(f"{part} names a file: write its parameters into samconfig.toml")
                pair = _LONG_FORM.fullmatch(part) or _SHORT_FORM.fullmatch(part)
                if pair is None:
                    raise ValueError(f"{part!r} in parameter_overrides is not NAME=VALUE")
                yield pair[1], pair[2]
        case dict():
            for name, value in saved.items():
                yield name, ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
        case list():
            for member in saved:
                yield from _pairs(member)
        case _:
            raise ValueError(f"{saved!r} in parameter_overrides is not NAME=VALUE")


def _text(value: object) -> str:
    """Return a value as CloudFormation takes it."""
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value)
    raise ValueError(f"{value!r} in parameter_overrides is not a value of a parameter")


def _quoted(name: str, value: str) -> str:
    # SAM refuses an empty value without quotes, and ends one at its first space
    escaped = value.replace('"', r"\"")
    return f'{name}="{escaped}"'


def main() -> int:
    """Check the definition, then become `sam`."""
    try:
        routes = routes_parameter(route.name for route in load_checked_pipeline(report=_print).routes)
        config = (ROOT / "samconfig.toml").read_text(encoding="utf-8")
        command = [str(SAM), *arguments(os.environ, config, routes, built_architecture(LAYER))]
    except LocalError as error:
        _print(str(error))
        return 1
    _print(f"A stack name has {NAMES}; with any other, the deployment fails.")
    return os.execv(SAM, command)  # noqa: S606 - a local tool


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
