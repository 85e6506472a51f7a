"""The parsed template, and the pipeline that it runs."""

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from local.errors import InvalidDefinition

VARIABLE = "TAILRACE_PIPELINE"
TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml is ten times as fast
    """A YAML loader for CloudFormation's short-form intrinsic functions."""


def _construct_intrinsic(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", maxsplit=1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _construct_intrinsic)


@cache
def template() -> Mapping[str, Any]:
    """Return the whole template with its intrinsic functions in their long form (``{"Fn::Sub": …}``).

    Raises:
        InvalidDefinition: it cannot be read, or does not name a pipeline.
    """
    try:
        loaded: Any = yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - safe, see above
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InvalidDefinition(f"{TEMPLATE.name} cannot be read: {_reason(error)}.") from error
    match loaded:
        case {"Parameters": {"Pipeline": {"Default": str()}}, "Resources": dict()}:
            return dict(loaded)
    raise InvalidDefinition(f"{TEMPLATE.name} must have Resources, and a parameter Pipeline whose Default is a text.")


def _reason(error: Exception) -> str:
    """Return one sentence about an error, with the place that YAML's parser names."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem or error.context}"


def pipeline_reference(template_data: Mapping[str, Any] | None = None) -> str:
    """Return the pipeline's `module:attribute`: the variable TAILRACE_PIPELINE, or the template's default.

    Raises:
        InvalidDefinition: the variable has another form.
    """
    parameter = (template_data or template())["Parameters"]["Pipeline"]
    chosen = os.environ.get(VARIABLE, "").strip()
    if chosen and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*", chosen):
        raise InvalidDefinition(f"{VARIABLE} must be module:attribute, such as {parameter['Default']}, not {chosen!r}.")
    return chosen or str(parameter["Default"])
