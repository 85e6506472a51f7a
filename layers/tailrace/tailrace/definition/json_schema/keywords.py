"""The keywords of JSON Schema 2020-12: where each has subschemas, and what replaces outdated ones."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from tailrace.errors import DefinitionError

SINGLE = frozenset(
    [
        "additionalProperties",
        "unevaluatedProperties",
        "items",
        "unevaluatedItems",
        "contains",
        "propertyNames",
        "not",
        "if",
        "then",
        "else",
        "contentSchema",
    ]
)
LISTS = frozenset(["allOf", "anyOf", "oneOf", "prefixItems"])
MAPS = frozenset(["$defs", "definitions", "properties", "patternProperties", "dependentSchemas"])
"""Keywords whose value is a schema, a list of schemas, or an object with a schema for each name."""

REFERENCES = ("$ref", "$dynamicRef")

_SAME_INSTANCE = frozenset(["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"])

_VALUES = frozenset(
    [
        "$schema",
        "$id",
        "$ref",
        "$anchor",
        "$dynamicRef",
        "$dynamicAnchor",
        "$vocabulary",
        "$comment",
        "type",
        "enum",
        "const",
        "multipleOf",
        "maximum",
        "exclusiveMaximum",
        "minimum",
        "exclusiveMinimum",
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "uniqueItems",
        "maxContains",
        "minContains",
        "maxProperties",
        "minProperties",
        "required",
        "dependentRequired",
        "title",
        "description",
        "default",
        "deprecated",
        "readOnly",
        "writeOnly",
        "examples",
        "format",
        "contentEncoding",
        "contentMediaType",
    ]
)
_ANNOTATIONS = frozenset(["discriminator", "example", "externalDocs", "xml"])  # OpenAPI's, which change no result

_KNOWN = SINGLE | LISTS | MAPS | _VALUES | _ANNOTATIONS

_OUTDATED = {
    "dependencies": "dependentRequired or dependentSchemas",
    "additionalItems": "items, after prefixItems",
    "$recursiveRef": "$dynamicRef",
    "$recursiveAnchor": "$dynamicAnchor",
    "id": "$id",
    "divisibleBy": "multipleOf",
    "extends": "allOf",
    "disallow": "not",
    "nullable": 'a type such as ["string", "null"]',
}

_FORMERLY_BOOLEAN = {
    "exclusiveMinimum": "write the bound itself, and no minimum",
    "exclusiveMaximum": "write the bound itself, and no maximum",
    "required": "write required as a list of names, next to properties",
}

TYPES = ("string", "number", "integer", "boolean", "null", "array", "object")

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield each direct subschema, with the keyword and the JSON Pointer that lead to it."""
    for keyword, value in schema.items():
        if keyword in SINGLE:
            yield keyword, f"/{keyword}", value
        elif keyword in LISTS and isinstance(value, list | tuple):
            for index, inner in enumerate(value):
                yield keyword, f"/{keyword}/{index}", inner
        elif keyword in MAPS and isinstance(value, Mapping):
            for name, inner in value.items():
                yield keyword, f"/{keyword}/{escape_pointer(str(name))}", inner


def applied_in_place(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each direct subschema that applies to the same value as the schema, with its keyword; no references."""
    # without looking at the properties: each of thousands of columns asks
    for keyword, _, inner in subschemas({word: value for word, value in schema.items() if word in _SAME_INSTANCE}):
        yield keyword, inner


def escape_pointer(name: str) -> str:
    """Return a name as a part of a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def unescape_pointer(part: str) -> str:
    """Undo :func:`escape_pointer`."""
    return part.replace("~1", "/").replace("~0", "~")


def check_keywords(schema: Any, pointer: str = "") -> None:
    """Check that a schema and its subschemas have only keywords of 2020-12, or that begin with ``x-``.

    Raises:
        DefinitionError: a keyword is unknown or of an older draft, so that it would be ignored silently.
    """
    if not isinstance(schema, Mapping):
        return
    draft = schema.get("$schema", _DRAFT)
    if not isinstance(draft, str) or draft.removesuffix("#") != _DRAFT:
        raise DefinitionError(f"{pointer or '/'}: $schema must be {_DRAFT}, the only draft that is read, not {draft!r}")
    for keyword in schema:
        if keyword in _KNOWN or str(keyword).startswith("x-"):
            continue
        if keyword in _OUTDATED:
            reason = f"is not in JSON Schema 2020-12; use {_OUTDATED[keyword]}"
        else:
            close = get_close_matches(str(keyword), _KNOWN, n=1)
            reason = f"is unknown{f'; did you mean {close[0]!r}?' if close else ''} (an annotation must begin with x-)"
        raise DefinitionError(f"{pointer or '/'}: the schema keyword {keyword!r} {reason}")
    if isinstance(schema.get("items"), list | tuple):
        raise DefinitionError(f"{pointer}/items: a list of schemas is not in JSON Schema 2020-12; use prefixItems")
    _check_values(schema, pointer)
    for _, step, inner in subschemas(schema):
        check_keywords(inner, pointer + step)


def _check_values(schema: Mapping[str, Any], pointer: str) -> None:
    """Check the values of keywords that older drafts wrote otherwise, and the names of types."""
    for keyword, advice in _FORMERLY_BOOLEAN.items():
        if isinstance(schema.get(keyword), bool):
            raise DefinitionError(f"{pointer}/{keyword}: a boolean is not in JSON Schema 2020-12; {advice}")
    types = schema.get("type", ())
    for kind in [types] if isinstance(types, str) else types if isinstance(types, list | tuple) else ():
        if isinstance(kind, str) and kind not in TYPES:
            close = get_close_matches(kind, TYPES, n=1)
            advice = f"did you mean {close[0]!r}?" if close else f"the types are {', '.join(TYPES)}"
            raise DefinitionError(f"{pointer}/type: there is no type {kind!r}; {advice}")
