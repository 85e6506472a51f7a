"""The file of SAM CLI, such as samconfig.toml, and the parameters of templates in each form that SAM reads."""

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from local.errors import DeployFailed

ENVIRONMENT = "default"

_PARSERS: dict[str, Callable[[str], Any]] = {".json": json.loads, ".yaml": yaml.safe_load, ".yml": yaml.safe_load}
_NAMES = [f"samconfig{suffix}" for suffix in (".toml", ".yaml", ".yml", ".json")]
"""Without `--config-file`, SAM reads the first of these that exists."""

_SHORT_FORM = re.compile(r"(?!ParameterKey=)([A-Za-z0-9]+)=(.*)", re.DOTALL)
_LONG_FORM = re.compile(r"ParameterKey=([A-Za-z0-9]+),ParameterValue=(.*)", re.DOTALL)


class SamConfig(Struct, frozen=True):
    """The text of such a file, its name, and the environment in it that is deployed."""

    text: str = ""
    name: str = _NAMES[0]
    environment: str = ENVIRONMENT

    @property
    def stack_name(self) -> object:
        """The saved name of the stack; None without one."""
        return self._settings().get("stack_name")

    def parameters(self) -> dict[str, str]:
        """Return the saved parameters by name. Raises DeployFailed if they cannot be read."""
        return parameters(self._settings().get("parameter_overrides", ""), f"saved in {self.name}")

    def _settings(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = {}
            parse: Callable[[str], Any] = _PARSERS.get(Path(self.name).suffix, tomllib.loads)
            document = parse(self.text) or {}
            environment = _table(_table({"it": document}, "it"), self.environment)
            for command in ("global", "deploy"):
                found |= _table(_table(environment, command), "parameters")
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            raise _unreadable(f"saved in {self.name}", error) from error
        return found


def read_config(folder: Path, file: str | None, environment: str | None) -> SamConfig:
    """Read the file that `--config-file` names, or the folder's, and choose the environment of `--config-env`.

    Raises:
        DeployFailed: the file cannot be read.
    """
    name = file or next((name for name in _NAMES if (folder / name).exists()), None)
    if name is None:
        return SamConfig()
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DeployFailed(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    return SamConfig(text, name, environment or ENVIRONMENT)


def parameters(given: object, where: str) -> dict[str, str]:
    """Return template parameters by name, given in any form that SAM reads. Raises DeployFailed; `where` is for it."""
    try:
        return dict(_pairs(given))
    except ValueError as error:  # also of a quotation that does not end
        raise _unreadable(where, error) from error


def _unreadable(where: str, error: Exception) -> DeployFailed:
    return DeployFailed(f"The parameters {where} cannot be read: {' '.join(str(error).split()).rstrip('.')}.")


def _table(parent: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = parent.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{name} is {found!r}, not a table")  # noqa: TRY004 - as for all else in the file
    return found


def _pairs(given: Any) -> Iterator[tuple[str, str]]:
    match given:
        case str(text):
            for part in shlex.split(text):
                if part.startswith("file://"):
                    raise ValueError(f"{part} names a file: write its parameters into samconfig.toml")
                pair = _LONG_FORM.fullmatch(part) or _SHORT_FORM.fullmatch(part)
                if pair is None:
                    raise ValueError(f"{part!r} in parameter_overrides is not NAME=VALUE")
                yield pair[1], pair[2]
        case dict():
            for name, value in given.items():
                if name == "$include":
                    raise ValueError("$include names a file: write its parameters into samconfig.toml")
                yield name, ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
        case list():
            for member in given:
                yield from _pairs(member)
        case _:
            raise ValueError(f"{given!r} in parameter_overrides is not NAME=VALUE")


def _text(value: object) -> str:
    """Return a value as CloudFormation takes it."""
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value)
    raise ValueError(f"{value!r} in parameter_overrides is not a value of a parameter")
