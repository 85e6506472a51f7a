"""Schemas: what is refused with the definition, which parts refer to which, and what a schema says of an item."""

import time
from pathlib import Path
from typing import Any

import pytest

from tailrace import Collection
from tailrace.definition.schemas import Schema
from tailrace.errors import DefinitionError, InvalidItem

CIRCLES: list[dict[str, Any]] = [
    {"$ref": "#"},
    {"$dynamicRef": "#"},
    {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "allOf": [{"$ref": "#/$defs/a"}]},
    {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, True]}}, "$ref": "#/$defs/a"},
    {"$defs": {"a": {"$anchor": "x", "if": {"$ref": "#x"}}}},
    {"not": {"$ref": "#"}},
    {"dependentSchemas": {"a": {"$ref": "#"}}},
    {"properties": {"a": {"$ref": "#/properties/a"}}},
    {"$id": "https://example.com/a", "items": {"$id": "b", "oneOf": [{"$ref": "https://example.com/b"}]}},
]


@pytest.mark.parametrize("schema", CIRCLES)
def test_references_that_form_a_circle_on_one_value_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="circle"):
        Schema(schema)


@pytest.mark.parametrize(
    ("reference", "pattern"),
    [
        ("#/patternProperties/%5E%5Cd+$", r"^\d+$"),
        ("#/patternProperties/a~1b~0.%20%C3%A9", "a/b~. é"),
        ("https://example.com/s#/patternProperties/%5E%5Cp%7BL%7D", r"^\p{L}"),
    ],
)
def test_a_reference_may_lead_to_a_schema_by_its_pattern(reference: str, pattern: str) -> None:
    document = {
        "$id": "https://example.com/s",
        "patternProperties": {pattern: {"type": "integer"}},
        "properties": {"/": {"$ref": reference}},
        "$defs": {"patternProperties": {"patternProperties": {r"\d": {"type": "null"}}}},
        "not": {"properties": {"?": {"$ref": "#/$defs/patternProperties/patternProperties/%5Cd"}}, "required": ["?"]},
    }
    assert Schema(document).is_valid({"/": 1})
    assert [one.pointer for one in Schema(document).violations({"/": "1"})] == ["/~1"]
    assert not Schema(document).is_valid({"?": None})


def test_a_violation_that_several_keywords_find_is_told_once() -> None:
    schema = Schema({"properties": {"a": {"pattern": "^(?!x)y"}}, "unevaluatedProperties": False})
    assert [one.message for one in schema.violations({"a": "xy"})] == ["'xy' does not match '^(?!x)y'"]


def test_a_reference_to_a_deeper_place_is_no_circle() -> None:
    tree = Collection("things", schema={"properties": {"child": {"$ref": "#"}, "name": {"pattern": "^\\S+$"}}})
    item = {"name": "a", "child": {"name": "b", "child": {"name": "c"}}}
    assert tree.prepare(item) == item
    with pytest.raises(InvalidItem, match="/child/child/name"):
        tree.prepare({"child": {"child": {"name": " "}}})


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"dependencies": {"a": ["b"]}}, "'dependencies' is not in JSON Schema 2020-12; use dependentRequired"),
        ({"properties": {"a": {"additionalItems": False}}}, "/properties/a: the schema keyword 'additionalItems'"),
        ({"requried": ["a"]}, "did you mean 'required'"),
        ({"properties": {"a": {"minimun": 1}}}, "/properties/a: the schema keyword 'minimun' is unknown"),
        ({"allOf": [{"nullable": True}]}, "/allOf/0: .*use a type such as"),
        ({"$defs": {"a": {"id": "x"}}}, "use .id"),
        ({"items": [{"type": "string"}]}, "/items: .*use prefixItems"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "2020-12/schema, the only draft that is read"),
        ({"$defs": {"a": {"$schema": "https://json-schema.org/draft/2019-09/schema"}}}, "^/.defs/a: .schema must be"),
        ({"exclusiveMinimum": True}, "/exclusiveMinimum"),
        ({"properties": {1: {"type": "string"}}}, "not a JSON Schema"),
        ({"properties": 3}, "/properties: 3 is not of type"),
        ({"patternProperties": {1: True}}, "not a JSON Schema"),
        ({"allOf": 3, "pattern": "^(?=a)b"}, "/allOf"),
        ({"enum": [{1, 2}]}, "not a JSON Schema"),
        ({"const": object()}, "not a JSON Schema"),
        ({1: 2}, "keyword 1 is unknown"),
        ({"$ref": "#/$defs/none"}, "unresolved schema reference"),
        ({"properties": {"a": {"x-part": {}, "$ref": "#/properties/a/x-part"}}}, "unresolved schema reference"),
    ],
)
def test_what_would_be_ignored_is_refused_with_the_definition(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(DefinitionError, match=reason):
        Schema(schema)


def test_annotations_and_names_of_fields_are_no_keywords() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema#",
        "x-owner": "shop",
        "example": {"requried": 1},
        "properties": {"requried": {"const": {"dependencies": 1}, "default": {"nullable": 1}}, "id": {"examples": [1]}},
        "definitions": {"dependencies": {"type": "string"}},
        "discriminator": {"propertyName": "kind"},
    }
    assert Schema(schema).is_valid({"requried": {"dependencies": 1}})


def test_nothing_that_validation_raises_is_passed_on() -> None:
    things = Collection("things", schema={"properties": {"a": {"type": "string"}, "b": {"$ref": "#"}}})
    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"b": deep}
    broken: list[Any] = [{"a": object()}, {1: 2}, deep]
    for item in broken:
        with pytest.raises(InvalidItem) as caught:
            things.prepare(item)
        assert caught.value.violations


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/order", "$defs": {"order": {"properties": {"id": {"type": "string"}, "n": {}}}}},
        {"allOf": [{"properties": {"id": True}}, {"$ref": "#/$defs/n"}], "$defs": {"n": {"properties": {"n": True}}}},
        {"anyOf": [{"properties": {"id": True}}, {"if": True, "then": {"properties": {"n": True}}}]},
        {"$dynamicRef": "#x", "$defs": {"o": {"$dynamicAnchor": "x", "properties": {"id": {}, "n": {}}}}},
    ],
)
def test_a_schema_names_the_fields_of_all_its_parts(schema: dict[str, Any]) -> None:
    assert set(Schema(schema).properties) == {"id", "n"}
    assert Schema(schema).allowed_fields is None


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ({"properties": {"a": True}, "additionalProperties": False}, {"a"}),
        ({"$ref": "#/$defs/o", "$defs": {"o": {"properties": {"a": {}}, "additionalProperties": False}}}, {"a"}),
        ({"unevaluatedProperties": False, "anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}, {"a", "b"}),
        ({"unevaluatedProperties": False, "anyOf": [{"additionalProperties": {"type": "null"}}]}, None),
        ({"properties": {"a": {}}, "patternProperties": {"^x": {}}, "additionalProperties": False}, None),
        ({"anyOf": [{"properties": {"a": True}, "additionalProperties": False}]}, None),
    ],
)
def test_a_closed_schema_tells_all_fields_that_an_item_can_have(schema: dict[str, Any], names: set[str] | None) -> None:
    assert Schema(schema).allowed_fields == names


def nested(depth: int, innermost: Any, **more: Any) -> dict[str, Any]:
    item: dict[str, Any] = {"a": innermost} | more
    for _ in range(depth - 1):
        item = {"a": item} | more
    return item


BRANCH = {"properties": {"a": {"$ref": "#"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [BRANCH | {"required": ["x"]}, BRANCH | {"required": ["y"]}, {"type": "integer"}]},
        {"oneOf": [BRANCH, BRANCH, {"type": "integer"}]},
        {"allOf": [BRANCH, BRANCH], "type": ["object", "string"]},
        BRANCH | {"patternProperties": {"^a": {"$ref": "#"}}, "type": ["object", "string"]},
        {"if": BRANCH, "then": BRANCH, "else": False},
    ],
)
def test_no_nesting_holds_a_schema_up(schema: dict[str, Any]) -> None:
    things = Schema(schema)
    for depth in (3, 8, 12, 20, 30, 400):
        item = nested(depth, 1, z=1)
        started = time.process_time()
        assert things.is_valid(item) == (not things.violations(item))
        assert time.process_time() - started < 5
    assert not things.is_valid(nested(30, 1, x=1))
    assert "levels deep" in things.violations(nested(30, 1, x=1))[0].message


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}},
        {"properties": {"a": {"anyOf": [{"$ref": "#"}, {"type": ["integer", "null"]}]}}, "type": "object"},
        {"additionalProperties": {"$ref": "#"}, "properties": {"a": {"$ref": "#"}}},
    ],
)
def test_a_tree_may_be_as_deep_as_an_item(schema: dict[str, Any]) -> None:
    assert Schema(schema).is_valid(nested(32, 1))
    (found,) = Schema(schema | {"maxProperties": 1}).violations({"a": nested(31, {"b": 1, "c": 2})})
    assert found.pointer == "/a" * (1 if "anyOf" in str(schema) else 32)


@pytest.mark.parametrize("through", ["allOf", "properties"])
def test_parts_that_multiply_without_recursion_are_refused(through: str) -> None:
    parts: dict[str, Any] = {"p0": {"type": "integer"}}
    for number in range(1, 30):
        before = {"$ref": f"#/$defs/p{number - 1}"}
        inner = before if through == "allOf" else {"properties": {"a": before}}
        parts[f"p{number}"] = {"allOf": [inner, inner]}
    with pytest.raises(DefinitionError, match="a million of its parts"):
        Schema({"$ref": "#/$defs/p29", "$defs": parts})


def test_the_report_of_a_very_large_item_is_short() -> None:
    things = Schema({"properties": {"a": {"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}})
    assert len(things.violations({"a": [1] * 1000})) == 1000
    (found,) = things.violations({"a": [1] * 100_000})
    assert found.pointer == "/a/0"


def test_a_schema_file_with_a_name_twice_is_refused_with_the_name(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"properties": {"vat": {}, "vat": {"type": "number"}}}')
    with pytest.raises(DefinitionError, match='the name "vat" occurs more than once'):
        Collection("things", schema=tmp_path / "s.json")


def test_a_schema_may_refer_to_its_own_parts_by_any_of_their_names() -> None:
    """Also if only the reference validates, as with uniqueItems."""
    inner = {"$id": "https://example.com/inner", "type": "integer"}
    for reference in ("#/$defs/a", "https://example.com/inner", "inner", "#"):
        schema = {
            "$id": "https://example.com/outer",
            "$defs": {"a": inner},
            "properties": {"a": {"$ref": reference}, "b": {"uniqueItems": True, "default": {"$ref": "a value"}}},
        }
        assert Collection("x", schema=schema).compiled.is_valid({"b": []})
