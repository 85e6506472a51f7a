"""A cell of a CSV file becomes what makes the item valid, as a line of JSON would be."""

import io
from decimal import Decimal
from typing import Any

import pytest

from tailrace.definition.schemas import Schema
from tailrace.inputs.lines import BadLine, Line, read_lines
from tests.unit.inputs.reading import items


def optional(kind: str) -> dict[str, Any]:
    """Return the schema of an optional field as pydantic writes it."""
    return {"anyOf": [{"type": kind}, {"type": "null"}], "default": None}


FITTING: list[tuple[Any, str, Any]] = [
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
    ({"if": {"type": "integer"}, "then": {"minimum": 5}, "else": {"const": "none"}}, "7", 7),
    ({"if": {"type": "integer"}, "then": {"minimum": 5}, "else": {"const": "none"}}, "none", "none"),
    ({"if": {"type": "integer"}, "else": {"const": "none"}}, "7", 7),
    ({"propertyNames": {"maxLength": 1}}, '{"x": 1}', {"x": 1}),
    ({"dependentRequired": {"x": ["y"]}}, '{"x": 1, "y": 2}', {"x": 1, "y": 2}),
    ({"dependentSchemas": {"x": {"required": ["y"]}}}, '{"x": 1, "y": 2}', {"x": 1, "y": 2}),
    ({"unevaluatedProperties": {"type": "integer"}}, '{"x": 1}', {"x": 1}),
    ({"maxContains": 3}, "[1]", [1]),
    ({"prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False}, '[1, "x"]', [1, "x"]),
    ({"anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer"}]}, "2024", 2024),
    ({"enum": ["yes", True, None, 3.5]}, "3.50", Decimal("3.5")),
    ({"not": {"type": ["string", "number"]}}, "True", True),
    (optional("integer"), "NULL", None),
    (optional("integer"), "\n7\r\n", 7),
    (optional("array"), "[1,\n2]", [1, 2]),
    ({"type": "integer"}, "12345678901234567890123456789012345678", 12345678901234567890123456789012345678),
    ({"type": "integer"}, "007", 7),
    ({"type": "integer"}, "1.0E5", 100000),
    ({"description": "anything"}, "2", "2"),
    ({}, "2", "2"),
    (True, "2", "2"),
]
"""Of each field's schema and cell, the value that makes the item valid."""


@pytest.mark.parametrize(("field", "cell", "value"), FITTING)
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


@pytest.mark.parametrize(
    "condition",
    [
        {"if": {"properties": {"a": {"type": "integer"}}}, "else": False},
        {"not": {"properties": {"a": {"type": "string"}}, "required": ["a"]}},
        {"allOf": [{"not": {"properties": {"a": {"type": "string"}}}}]},
    ],
)
def test_a_cell_that_only_a_condition_describes_becomes_what_the_condition_asks_for(condition: dict[str, Any]) -> None:
    assert items(condition, "id,a,b\n1,7,7\n") == [{"a": 7, "b": "7"}]
    assert items({"if": {"properties": {"a": {"const": 7}}}, "then": {}}, "id,a\n1,7\n") == [{"a": "7"}]


@pytest.mark.parametrize(
    "banned", [{"const": "7"}, {"enum": ["7", "8"]}, {"pattern": "^7"}, {"type": "string", "minLength": 1}]
)
def test_a_cell_does_not_become_a_number_to_evade_a_condition_of_texts(banned: dict[str, Any]) -> None:
    condition = {"properties": {"a": banned}, "required": ["a"]}
    for schema in ({"not": condition}, {"if": condition, "then": {"required": ["b"]}}):
        assert items(schema, "id,a\n1,7\n") == [{"a": "7"}]
    mixed = {"anyOf": [{"type": "integer"}, {"const": "none"}]}
    assert items({"if": {"properties": {"a": mixed}}, "else": False}, "id,a\n1,7\n2,none\n") == [
        {"a": 7},
        {"a": "none"},
    ]


CONDITIONS = {
    "if and then": {
        "if": {"properties": {"k": {"const": "n"}}, "required": ["k"]},
        "then": {"properties": {"a": {"type": "integer"}}},
        "else": {"properties": {"a": {"type": "string"}}},
    },
    "a reference in then": {
        "$defs": {"n": {"properties": {"a": {"type": "integer"}}}},
        "if": {"properties": {"k": {"const": "n"}}, "required": ["k"]},
        "then": {"$ref": "#/$defs/n"},
        "else": {"properties": {"a": {"type": "string"}}},
    },
    "dependentSchemas": {
        "properties": {"a": {"type": ["string", "integer"]}, "n": {}},
        "dependentSchemas": {"n": {"properties": {"a": {"type": "integer"}}}},
    },
}


@pytest.mark.parametrize("schema", CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition_on_another_field_decides(schema: dict[str, Any]) -> None:
    found = items(schema, "id,k,n,a\n1,n,1,2\n2,t,,2\n3,,,2\n")
    assert [item["a"] for item in found] == [2, "2", "2"]


@pytest.mark.parametrize("name", ["then", "properties", "dependentSchemas", "a/b~c"])
def test_a_column_may_have_the_name_of_a_keyword(name: str) -> None:
    schema = {"properties": {name: {"type": ["integer", "string"], "pattern": "^x"}}}
    assert items(schema, f"id,{name}\n1,7\n2,x\n") == [{name: 7}, {name: "x"}]


def test_one_of_many_undecided_cells_is_the_one_that_matters() -> None:
    names = [f"f{number}" for number in range(12)]
    fields: dict[str, Any] = {"properties": {name: {"type": ["integer", "string"]} for name in names}}
    schema = fields | {"if": {"required": ["k"]}, "then": {"properties": {"f0": {"type": "integer"}}}}
    (found,) = items(schema, f"id,k,{','.join(names)}\n1,x{',7' * 12}\n")
    assert found == {"k": "x", "f0": 7} | dict.fromkeys(names[1:], "7")


def test_as_few_cells_as_necessary_are_no_text() -> None:
    names = [f"f{number}" for number in range(10)]
    kinds = [
        {"properties": {"k": {"const": kind}} | {name: {"type": kind} for name in names}}
        for kind in ("integer", "string")
    ]
    schema = {"properties": {"z": {"type": ["integer", "string"]}}, "oneOf": kinds}
    (found,) = items(schema, f"id,k,z,{','.join(names)}\n1,integer,5{',7' * 10}\n")
    assert found == {"k": "integer", "z": "5"} | dict.fromkeys(names, 7)


def test_an_empty_cell_is_null_where_the_item_needs_it() -> None:
    fields = {"k": {}, "a": {"type": ["integer", "null"]}, "b": {"type": ["integer", "null"]}}
    schema = {"properties": fields, "if": {"required": ["k"]}, "then": {"required": ["a"]}}
    assert items(schema, "id,k,a,b\n1,x,,\n2,,,\n3,x,1,\n") == [{"k": "x", "a": None}, {}, {"k": "x", "a": 1}]
    schema = {"properties": fields, "dependentRequired": {"k": ["b"]}}
    assert items(schema, "id,k,a,b\n1,x,,\n2,x,4,\n") == [{"k": "x", "b": None}, {"k": "x", "a": 4, "b": None}]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ('{"x": 1, "\\u0078": 2}', 'the name "x" occurs more than once in an object'),
        ('{"y": [{"x": 1, "x": 2}]}', 'the name "x" occurs more than once in an object'),
        ("[1, 2", "not JSON"),
    ],
)
def test_a_cell_that_must_be_json_and_is_not_is_refused_with_the_reason(cell: str, reason: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    text = f"id,a\n1,{quoted}\n2,\n"
    bad, good = read_lines(
        io.BytesIO(text.encode()), "csv", Schema({"properties": {"a": {"type": ["object", "array", "null"]}}})
    )
    assert isinstance(bad, BadLine)
    assert (bad.number, bad.raw, bad.violation.pointer) == (2, {"id": "1", "a": cell}, "/a")
    assert reason in bad.violation.message
    assert isinstance(good, Line)


def test_an_empty_cell_is_null_only_if_the_field_must_exist_and_may_be_null() -> None:
    schema = {"properties": {"a": optional("integer"), "b": optional("integer"), "c": {"type": "string"}}}
    assert items(schema | {"required": ["b", "c"]}, "id,a,b,c\n1,,,\n") == [{"b": None}]


ID_ONLY_REQUIRED = [
    {"properties": {"n": {"type": "integer"}}},
    {"properties": {"n": {"type": "integer"}}, "patternProperties": {"^i": {"type": "string"}}},
    {"properties": {"n": {"type": "integer"}}, "propertyNames": {"enum": ["id", "n"]}},
    {"const": {"id": "7", "n": 2}},
    {"enum": [{"id": "6", "n": 2}, {"id": "7", "n": 2}]},
]


@pytest.mark.parametrize(
    "schema",
    [
        *ID_ONLY_REQUIRED,
        {"properties": {"id": {"type": "string"}, "n": {"type": "integer"}}},
        {"$ref": "#/$defs/o", "$defs": {"o": {"properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}}},
        {"allOf": [{"properties": {"id": {"type": "string"}}}, {"properties": {"n": {"type": "integer"}}}]},
        {"anyOf": [{"properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}]},
        {"$dynamicRef": "#o", "$defs": {"o": {"$dynamicAnchor": "o", "properties": {"n": {"type": "integer"}}}}},
        {"$ref": "n", "$id": "https://example.com/o", "$defs": {"n": {"$id": "n", "properties": {"n": {"const": 2}}}}},
        {"if": {"required": ["n"]}, "then": {"properties": {"id": {"minLength": 1}, "n": {"type": "integer"}}}},
        {"dependentSchemas": {"n": {"properties": {"id": {"minLength": 1}, "n": {"type": "integer"}}}}},
    ],
)
def test_the_id_stays_in_the_item_wherever_the_schema_names_it(schema: dict[str, Any]) -> None:
    assert items(schema | {"required": ["id"]}, "id,n\n7,2\n") == [{"id": "7", "n": 2}]
    required = Schema(schema | {"required": ["id"]})
    (line,) = read_lines(io.BytesIO(b'{"id": "7", "n": 2}'), "jsonl", required)
    assert isinstance(line, Line)
    assert (line.id, line.item) == ("7", {"id": "7", "n": 2})


def test_the_id_stays_in_the_item_if_another_field_requires_it() -> None:
    schema = {"properties": {"n": {"type": "integer"}}, "dependentRequired": {"n": ["id"]}}
    assert items(schema, "id,n\n7,2\n8,\n") == [{"id": "7", "n": 2}, {"id": "8"}]


@pytest.mark.parametrize(
    "condition",
    [
        {"if": {"properties": {"id": {"pattern": "^eu"}}}, "then": {"required": ["n"]}},
        {"if": {"allOf": [{"properties": {"id": {"pattern": "^eu"}}}]}, "then": {"required": ["n"]}},
        {"not": {"properties": {"id": {"pattern": "^eu"}, "n": False}}},
        {"dependentRequired": {"id": ["n"]}},
        {"dependentSchemas": {"id": {"required": ["n"]}}},
    ],
)
def test_the_id_stays_in_the_item_if_a_condition_is_about_it(condition: dict[str, Any]) -> None:
    schema = {"properties": {"n": {"type": "integer"}}} | condition
    assert items(schema, "id,n\neu1,2\neu2,\n") == [{"id": "eu1", "n": 2}, {"id": "eu2"}]
    assert not Schema(schema).is_valid({"id": "eu2"})
    assert items(schema | {"additionalProperties": False}, "id,n\neu1,2\n") == [{"n": 2}]  # which allows no such field
