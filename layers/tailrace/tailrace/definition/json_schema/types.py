"""The types that the values of a schema may have, as far as the schema says."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

ALL_TYPES = frozenset(["string", "number", "boolean", "null", "array", "object"])

_NUMBERS = ("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_TEXTS = ("minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType", "contentSchema")
_LENGTHS = ("minItems", "maxItems", "uniqueItems")
_ARRAYS = ("items", "prefixItems", "unevaluatedItems", "contains", "minContains", "maxContains", *_LENGTHS)
_FIELDS = ("properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames")
_OBJECTS = (*_FIELDS, "required", "dependentRequired", "dependentSchemas", "minProperties", "maxProperties")
_IMPLIED = (
    dict.fromkeys(_NUMBERS, "number")
    | dict.fromkeys(_TEXTS, "string")
    | dict.fromkeys(_ARRAYS, "array")
    | dict.fromkeys(_OBJECTS, "object")
)
"""The type that a keyword is about: a schema that has it, but no ``type``, expects such values."""

_SILENT = frozenset(["title", "description", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly"])


def types_of(schemas: Iterable[Mapping[str, Any]]) -> frozenset[str] | None:
    """Return the types of values under schemas that apply together; None if they say nothing about the value.

    Integers are numbers. If the schemas restrict the value, but not by a type, it may have any.
    """
    parts = tuple(schemas)
    stated = {kind for part in parts for kind in _stated_types(part)}
    implied = {_IMPLIED[keyword] for part in parts for keyword in part if keyword in _IMPLIED}
    if not stated and not implied:
        return ALL_TYPES if any(part.keys() - _SILENT for part in parts) else None
    return frozenset("number" if kind == "integer" else kind for kind in stated or implied)


def _stated_types(schema: Mapping[str, Any]) -> Iterator[str]:
    types = schema.get("type", ())
    yield from [types] if isinstance(types, str) else types
    yield from map(type_of, schema.get("enum", ()))
    if "const" in schema:
        yield type_of(schema["const"])


def type_of(value: Any) -> str:
    """Return the type of a value, under JSON Schema's name; integers are numbers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | Decimal):
        return "number"
    return "string" if isinstance(value, str) else "object" if isinstance(value, Mapping) else "array"
