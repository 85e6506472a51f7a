"""Cells of a CSV row as the values of an item: each becomes what the schema allows it to be.

Where the schema allows a text as well as something else, a cell stays text unless only the other value makes the item
valid. Where nothing fits, the cell stays as it is, for the schema to reject.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from tailrace.definition.item_keys import PLAIN_TTL, CollectionKey
from tailrace.definition.schemas import Schema
from tailrace.encoding.json_types import Item
from tailrace.encoding.key_templates import Kind
from tailrace.encoding.numbers import parse_number
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage

# JSON's numbers, and the variants that spreadsheets write.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_MAX_COMBINATIONS = 256
"""Bounds the combinations of values that are tried for one row."""

_MAX_CACHED = 4096


@dataclass(frozen=True, slots=True)
class LineFields:
    """What the fields of a line are: those of the item by its schema, and what stands beside them.

    Attributes:
        schema: the schema of the item.
        in_key: the fields in the item's key, with their types.
        expiry: the name under which a line gives the item's expiry.
    """

    schema: Schema
    in_key: Mapping[str, Kind] = field(default_factory=dict)
    expiry: str = PLAIN_TTL

    @classmethod
    def of(cls, schema: Schema, keys: CollectionKey | None) -> "LineFields":
        """Return those of a collection: ``expires_at`` is its TTL, unless the schema has a field of that name."""
        if keys is None:
            return cls(schema)
        return cls(schema, keys.fields, keys.ttl if PLAIN_TTL in schema.properties else PLAIN_TTL)

    def item(self, fields: Item) -> Item:
        """Return a line's fields without its expiry and, unless it is a field of the item, without its id."""
        apart = {self.expiry} if self.has_id_field else {self.expiry, "id"}
        return {name: value for name, value in fields.items() if name not in apart}

    @property
    def has_id_field(self) -> bool:
        """Whether the item has a field named ``id``."""
        return "id" in self.schema.properties or "id" in self.in_key

    def types(self, name: str) -> frozenset[str]:
        """Return the types that a column's values may have, as far as is known; a text if nothing is."""
        if name == self.expiry:
            return frozenset(["number"])
        if name in self.in_key:
            return frozenset(["number" if self.in_key[name] == "number" else "string"])
        if name == "id" and not self.has_id_field:
            return frozenset(["string"])
        return self.schema.field_types(name) or frozenset(["string"])


class Columns:
    """Converts the rows of one file, by its header and its items' fields."""

    def __init__(self, header: Sequence[str], fields: LineFields) -> None:
        self._header = tuple(header)
        self._line = fields
        self._schema = fields.schema
        self._types = {name: fields.types(name) for name in header}
        self._fitting: dict[tuple[str, str], list[Any]] = {}

    def fields(self, cells: Sequence[str]) -> Item:
        """Return a row's fields. An empty cell is a missing field, or null if the field must exist and may be null."""
        fields: Item = {}
        choices: dict[str, list[Any]] = {}
        for name, cell in zip(self._header, cells, strict=True):
            types = self._types[name]
            if not cell:
                if "null" in types and name in self._schema.required:
                    fields[name] = None
                continue
            if types == {"string"}:
                fields[name] = cell
                continue
            values = self._values(name, cell)
            fields[name] = values[0]
            if len(values) > 1:
                choices[name] = values
        return self._first_valid(fields, choices) if choices else fields

    def _values(self, name: str, cell: str) -> list[Any]:
        """Return what a cell may be, the preferred value first: all that the field's own schema allows, if any."""
        found = self._fitting.get((name, cell))
        if found is not None:
            return found
        values = _readings(cell, self._types[name])
        found = values if len(values) == 1 else [value for value in values if self._fits(name, value)] or values[:1]
        if not isinstance(found[-1], dict | list):  # each item has arrays and objects of its own
            if len(self._fitting) >= _MAX_CACHED:
                self._fitting.clear()
            self._fitting[name, cell] = found
        return found

    def _fits(self, name: str, value: Any) -> bool:
        place = "/" + name.replace("~", "~0").replace("/", "~1")
        pointers = [violation.pointer for violation in self._schema.violations({name: value})]
        return not any(pointer == place or pointer.startswith(f"{place}/") for pointer in pointers)

    def _first_valid(self, fields: Item, choices: Mapping[str, list[Any]]) -> Item:
        for values in islice(product(*choices.values()), _MAX_COMBINATIONS):
            candidate = fields | dict(zip(choices, values, strict=True))
            if self._schema.is_valid(self._line.item(candidate)):
                return candidate
        return fields


def _readings(cell: str, types: frozenset[str]) -> list[Any]:
    """Return what a cell may be: the text first if the types allow one, and also if nothing else is possible."""
    others = list(_parsed(cell.strip(), types))
    return [cell, *others] if "string" in types or not others else others


def _parsed(text: str, types: frozenset[str]) -> Iterator[Any]:
    """Yield the value other than a text that a text spells, if it spells one of these types."""
    try:
        if "number" in types and _NUMBER.fullmatch(text):
            yield parse_number(text)
        elif "boolean" in types and text.lower() in ("true", "false"):
            yield text.lower() == "true"
        elif "null" in types and text == "null":
            yield None
        elif types & {"array", "object"} and text.startswith(("[", "{")):
            yield loads(text)
    except InvalidMessage:  # not JSON, or the exponent is too large
        return
