"""The template as data: resources, and who refers to whom."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from local.deployment.expansion import expand
from local.deployment.template import template as written

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("load", "ingest", "fanout", "archive", "catalog", "aggregate", "history", "api")
PAGE = "dashboard"
"""The function that is no stage: it serves the dashboard's page, where the stack hosts it, and touches no data."""

FUNCTIONS = (*STAGES, PAGE)

LIBRARY_VARIABLES = frozenset(
    {"TRACING", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL", "POWERTOOLS_METRICS_NAMESPACE", "AWS_ENDPOINT_URL"}
)
"""What no settings type reads: Powertools and botocore do, and tailrace.aws.runtime.trace_logs."""

type Resource = Mapping[str, Any]

_NAMED_BUCKETS = {
    f"${{AWS::StackName}}-{name}-${{AWS::AccountId}}-${{AWS::Region}}": f"{name.capitalize()}Bucket"
    for name in ("archive", "failures")
}


OF_TABLES = {"HasForeignTable": False, "HasOwnTable": True, "WritesItems": True}
"""The conditions that decide which table is read, and who may write to it; here as they are by default."""


@cache
def whole_template() -> Mapping[str, Any]:
    """Return the template with its loops unrolled, and every condition open."""
    return expand(written())


@cache
def template() -> Mapping[str, Any]:
    """Return the template with its loops unrolled, for a stack with a table of its own."""
    decided: Mapping[str, Any] = _decided(whole_template())
    return decided


def _decided(value: Any) -> Any:
    match value:
        case {"Fn::If": [str(name), one, other]} if name in OF_TABLES:
            return _decided(one if OF_TABLES[name] else other)
        case dict():
            return {key: _decided(inner) for key, inner in value.items()}
        case list():
            # a member that only another table needs is left out; Fn::If's own lists stay whole
            members = [(inner, _decided(inner)) for inner in value]
            return [decided for inner, decided in members if decided == inner or decided != {"Ref": "AWS::NoValue"}]
    return value


def resources(kind: str) -> dict[str, Resource]:
    """Return the resources of a type, by logical id."""
    return {name: found for name, found in template()["Resources"].items() if found["Type"] == kind}


def properties(logical_id: str) -> Mapping[str, Any]:
    """Return the properties of a resource."""
    found: Mapping[str, Any] = template()["Resources"][logical_id]["Properties"]
    return found


def function_id(stage: str) -> str:
    """Return the logical id of a stage's function."""
    return f"{stage.capitalize()}Function"


def variables(stage: str) -> dict[str, Any]:
    """Return the environment variables that the template gives to a stage, without those for libraries."""
    shared: Mapping[str, Any] = template()["Globals"]["Function"]["Environment"]["Variables"]
    own: Mapping[str, Any] = properties(function_id(stage))["Environment"]["Variables"]
    return {name: value for name, value in {**shared, **own}.items() if name not in LIBRARY_VARIABLES}


def variable_name(logical_id: str) -> str:
    """Return the name of the variable that names a resource: ``ItemsTable`` is ``ITEMS_TABLE``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", logical_id).upper()


def statements(stage: str, effect: str = "Allow") -> list[Mapping[str, Any]]:
    """Return those policy statements of a stage's role that give it rights, or those that deny."""
    policies = properties(function_id(stage))["Policies"]
    return [found for policy in policies for found in policy["Statement"] if found["Effect"] == effect]


def as_list(value: Any) -> list[Any]:
    """Return a value that may stand alone or in a list as a list."""
    return value if isinstance(value, list) else [value]


def referred(value: Any) -> set[str]:
    """Return the logical ids of the resources that a value refers to, at any depth.

    A bucket that notifies functions counts as referred to where its name is spelled out, as it has to be.
    """
    return {name for name in _names(value) if name in template()["Resources"]}


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for member in value:
            yield from _names(member)
    elif isinstance(value, dict):
        for key, inner in value.items():
            match key:
                case "Ref":
                    yield inner
                case "Fn::GetAtt":
                    yield inner[0]
                case "Fn::Sub":
                    yield from _substituted(inner)
                case _:
                    yield from _names(inner)


def _substituted(given: str | list[Any]) -> Iterator[str]:
    if isinstance(given, list):
        text, values = given
        yield from _names(values)
    else:
        text = given
    yield from (bucket for name, bucket in _NAMED_BUCKETS.items() if name in text)
    yield from re.findall(r"\$\{([A-Za-z0-9]+)(?:\.[A-Za-z]+)?\}", text)


def mapping_of(stage: str) -> tuple[str, Mapping[str, Any]] | None:
    """Return the source mapping of a stage, as its logical id and its properties; None where it has none."""
    for name, mapping in resources("AWS::Lambda::EventSourceMapping").items():
        if referred(mapping["Properties"]["FunctionName"]) == {function_id(stage)}:
            return name, mapping["Properties"]
    return None


def spelled(value: Any) -> str:
    """Return a text as one `!Sub` would make it: of references, texts and what is joined of them."""
    match value:
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(spelled, parts))
        case {"Fn::Sub": str(text)}:
            return text
        case {"Ref": str(name)}:
            return f"${{{name}}}"
    return str(value)


def emulated_name(value: Any) -> str:
    """Resolve a name made by ``!Sub`` as it is in the emulated stack, which is called tailrace."""
    known = {"AWS::StackName": "tailrace", "AWS::AccountId": "000000000000", "AWS::Region": "us-east-1"}
    text: str = value["Fn::Sub"]
    return re.sub(r"\$\{([^}]+)\}", lambda found: known[found[1]], text)
