"""Cells of a CSV row as the values of an item: each becomes what the schema allows it to be.

Where the schema allows a text as well as something else, a cell stays text unless only the other value makes the item
valid. Where nothing fits, the cell stays as it is, for the schema to reject.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from tailrace.definition.item_ids import fields_of_id
from tailrace.definition.item_keys import PLAIN_TTL, CollectionKey
from tailrace.definition.schemas import Schema
from tailrace.encoding.json_types import Item
from tailrace.encoding.key_templates import Kind
from tailrace.encoding.numbers import parse_number
from tailrace.encoding.tagged_json import loads_foreign
from tailrace.encoding.text import json_pointer
from tailrace.errors import InvalidItem, InvalidMessage, Violation
from tailrace.inputs.choices import ABSENT, Choices, first_valid, with_more

# JSON's numbers, and the variants that spreadsheets write.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_MAX_CACHED, _MAX_CACHED_CHARACTERS = 4096, 100
"""Bounds of the cached cells: those that recur are short, and long ones would fill the memory."""

_TEXT = frozenset(["string"])


class LineFields(Struct, frozen=True):
    """What the fields of a line are: those of the item by its schema, and what accompanies them.

    Attributes:
        schema: the schema of the item.
        in_key: the fields in the item's key, with their types.
        given: the fields that every item of the collection has, with their values.
        expiry: the name under which a line gives the item's expiry.
    """

    schema: Schema
    in_key: Mapping[str, Kind] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    expiry: str = PLAIN_TTL

    @classmethod
    def of(cls, schema: Schema, keys: CollectionKey | None) -> "LineFields":
        """Return those of a collection: ``expires_at`` is its TTL, unless its items have a field of that name."""
        if keys is None:
            return cls(schema)
        is_field = PLAIN_TTL in {*keys.fields, *keys.match} or _may_have(schema, PLAIN_TTL)
        return cls(schema, keys.fields, keys.match, keys.ttl if is_field else PLAIN_TTL)

    def item(self, fields: Item) -> Item:
        """Return a line's fields without its expiry and, unless it is a field of the item, without its id."""
        apart = {self.expiry} if self.has_id_field else {self.expiry, "id"}
        return {name: value for name, value in fields.items() if name not in apart}

    @property
    def has_id_field(self) -> bool:
        """Whether the item has a field named ``id``."""
        return "id" in self.in_key or _may_have(self.schema, "id")

    def types(self, name: str) -> frozenset[str]:
        """Return the types that a column's values may have, as far as is known; a text if nothing is."""
        if name == self.expiry:
            return frozenset(["number"])
        if name in self.in_key:
            kind = self.in_key[name]
            return frozenset(["string" if kind == "text" else kind])
        if name in self.given:
            value = self.given[name]
            return frozenset(
                ["boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"]
            )
        if name == "id" and not self.has_id_field:
            return frozenset(["string"])
        return self.schema.field_types(name) or self.schema.listed_types(name) or _TEXT

    def possible_types(self, name: str) -> frozenset[str]:
        """Return all types that the values of a column may have in a valid item; those of :meth:`types` are likely."""
        likely = self.types(name)
        if self._is_apart(name) or self.schema.field_types(name) is None:
            return likely
        return likely | self.schema.paths.types((name,))

    def is_sometimes_text(self, name: str) -> bool:
        """Tell whether a column's values are texts unless the item's other fields make them something else."""
        return not self._is_apart(name) and self.schema.paths.is_sometimes_text(name)

    def _is_apart(self, name: str) -> bool:
        """Tell whether a column's values do not depend on the schema."""
        if name == "id" and not self.has_id_field:
            return True
        return name == self.expiry or name in self.in_key or name in self.given


def _may_have(schema: Schema, name: str) -> bool:
    """Tell whether a schema names a field and allows it; it may name one, such as in a condition, and forbid it."""
    return name in schema.named_fields and bool(schema.paths.types((name,)))


class Columns:
    """Converts the rows of one file, by its header and its items' fields."""

    def __init__(self, header: Sequence[str], fields: LineFields) -> None:
        self._header = tuple(header)
        self._line = fields
        self._schema = fields.schema
        # name by name: what is known of a schema's paths is forgotten after many
        both = {name: (fields.types(name), fields.possible_types(name)) for name in header}
        self._types = {name: likely for name, (likely, _) in both.items()}
        self._possible = {name: possible for name, (_, possible) in both.items()}
        self._texts = {name for name, types in self._possible.items() if types == _TEXT}
        self._sometimes_texts = {name for name in header if fields.is_sometimes_text(name)}
        self._if_empty = {name: self._empty_cell(name) for name in header}
        self._fitting: dict[tuple[str, str], list[Any]] = {}

    def fields(self, cells: Sequence[str]) -> Item:
        """Return a row's fields. An empty cell is a missing field, or null if the field must exist and may be null.

        Raises:
            InvalidItem: a cell cannot be read, and text is not allowed there.
        """
        fields: Item = {}
        choices: Choices = {}
        for name, cell in zip(self._header, cells, strict=True):
            if cell and name in self._texts:
                fields[name] = cell
                continue
            values = self._values(name, cell) if cell else self._if_empty[name]
            if values[0] is not ABSENT:
                fields[name] = values[0]
            if len(values) > 1:
                choices[name] = values
        size = sum(map(len, cells))
        found = first_valid(fields, choices, self._violations, size) if choices else fields
        return self._with_texts(found, cells, size) if self._sometimes_texts else found

    def _with_texts(self, fields: Item, cells: Sequence[str], size: int) -> Item:
        """Return a row's fields with those cells as texts that nothing makes something else in this item."""
        texts = {
            name: cell
            for name, cell in zip(self._header, cells, strict=True)
            if name in self._sometimes_texts and cell and not isinstance(fields.get(name), str)
        }
        if not texts or self._violations(fields, report=False) is not None:
            return fields
        return with_more(texts, fields, self._violations, size)

    def as_texts(self, cells: Sequence[str]) -> Item:
        """Return a row's fields as they are in the file."""
        return {name: cell for name, cell in zip(self._header, cells, strict=True) if cell}

    def _violations(self, fields: Item, *, report: bool) -> Sequence[Violation] | None:
        item = self._line.item(fields)
        if self._schema.is_valid(item):
            return None
        return self._schema.violations(item) if report else ()

    def _empty_cell(self, name: str) -> list[Any]:
        """Return what an empty cell may be, the preferred value first."""
        if "null" in self._possible[name]:
            if name in self._schema.required:
                return [None]
            if name in self._schema.sometimes_required:
                return [ABSENT, None]
        return [ABSENT]

    def _values(self, name: str, cell: str) -> list[Any]:
        """Return what a cell may be, the preferred value first: all that the field's own schema allows, if any."""
        found = self._fitting.get((name, cell))
        if found is None:
            found = self._fitting_values(name, cell)
            if name in self._sometimes_texts and cell not in found:
                found = [*found, cell]
            # each item has arrays and objects of its own
            if len(cell) <= _MAX_CACHED_CHARACTERS and not any(isinstance(one, dict | list) for one in found):
                if len(self._fitting) >= _MAX_CACHED:
                    self._fitting.clear()
                self._fitting[name, cell] = found
        return found

    def _fitting_values(self, name: str, cell: str) -> list[Any]:
        likely, possible = self._types[name], self._possible[name]
        values = _readings(cell, likely)
        if len(values) == 1 and possible == likely:
            if possible.isdisjoint(("string", "binary")):
                _check_json(name, cell.strip())
            return values
        fitting = [value for value in values if self._fits(name, value)]
        if not fitting:
            fitting = [
                value for value in _readings(cell, possible - _TEXT) if value is not cell and self._fits(name, value)
            ]
        return fitting or values[:1]

    def _fits(self, name: str, value: Any) -> bool:
        return next(self._schema.refusals(name, value), None) is None


def _readings(cell: str, types: frozenset[str]) -> list[Any]:
    """Return what a cell may be: the text first if the types allow one, and also if nothing else is possible."""
    try:
        others = list(_parsed(cell.strip(), types))
    except InvalidMessage:  # not JSON, or the exponent is too large
        others = []
    return [cell, *others] if "string" in types or not others else others


def _check_json(name: str, text: str) -> None:
    """Check that a cell that begins like an array or object, and may not be text, is JSON.

    Raises:
        InvalidItem: it is not; the message says where it fails.
    """
    if text.startswith(("[", "{")):
        try:
            loads_foreign(text)
        except InvalidMessage as error:
            raise InvalidItem([Violation(json_pointer(name), "json", str(error))]) from error


def _parsed(text: str, types: frozenset[str]) -> Iterator[Any]:
    """Yield the value other than a text that a text spells, if it spells one of these types; binary as ids write it.

    Raises:
        InvalidMessage: it begins like one of them, and cannot be parsed.
    """
    if "binary" in types:
        yield from fields_of_id(text, {"": "binary"}).values()
    elif "number" in types and _NUMBER.fullmatch(text):
        yield parse_number(text)
    elif "boolean" in types and text.lower() in ("true", "false"):
        yield text.lower() == "true"
    elif "null" in types and text.lower() == "null":
        yield None
    elif types & {"array", "object"} and text.startswith(("[", "{")):
        yield loads_foreign(text)
