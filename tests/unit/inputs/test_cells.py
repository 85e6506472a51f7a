"""A cell of a CSV file becomes what makes the item valid, as a line of JSON would be."""

import io
from decimal import Decimal
from typing import Any

import pytest

from tailrace.definition.schemas import Schema
from tailrace.inputs.lines import Line, read_lines


def optional(kind: str) -> dict[str, Any]:
    """Return the schema of an optional field as pydantic writes it."""
    return {"anyOf": [{"type": kind}, {"type": "null"}], "default": None}


def items(schema: dict[str, Any], text: str) -> list[dict[str, Any]]:
    return [
        line.item for line in read_lines(io.BytesIO(text.encode()), "csv", Schema(schema)) if isinstance(line, Line)
    ]


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        (optional("integer"), "2", 2),
        (optional("number"), " 2.50 ", Decimal("2.50")),
        (optional("boolean"), "TRUE", True),
        (optional("string"), "7", "7"),
        (optional("string"), "true", "true"),
        (optional("array"), "[1, 2]", [1, 2]),
        (optional("object"), '{"a": 1}', {"a": 1}),
        (optional("integer"), "null", None),
        (optional("integer"), "x", "x"),
        ({"oneOf": [{"type": "integer"}, {"type": "string", "pattern": "^[a-z]+$"}]}, "2", 2),
        ({"oneOf": [{"type": "integer"}, {"type": "string", "pattern": "^[a-z]+$"}]}, "ab", "ab"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "007", "007"),
        ({"type": ["integer", "string"]}, "2", "2"),
        ({"type": ["integer", "string"], "not": {"type": "string"}}, "2", 2),
        ({"allOf": [{"type": "number"}, {"maximum": 3}]}, "2", 2),
        ({"allOf": [{"$ref": "#/$defs/number"}]}, "2", 2),
        ({"$ref": "#/$defs/number"}, "2", 2),
        ({"$ref": "https://example.com/number#n"}, "2", 2),
        ({"const": 5}, "5.0", 5),
        ({"const": "5"}, "5", "5"),
        ({"const": True}, "true", True),
        ({"const": None}, "null", None),
        ({"enum": [1, 2, None]}, "2", 2),
        ({"enum": [1, "1x"]}, "1", 1),
        ({"enum": [1, "1x"]}, "1x", "1x"),
        ({"enum": ["1", 1]}, "1", "1"),
        ({"minimum": 1}, "2", 2),
        ({"minimum": 1}, "0", 0),
        ({"minimum": 1}, "x", "x"),
        ({"multipleOf": 0.5}, "1e0", 1),
        ({"maxLength": 3}, "2", "2"),
        ({"items": {"type": "integer"}}, "[1]", [1]),
        ({"required": ["a"]}, '{"a": 1}', {"a": 1}),
        ({"not": {"type": "string"}}, "2", 2),
        ({"if": {"type": "string"}, "then": False}, "2", 2),
        ({"description": "anything"}, "2", "2"),
        ({}, "2", "2"),
        (True, "2", "2"),
    ],
)
def test_a_cell_becomes_what_makes_the_item_valid(field: Any, cell: str, value: Any) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    number = {"$id": "https://example.com/number", "$anchor": "n", "type": "number"}
    for schema in (
        {"properties": {"a": field}, "$defs": {"number": number}},
        {"$ref": "#/$defs/all", "$defs": {"all": {"properties": {"a": field}}, "number": number}},
        {"allOf": [{"required": ["a"]}, {"properties": {"a": field}}], "$defs": {"number": number}},
        {"patternProperties": {"^a$": field}, "$defs": {"number": number}},
        {"additionalProperties": field, "$defs": {"number": number}},
    ):
        (found,) = items(schema, f"id,a\n1,{quoted}\n")
        assert found == {"a": value}
        assert type(found["a"]) is type(value)


def test_the_whole_item_decides_where_a_field_alone_does_not() -> None:
    branches = [
        {"properties": {"kind": {"const": "count"}, "value": {"type": "integer"}}},
        {"properties": {"kind": {"const": "text"}, "value": {"type": "string"}}},
    ]
    found = items({"oneOf": branches}, "id,kind,value\n1,count,7\n2,text,7\n3,other,7\n")
    assert [item["value"] for item in found] == [7, "7", "7"]


def test_an_empty_cell_is_null_only_if_the_field_must_exist_and_may_be_null() -> None:
    schema = {"properties": {"a": optional("integer"), "b": optional("integer"), "c": {"type": "string"}}}
    assert items(schema | {"required": ["b", "c"]}, "id,a,b,c\n1,,,\n") == [{"b": None}]


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"id": {"type": "string"}, "n": {"type": "integer"}}},
        {"$ref": "#/$defs/o", "$defs": {"o": {"properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}}},
        {"allOf": [{"properties": {"id": {"type": "string"}}}, {"properties": {"n": {"type": "integer"}}}]},
        {"anyOf": [{"properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}]},
    ],
)
def test_the_id_stays_in_the_item_wherever_the_schema_names_it(schema: dict[str, Any]) -> None:
    assert items(schema | {"required": ["id"]}, "id,n\n7,2\n") == [{"id": "7", "n": 2}]
    (line,) = read_lines(io.BytesIO(b'{"id": "7", "n": 2}'), "jsonl", Schema(schema))
    assert isinstance(line, Line)
    assert (line.id, line.item) == ("7", {"id": "7", "n": 2})


def test_many_undecided_cells_take_a_bounded_time() -> None:
    either = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    names = [f"f{number}" for number in range(60)]
    schema = {"properties": dict.fromkeys(names, either), "required": ["missing"]}
    rows = "".join(f"{number},{','.join(['7'] * 60)}\n" for number in range(20))
    assert items(schema, f"id,{','.join(names)}\n{rows}")[0] == dict.fromkeys(names, "7")
