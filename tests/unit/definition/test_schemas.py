"""Schemas that the fast validator cannot handle, and references that form a circle."""

from pathlib import Path
from typing import Any

import pytest

from tailrace import Collection
from tailrace.errors import DefinitionError, InvalidItem

# a pattern that only the reference validator handles
_PATTERN = {"pattern": "^\\S+$"}
CIRCLES: list[dict[str, Any]] = [
    {"$ref": "#"} | _PATTERN,
    {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "allOf": [{"$ref": "#/$defs/a"}]} | _PATTERN,
    {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"} | _PATTERN,
    {"not": {"$ref": "#"}} | _PATTERN,
    {"properties": {"a": {"$ref": "#/properties/a"}}} | _PATTERN,
]


@pytest.mark.parametrize("schema", CIRCLES)
def test_an_item_under_a_circle_of_references_is_invalid(schema: dict[str, Any]) -> None:
    things = Collection("things", schema=schema)
    with pytest.raises(InvalidItem) as caught:
        things.prepare({"a": {"a": 1}})
    assert [(found.pointer, found.keyword) for found in caught.value.violations] == [("", "$ref")]


def test_a_reference_to_a_deeper_place_is_no_circle() -> None:
    tree = Collection("things", schema={"properties": {"child": {"$ref": "#"}, "name": _PATTERN}})
    item = {"name": "a", "child": {"name": "b", "child": {"name": "c"}}}
    assert tree.prepare(item) == item


def test_a_schema_file_with_a_name_twice_is_refused_with_the_name(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"properties": {"vat": {}, "vat": {"type": "number"}}}')
    with pytest.raises(DefinitionError, match='the name "vat" occurs more than once'):
        Collection("things", schema=tmp_path / "s.json")
