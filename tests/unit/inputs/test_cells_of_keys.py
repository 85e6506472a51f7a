"""Cells of the fields that an item's key or collection give: each has the type that it has there."""

import io
from collections.abc import Mapping
from typing import Any

import pytest

from tailrace import Collection
from tailrace.inputs.lines import Line, read_lines


def lines(key: Mapping[str, Any], match: Mapping[str, Any], text: str) -> dict[str, dict[str, Any]]:
    """Return the items of a CSV file of a collection without a schema, by id."""
    things = Collection("things", schema={}, key=key, match=match)
    found = read_lines(io.BytesIO(text.encode()), "csv", things.compiled, things.id_columns, keys=things.keys)
    return {line.id: line.item for line in found if isinstance(line, Line)}


@pytest.mark.parametrize(
    ("value", "cell", "other"), [(1, "1.0", "one"), (True, "TRUE", "1"), ("1", "1", "01"), ("true", "true", "x")]
)
def test_an_attribute_of_the_collection_has_its_type(value: Any, cell: str, other: str) -> None:
    """Before, the text was another value than the collection's, so every row was refused."""
    found = lines({"pk": "U#{user}"}, {"kind": value}, f"user,kind\na,{cell}\nb,\nc,{other}\n")
    assert found == {"a": {"user": "a", "kind": value}, "b": {"user": "b"}, "c": {"user": "c", "kind": other}}
    assert type(found["a"]["kind"]) is type(value)


def test_fields_in_the_key_have_their_types_and_binary_is_written_as_in_ids() -> None:
    key = {"pk": "{device:binary}", "sk": "{at:number}"}
    found = lines(key, {}, "device,at,v\nAP8,05,5\nAP8=,1,5\n[1,2,5\n")
    assert found == {
        "AP8/5": {"device": b"\x00\xff", "at": 5, "v": "5"},
        "AP8=/1": {"device": "AP8=", "at": 1, "v": "5"},
        "[1/2": {"device": "[1", "at": 2, "v": "5"},
    }


@pytest.mark.parametrize(
    "given",
    [
        {"schema": {"properties": {"expires_at": {"type": "string"}}}},
        {"schema": {"required": ["expires_at"]}},
        {"schema": {}, "key": {"pk": "U#{user}", "sk": "{expires_at}"}},
        {"schema": {}, "match": {"expires_at": "never"}},
    ],
)
def test_a_field_called_expires_at_is_no_expiry_where_the_ttl_has_another_name(given: dict[str, Any]) -> None:
    things = Collection("things", **({"key": {"pk": "U#{user}"}} | given), ttl="ends")
    text = b'{"user": "a", "expires_at": "never", "ends": 5}'
    (line,) = read_lines(io.BytesIO(text), "jsonl", things.compiled, things.id_columns, keys=things.keys)
    assert isinstance(line, Line)
    assert (line.item, line.expires_at) == ({"user": "a", "expires_at": "never"}, 5)


@pytest.mark.parametrize("schema", [{}, {"properties": {"expires_at": False}}])
def test_expires_at_is_the_expiry_of_items_without_such_a_field(schema: dict[str, Any]) -> None:
    things = Collection("things", schema=schema, key={"pk": "U#{user}"}, ttl="ends")
    text = b'{"user": "a", "expires_at": 5}'
    (line,) = read_lines(io.BytesIO(text), "jsonl", things.compiled, things.id_columns, keys=things.keys)
    assert isinstance(line, Line)
    assert (line.item, line.expires_at) == ({"user": "a"}, 5)
