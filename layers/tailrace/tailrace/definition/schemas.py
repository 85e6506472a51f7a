"""Validation against JSON Schema 2020-12, by ``jsonschema-rs``, after every check that can be made in advance.

What would fail, be ignored or take forever with an item is refused with the definition: unknown and outdated keywords,
broken and circular references, patterns that cannot be matched in linear time.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from math import isfinite
from types import NoneType
from typing import Any

import jsonschema_rs

from tailrace.definition.json_schema.embedding import Embedding
from tailrace.definition.json_schema.exact_numbers import EXACT_KEYWORDS
from tailrace.definition.json_schema.growth import MAX_APPLICATIONS, Growth, count_values, shape
from tailrace.definition.json_schema.keywords import check_keywords
from tailrace.definition.json_schema.paths import Paths
from tailrace.definition.json_schema.pattern_rules import PATTERN_OPTIONS, PatternRewriter, matches, pattern_weight
from tailrace.definition.json_schema.references import References
from tailrace.definition.json_schema.report_bounds import ReportBounds
from tailrace.definition.json_schema.types import ALL_TYPES, types_of
from tailrace.definition.json_schema.unique_items import UniqueItems
from tailrace.definition.json_schema.violation_texts import violation_text
from tailrace.encoding.limits import MAX_DEPTH
from tailrace.encoding.text import json_pointer, shortened
from tailrace.errors import DefinitionError, Violation


class Schema:
    """A compiled JSON Schema.

    Raises:
        DefinitionError: the document is not a valid JSON Schema 2020-12, or one that cannot be used.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        try:
            self.document: Mapping[str, Any] = _with_decimals(document)
            check_keywords(self.document)
            self._patterns = PatternRewriter()
            rewritten = self._patterns.rewrite(self.document)
            jsonschema_rs.meta.validate(rewritten)
            self._references = References(self.document)
            self._growth = growth = Growth(self.document, self._references)
            self._max_depth = growth.max_depth(MAX_APPLICATIONS)
            self._max_reported_depth = growth.max_depth(_MAX_REPORTED_APPLICATIONS)
            if self._patterns.shorten(growth.heaviest(pattern_weight)):
                rewritten = self._patterns.rewrite(self.document)
            self._reports = ReportBounds(growth, self._references)
            self._validator = jsonschema_rs.Draft202012Validator(
                rewritten,
                pattern_options=PATTERN_OPTIONS,
                validate_formats=False,
                offline=True,
                keywords={"uniqueItems": UniqueItems, **EXACT_KEYWORDS},
            )
        except jsonschema_rs.ValidationError as error:
            place = f"{_pointer(error.instance_path) or '/'}: {shortened(error.message)}"
            pattern = self._patterns.uncompiled(error)
            if pattern is not None:
                reason = "an unknown Unicode property, or repeats that expand to more than 32 MB"
                place = f"the regex {pattern[:200]!r} has {reason}"
            raise DefinitionError(f"not a JSON Schema (2020-12): {place}") from error
        except RecursionError as error:
            raise DefinitionError("the schema is nested too deeply") from error
        except (TypeError, ValueError) as error:  # a value that JSON does not have
            raise DefinitionError(f"not a JSON Schema (2020-12): {error}") from error

    @cached_property
    def properties(self) -> Mapping[str, tuple[Any, ...]]:
        """The subschemas of the item's top-level fields, by name, wherever the schema describes them."""
        found: dict[str, tuple[Any, ...]] = {}
        for schema in self._references.in_place(self.document):
            for name, inner in schema.get("properties", {}).items():
                found[name] = (*found.get(name, ()), inner)
        return found

    def field_types(self, *steps: str) -> frozenset[str] | None:
        """Return the types that the field at a path may have; None if the schema says nothing about it."""
        schemas = [self.document]
        for step in steps:
            schemas = [inner for schema in schemas for inner in self._field_schemas(schema, step)]
        return types_of(part for schema in schemas for part in self._references.in_place(schema))

    def listed_types(self, name: str) -> frozenset[str]:
        """Return the types of a field that the schema does not describe, if it lists items or has conditions on it."""
        possible, conditions = self.paths.types((name,)), self.paths.conditional.get(name, ())
        # as a number, a text would evade a condition on texts; one on the type alone may ask for a number
        of_texts = [{word: part[word] for word in part if word != "type"} for part in conditions]
        is_text = types_of(conditions) == types_of(of_texts) == frozenset(["string"])
        return frozenset() if possible == ALL_TYPES and (is_text or not conditions) else possible

    def _field_schemas(self, document: Any, name: str) -> Iterator[Any]:
        """Yield the subschemas of a field of a map, including those for a pattern of its name or for other fields."""
        for schema in self._references.in_place(document):
            named = [schema["properties"][name]] if name in schema.get("properties", {}) else []
            named += [inner for pattern, inner in schema.get("patternProperties", {}).items() if matches(pattern, name)]
            rest = [
                schema[keyword] for keyword in ("additionalProperties", "unevaluatedProperties") if keyword in schema
            ]
            yield from named or rest

    @cached_property
    def paths(self) -> Paths:
        """What the schema says about the values at paths into an item."""
        return Paths(self.document, self._references)

    def targets(self, part: Mapping[str, Any]) -> Sequence[Any]:
        """Return the schemas that a part of this schema refers to."""
        return self._references.targets(part)

    def embedded_at(self, place: str) -> dict[str, Any]:
        """Return the schema in the form that it has at a place within another document, named by a reference."""
        return Embedding(self.document, self._references, place).schema

    @cached_property
    def required(self) -> frozenset[str]:
        """The fields that every item has."""
        schemas = self._references.in_place(self.document, always=True)
        return frozenset(name for schema in schemas for name in schema.get("required", ()))

    @cached_property
    def sometimes_required(self) -> frozenset[str]:
        """The fields that only some items have to have: those of one kind, or with another field."""
        found: set[str] = set()
        for schema in self._references.in_place(self.document):
            found.update(schema.get("required", ()), *schema.get("dependentRequired", {}).values())
        return frozenset(found - self.required)

    @cached_property
    def named_fields(self) -> frozenset[str]:
        """The fields that the schema describes, requires, or makes conditions of, and those of items that it lists."""
        found = {*self.properties, *self.required, *self.sometimes_required, *self.paths.conditional}
        for schema in self._references.in_place(self.document):
            maps = [schema.get("const"), *schema.get("enum", ()), *map(schema.get, _DEPENDENT)]
            found.update(*(names for names in maps if isinstance(names, Mapping)))
        return frozenset(found)

    @cached_property
    def allowed_fields(self) -> frozenset[str] | None:
        """All fields that an item can have, if the schema allows no others; None if it does."""
        applied = map(self._closed_to, self._references.in_place(self.document, always=True))
        closed = [names for names in applied if names is not None]
        return frozenset.intersection(*closed) if closed else None

    def _closed_to(self, schema: Mapping[str, Any]) -> frozenset[str] | None:
        if schema.get("additionalProperties") is False and "patternProperties" not in schema:
            return frozenset(schema.get("properties", {}))
        if schema.get("unevaluatedProperties") is not False:
            return None
        names: set[str] = set()
        for inner in self._references.in_place(schema):
            others = [inner[word] for word in _REST if word in inner]
            if "patternProperties" in inner or any(other is not False for other in others):
                return None
            names.update(inner.get("properties", {}))
        return frozenset(names)

    def is_valid(self, item: Mapping[str, Any]) -> bool:
        """Tell whether an item is valid."""
        try:
            view = json_view(item)
            if self._max_depth is not None and shape(view, self._max_depth)[0] > self._max_depth:
                return False
            return not self._is_too_much(view) and self._validator.is_valid(view)
        except Exception:  # noqa: BLE001 - it concerns this item only; violations() reports it
            return False

    def violations(self, item: Mapping[str, Any]) -> tuple[Violation, ...]:
        """Return every violation, ordered by JSON Pointer; for a very large item, the first. Empty if it is valid."""
        try:
            view = json_view(item)
            depth, values = shape(view, _MAX_LEVELS)
            if self._max_depth is not None and depth > self._max_depth:
                text = f"nested more than {self._max_depth} levels deep, and each level multiplies the checks"
                return (Violation("", "schema", text),)
            if self._is_too_much(view):
                text = f"{values:,} values, to which more than {_MAX_ITEM_APPLICATIONS:,} parts of the schema apply"
                return (Violation("", "schema", f"{text}: split the item, or simplify the schema"),)
            if self._max_reported_depth is not None and depth > self._max_reported_depth:
                text = f"invalid; nested more than {self._max_reported_depth} levels deep, which hides the location"
                return () if self._validator.is_valid(view) else (Violation("", "schema", text),)
            is_large = self._reports.is_too_much(view)
            if is_large and self._reports.has_alternatives:
                text = "invalid; the item is too large to locate the violations: try a part of it"
                return () if self._validator.is_valid(view) else (Violation("", "schema", text),)
            errors = self._errors(view, only_first=is_large or values > self._reports.max_values)
            # unevaluatedProperties and the like apply other keywords once more, with the same result
            found = dict.fromkeys(map(self._violation, errors))
        except Exception as error:  # noqa: BLE001 - whatever it is, the item cannot be used
            return (Violation("", "schema", shortened(f"cannot be validated: {type(error).__name__}: {error}")),)
        return tuple(sorted(found, key=lambda violation: violation.pointer))

    def refusals(self, name: str, value: Any) -> Iterator[str]:
        """Yield why no valid item has this value in the field ``name``, whatever other fields it has."""
        view = {name: json_view(value)}
        depth, values = shape(view, _MAX_LEVELS)
        if self._max_reported_depth is not None and depth > self._max_reported_depth:
            return  # it would take too long to tell; the whole item is checked anyway
        if self._is_too_much(view) or self._reports.is_too_much(view):
            return
        for error in self._errors(view, only_first=values > self._reports.max_values):
            if error.instance_path[:1] == [name] and not _depends_on_other_fields(error.evaluation_path):
                yield self._violation(error).message

    @cached_property
    def _most_parts(self) -> int:
        """How many parts are applied to one value of an item, at most."""
        return max(map(self._growth.most_parts, range(MAX_DEPTH + 1)))

    def _is_too_much(self, view: Any) -> bool:
        """Tell whether the parts of the schema would be applied more often than the bound, over all values."""
        if self._most_parts * _MAX_VALUES <= _MAX_ITEM_APPLICATIONS:
            return False
        if self._most_parts * count_values(view) <= _MAX_ITEM_APPLICATIONS:
            return False
        return self._growth.applications(view, _MAX_ITEM_APPLICATIONS) > _MAX_ITEM_APPLICATIONS

    def _errors(self, view: Any, *, only_first: bool) -> Iterable[jsonschema_rs.ValidationError]:
        if not only_first:
            return self._validator.iter_errors(view)
        try:
            self._validator.validate(view)
        except jsonschema_rs.ValidationError as error:
            return [error]
        return []

    def _violation(self, error: jsonschema_rs.ValidationError) -> Violation:
        keyword, message = violation_text(error, self._patterns.original)
        return Violation(shortened(_pointer(error.instance_path)), keyword, shortened(message))


_MAX_ITEM_APPLICATIONS = 5_000_000
"""The most parts of a schema that may be applied to the values of an item, about three seconds."""

_MAX_VALUES = 525_000  # of a line of 1 MiB
_MAX_LEVELS = 500  # below Python's limit; no item is nested as deeply
_MAX_REPORTED_APPLICATIONS = 300

_CONDITIONAL, _DEPENDENT = frozenset(["then", "else", "dependentSchemas"]), ("dependentRequired", "dependentSchemas")
_REST = ("additionalProperties", "unevaluatedProperties")
_INTO_FIELDS = frozenset(["properties", "patternProperties", *_REST])


def _depends_on_other_fields(path: Sequence[str | int]) -> bool:
    """Tell whether the way through the schema to a field's violation leads through a condition on the item."""
    for step in path:
        if step in _INTO_FIELDS:
            return False
        if step in _CONDITIONAL:
            return True
    return False


def _with_decimals(document: Any) -> Any:
    """Replace each float of a schema with the decimal that ``repr`` shows, since items contain decimals."""
    if isinstance(document, Mapping):
        return {name: _with_decimals(inner) for name, inner in document.items()}
    if isinstance(document, list | tuple):
        return [_with_decimals(inner) for inner in document]
    if isinstance(document, float | Decimal) and not isfinite(document):
        raise ValueError(f"{document} is not a number in JSON")
    return Decimal(repr(document)) if isinstance(document, float) else document


def json_view(value: Any) -> Any:
    """Return a value as JSON Schema sees it: a set becomes a sorted array, binary becomes base64."""
    if type(value) is dict or isinstance(value, Mapping):
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


def _pointer(path: Any) -> str:
    return "".join(json_pointer(str(part)) for part in path)
