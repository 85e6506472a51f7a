"""Validation against JSON Schema 2020-12: a fast check first, a full report only for rejected items.

``jsonschema`` is the reference and produces the report. ``jsonschema-rs`` runs first if the schema uses only keywords
on which the two agree; ``tests/properties/test_schemas.py`` compares them.
"""

import base64
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from types import NoneType
from typing import Any

import jsonschema_rs

from tailrace.errors import DefinitionError, Violation

COMPATIBLE_KEYWORDS = frozenset(
    [
        "$schema",
        "$id",
        "$comment",
        "$defs",
        "$ref",
        "title",
        "description",
        "examples",
        "default",
        "deprecated",
        "readOnly",
        "writeOnly",
        "type",
        "enum",
        "const",
        "required",
        "properties",
        "additionalProperties",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "contains",
        "minContains",
        "maxContains",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "propertyNames",
    ]
)
"""Keywords on which both validators agree for every value that an item can contain."""

_ENDLESS = Violation("", "$ref", "the schema's references form a circle, so this item cannot be validated")

_DRAFT = "https://json-schema.org/draft/2020-12/schema"

# Both regex engines agree on these: ASCII literals and classes, counted repeats, anchors at the ends only.
_COMPATIBLE_PATTERN = re.compile(
    r"\^?(?:[A-Za-z0-9 _:/-]|\[[A-Za-z0-9 _:]+(?:-[A-Za-z0-9])?[A-Za-z0-9 _:-]*\]|\{\d+(?:,\d*)?\}|[+*?])*\$?"
)


class Schema:
    """A compiled JSON Schema.

    Raises:
        DefinitionError: the document is not a valid JSON Schema 2020-12.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        exact: dict[str, Any] = _with_decimals(document)
        known = exact.get("$schema", _DRAFT) == _DRAFT and jsonschema_rs.meta.is_valid(exact)
        if not known or not is_compatible(exact):
            from tailrace.definition import validator as reference  # noqa: PLC0415 - slow to import, see there

            reference.check_schema(exact)
        self.document: Mapping[str, Any] = exact
        try:
            self._fast = jsonschema_rs.Draft202012Validator(exact) if is_compatible(exact) else None
        except jsonschema_rs.ValidationError as error:
            raise DefinitionError(f"not a JSON Schema (2020-12): {error.message}") from error

    @cached_property
    def _reference(self) -> Any:
        from tailrace.definition import validator as reference  # noqa: PLC0415 - slow to import, see there

        return reference.validator(self.document)

    @property
    def properties(self) -> Mapping[str, Any]:
        """The subschemas of the item's top-level fields, by name."""
        properties = self.document.get("properties", {})
        return properties if isinstance(properties, Mapping) else {}

    @property
    def allowed_fields(self) -> frozenset[str] | None:
        """All fields that an item can have, if the schema allows no others; None if it does."""
        closed = self.document.get("additionalProperties") is False and "patternProperties" not in self.document
        return frozenset(self.properties) if closed else None

    @property
    def accepts_any_object(self) -> bool:
        """Whether the schema requires nothing beyond an object, which every item is."""
        constraints = self.document.keys() - {"$schema", "$id", "$comment", "title", "description"}
        return not constraints or (constraints == {"type"} and self.document["type"] == "object")

    def is_valid(self, item: Mapping[str, Any]) -> bool:
        """Tell whether an item is valid, by the fastest validator that the schema allows."""
        view = json_view(item)
        if self._fast is not None:
            return self._fast.is_valid(view)
        try:
            return bool(self._reference.is_valid(view))
        except RecursionError:
            return False

    def violations(self, item: Mapping[str, Any]) -> tuple[Violation, ...]:
        """Return every violation, ordered by JSON Pointer; empty if the item is valid."""
        view = json_view(item)
        if self._fast is not None and self._fast.is_valid(view):
            return ()
        try:
            found = [
                Violation(_pointer(error.absolute_path), str(error.validator), _truncate(error.message))
                for error in self._reference.iter_errors(view)
            ]
        except RecursionError:
            return (_ENDLESS,)
        return tuple(sorted(found, key=lambda violation: violation.pointer))


def _with_decimals(document: Any) -> Any:
    """Replace each float of a schema with the decimal that ``repr`` shows, since items contain decimals."""
    if isinstance(document, Mapping):
        return {name: _with_decimals(inner) for name, inner in document.items()}
    if isinstance(document, list | tuple):
        return [_with_decimals(inner) for inner in document]
    return Decimal(repr(document)) if isinstance(document, float) else document


def is_compatible(schema: Any) -> bool:  # noqa: C901 - one case for each kind of keyword
    """Tell whether a schema uses only features on which both validators agree."""
    if not isinstance(schema, Mapping):
        return not isinstance(schema, list) or all(is_compatible(inner) for inner in schema)
    for keyword, value in schema.items():
        match keyword:
            case "pattern":
                if not _COMPATIBLE_PATTERN.fullmatch(value):
                    return False
            case "properties" | "$defs" | "dependentSchemas":
                if not all(is_compatible(inner) for inner in value.values()):
                    return False
            case "enum" | "const" | "default" | "examples" | "dependentRequired":
                continue  # values, not schemas
            case "$ref":
                if not value.startswith("#"):
                    return False
            case _ if keyword not in COMPATIBLE_KEYWORDS or not is_compatible(value):
                return False
    return True


def json_view(value: Any) -> Any:
    """Return a value as JSON Schema sees it: a set becomes a sorted array, binary becomes base64."""
    if isinstance(value, Mapping):
        if _SCALARS.issuperset(map(type, value.values())):
            return value
        return {name: json_view(inner) if isinstance(inner, _CONTAINERS) else inner for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_view(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted((json_view(inner) for inner in value), key=repr)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return value


_SCALARS = frozenset([str, int, bool, Decimal, NoneType])
_CONTAINERS = (dict, list, tuple, set, frozenset, bytes, bytearray)
_MAX_MESSAGE = 500


def _pointer(path: Any) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _truncate(message: str) -> str:
    # jsonschema quotes the invalid value, which may be the whole item
    half = _MAX_MESSAGE // 2
    return message if len(message) <= _MAX_MESSAGE else f"{message[:half]} … {message[-half:]}"
