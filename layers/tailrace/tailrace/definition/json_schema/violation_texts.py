"""What a violation of a schema says: the keyword that failed, and the reason for people."""

from collections.abc import Callable
from typing import Any

import jsonschema_rs
from jsonschema_rs import ValidationErrorKind as Kind

from tailrace.definition.json_schema.exact_numbers import original_keyword, with_original_keywords

type Original = Callable[[jsonschema_rs.ValidationError], str | None]
"""Returns the pattern that a text does not match, as the schema has it; None if the error is another one."""

_TOO_FEW_OR_MANY = {
    "contains": "no element matches the schema under 'contains'",
    "minContains": "too few elements match the schema under 'contains'",
    "maxContains": "too many elements match the schema under 'contains'",
}
_BY_NAME = frozenset(["properties", "patternProperties", "dependentSchemas"])
_BY_INDEX = frozenset(["items", "prefixItems"])


def violation_text(error: jsonschema_rs.ValidationError, original: Original) -> tuple[str, str]:
    """Return the keyword of a violation and its message."""
    path, kind = list(error.schema_path), error.kind
    keyword = original_keyword(str(path[-1])) if path else "false"
    shown = repr(error.instance) if isinstance(error.instance, str) else str(error.instance)
    pattern = original(error)
    if pattern is not None:
        return "pattern", f"{shown} does not match {pattern!r}"
    if isinstance(kind, Kind.Required):
        return keyword, f"{kind.property!r} is a required property"
    if isinstance(kind, Kind.Type):
        given = shown if isinstance(error.instance, str) else error.message.rpartition(" is not of type")[0]
        return keyword, f"{given} is not of type {', '.join(map(repr, kind.types))}"
    if isinstance(kind, Kind.Contains):
        return keyword, _TOO_FEW_OR_MANY.get(keyword, error.message)
    if isinstance(kind, Kind.PropertyNames):
        inner, reason = violation_text(kind.error, original)
        return inner, f"the name {str(kind.error.instance)!r}: {reason}"
    if isinstance(kind, Kind.FalseSchema):
        return _refused(error)
    return keyword, with_original_keywords(error.message)


def _refused(error: jsonschema_rs.ValidationError) -> tuple[str, str]:
    """Return what the schema ``false`` means at its place."""
    path: list[Any] = list(error.evaluation_path)
    while path and path[-1] == "$ref":
        path.pop()
    outer = path[-2] if len(path) > 1 else None
    if outer in _BY_NAME:
        name = path[-1] if outer == "dependentSchemas" else error.instance_path[-1]
        return outer, f"{name!r} is not allowed here"
    keyword = str(outer if isinstance(path[-1], int) else path[-1]) if path else "false"
    if keyword in _BY_INDEX:
        return keyword, f"element {int(error.instance_path[-1]) + 1} is not allowed"
    return keyword, f"no value is allowed here: the schema under {keyword!r} is false"
