"""The template with its parameters filled in: what a deployment with these values creates."""

from collections.abc import Mapping
from typing import Any

from tests.architecture.stack import whole_template

NOTHING = object()
"""What AWS::NoValue leaves."""


def deployed(**chosen: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a deployment, by logical id: conditions decided, references to parameters replaced."""
    unknown = chosen.keys() - whole_template()["Parameters"].keys()
    assert not unknown, unknown
    values = {name: found.get("Default") for name, found in whole_template()["Parameters"].items()} | chosen
    found = {}
    for name, resource in whole_template()["Resources"].items():
        if "Condition" not in resource or _holds(resource["Condition"], values):
            found[name] = _filled(resource, values)
    return found


def refused(**chosen: str) -> list[str]:
    """Return what the rules say against a deployment with these values."""
    values = {name: found.get("Default") for name, found in whole_template()["Parameters"].items()} | chosen
    return [
        assertion["AssertDescription"]
        for rule in whole_template()["Rules"].values()
        if _decided(rule["RuleCondition"], values)
        for assertion in rule["Assertions"]
        if not _decided(assertion["Assert"], values)
    ]


def of_type(resources: Mapping[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources of a type."""
    return {name: found["Properties"] for name, found in resources.items() if found["Type"] == kind}


def _holds(condition: str, values: Mapping[str, Any]) -> bool:
    return _decided(whole_template()["Conditions"][condition], values)


def _decided(test: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    match test:
        case {"Condition": str(name)}:
            return _holds(name, values)
        case {"Fn::Equals": [one, other]}:
            return str(_filled(one, values)) == str(_filled(other, values))
        case {"Fn::EachMemberEquals": [members, one]}:
            return all(member.strip() == one for member in _filled(members, values).split(","))
        case {"Fn::Contains": [members, one]}:
            return any(member.strip() == one for member in _filled(members, values).split(","))
        case {"Fn::Not": [inner]}:
            return not _decided(inner, values)
        case {"Fn::And": parts}:
            return all(_decided(part, values) for part in parts)
        case {"Fn::Or": parts}:
            return any(_decided(part, values) for part in parts)
    raise AssertionError(test)


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    match value:
        case {"Ref": "AWS::NoValue"}:
            return NOTHING
        case {"Ref": str(name)} if name in values:
            return values[name]
        case {"Fn::If": [condition, one, other]}:
            return _filled(one if _holds(condition, values) else other, values)
        case {"Fn::Select": [index, list_or_text]}:
            filled = _filled(list_or_text, values)
            if isinstance(filled, dict):  # known in a deployment only
                return {"Fn::Select": [index, filled]}
            return filled.split(",")[int(index)] if isinstance(filled, str) else filled[int(index)]
        case dict():
            inner = {key: _filled(part, values) for key, part in value.items()}
            return {key: part for key, part in inner.items() if part is not NOTHING}
        case list():
            return [part for part in (_filled(member, values) for member in value) if part is not NOTHING]
    return value
