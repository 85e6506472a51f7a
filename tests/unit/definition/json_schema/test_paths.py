"""The schema says which types a value at a path may have; what valid items cannot have is refused at import."""

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from tailrace import (
    Aggregate,
    Collection,
    DefinitionError,
    count,
    day,
    distinct,
    field,
    first,
    hop,
    hours,
    minutes,
    quantile,
    total,
)
from tailrace.definition.json_schema.paths import ELEMENT, Path
from tailrace.definition.json_schema.types import ALL_TYPES
from tailrace.definition.schemas import Schema

NODE = {"properties": {"next": {"$ref": "#/$defs/node"}, "value": {"type": "integer"}}, "additionalProperties": False}
NO_VALUES: Sequence[tuple[str, dict[str, Any]]] = [
    ("number", {"minimum": 2, "maximum": 1}),
    ("integer", {"minimum": 1, "exclusiveMaximum": 1}),
    ("number", {"exclusiveMinimum": Decimal("1.0"), "maximum": 1}),
    ("number", {"exclusiveMinimum": 1, "exclusiveMaximum": 1}),
    ("string", {"minLength": 2, "maxLength": 1}),
    ("array", {"minItems": 2, "maxItems": 1}),
    ("object", {"minProperties": 2, "maxProperties": 1}),
    ("string", {"not": {"type": "string"}}),
    ("integer", {"$ref": "#/$defs/positive", "maximum": 0}),
    ("string", {"allOf": [{"minLength": 3}, {"allOf": [{"maxLength": 2}, {"not": {"type": "number"}}]}]}),
]
TYPES: Sequence[tuple[Any, Path, set[str] | None]] = [
    ({}, ("a",), None),
    ({"properties": {"a": {"type": "string"}}}, ("a",), {"string"}),
    ({"properties": {"a": {"type": ["integer", "null"]}}}, ("a",), {"number", "null"}),
    ({"properties": {"a": {"enum": ["x", 1]}}}, ("a",), {"string", "number"}),
    ({"properties": {"a": {"const": {"b": True}}}}, ("a", "b"), {"boolean"}),
    ({"properties": {"a": False}}, ("a",), set()),
    ({"properties": {"a": {}}, "additionalProperties": False}, ("b",), set()),
    ({"additionalProperties": {"type": "number"}}, ("b",), {"number"}),
    ({"patternProperties": {"^x": {"type": "number"}}, "additionalProperties": False}, ("x1",), {"number"}),
    ({"patternProperties": {"^x": {"type": "number"}}, "additionalProperties": False}, ("y",), set()),
    ({"properties": {"a": {"type": "string"}}}, ("a", "b"), set()),
    ({"properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}}, ("a", "b"), {"string"}),
    ({"properties": {"a": {"items": {"type": "string"}}}}, ("a", ELEMENT), None),
    ({"properties": {"a": {"type": "array", "items": {"type": "string"}}}}, ("a", ELEMENT), {"string"}),
    ({"properties": {"a": {"type": "array", "prefixItems": [{"type": "number"}]}}}, ("a", ELEMENT), None),
    ({"properties": {"a": {"type": "object", "additionalProperties": {"type": "number"}}}}, ("a", ELEMENT), {"number"}),
    ({"properties": {"a": {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "null"}}}}}},
     ("a", ELEMENT, "b"), {"null"}),
    ({"properties": {"a": {"type": "string"}}}, ("a", ELEMENT), set()),
    ({"allOf": [{"properties": {"a": {"type": ["string", "number"]}}}, {"properties": {"a": {"type": "string"}}}]},
     ("a",), {"string"}),
    ({"anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "number"}}}]},
     ("a",), {"string", "number"}),
    ({"oneOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {}}}]}, ("a",), None),
    ({"if": {"required": ["x"]}, "then": {"properties": {"a": False}}, "else": {"properties": {"a": {"type": "null"}}}},
     ("a",), {"null"}),
    ({"if": {"required": ["x"]}, "then": {"properties": {"a": False}}}, ("a",), None),
    ({"not": {"properties": {"a": {"type": "string"}}}}, ("a",), None),
    ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, ("next", "next", "value"), {"number"}),
    ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, ("next", "other"), set()),
    ({"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False}, ("a",), None),
    ({"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False}, ("b",), set()),
    ({"unevaluatedProperties": {"type": "string"}}, ("a",), {"string"}),
    ({"anyOf": [{"additionalProperties": True}], "unevaluatedProperties": {"type": "string"}}, ("a",), None),
    ({"if": {"properties": {"a": {}}}, "unevaluatedProperties": False}, ("a",), None),
    ({"if": {"unevaluatedProperties": {}}, "unevaluatedProperties": False}, ("a",), None),
    ({"properties": {"a": {"type": "array", "unevaluatedItems": {"type": "string"}}}}, ("a", ELEMENT), {"string"}),
    ({"properties": {"a": {"type": "array", "allOf": [{"type": "array", "items": {"type": "null"}}],
                           "unevaluatedItems": False}}}, ("a", ELEMENT), {"null"}),
    ({"properties": {"a": {"type": "array", "unevaluatedItems": False, "contains": {}}}}, ("a", ELEMENT), None),
    ({"properties": {"a": {"type": "array", "maxItems": 0}}}, ("a", ELEMENT), set()),
    ({"properties": {"a": {"type": "object", "maxProperties": 0}}}, ("a", ELEMENT), set()),
    ({"dependentSchemas": {"a": {"properties": {"a": {"type": "string"}}}}}, ("a",), {"string"}),
    ({"dependentSchemas": {"a": False}}, ("a", "b"), set()),
    ({"dependentSchemas": {"a": False}}, ("b",), None),
    *(
        ({"not": excluded}, (name,), None if name == "c" else set())
        for excluded in [{"anyOf": [{"required": ["a"]}, {"required": ["b"], "type": "object"}]}]
        for name in ("a", "b", "c")
    ),
    ({"not": {"required": ["a", "b"]}}, ("a",), None),
    ({"not": {"required": ["a"], "type": "array"}}, ("a",), None),
    ({"type": "array"}, ("a",), set()),
    *(
        (
            {"properties": {"a": {"type": [kind, "null"], **bounds}}, "$defs": {"positive": {"exclusiveMinimum": 0}}},
            ("a",),
            {"null"},
        )
        for kind, bounds in NO_VALUES
    ),
    ({"properties": {"a": {"minimum": 1, "maximum": 1, "minLength": 0, "maxLength": 0}}}, ("a",), None),
    ({"properties": {"a": {"not": {}}}}, ("a",), set()),
    *(
        ({"propertyNames": names, "$defs": {"short": {"maxLength": 1}}}, (name,), None if name == "a" else set())
        for names in [
            {"pattern": "^a$"}, {"enum": ["a"]}, {"const": "a"}, {"maxLength": 1}, {"$ref": "#/$defs/short"},
            {"allOf": [{"minLength": 1}, {"maxLength": 1}]}, {"anyOf": [{"const": "a"}, {"enum": ["c", "d"]}]},
        ]
        for name in ("a", "bb")
    ),
    ({"propertyNames": {"minLength": 2, "not": {"const": "bb"}}}, ("bb",), None),
    ({"propertyNames": False}, ("a",), set()),
    ({"properties": {"a": {"type": "number", "not": {"type": "integer"}}}}, ("a",), {"number"}),
    ({"properties": {"a": {"type": "string", "not": {"type": "string", "minLength": 2}}}}, ("a",), {"string"}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "path", "expected"), TYPES)
def test_the_types_at_a_path(schema: Any, path: Path, expected: set[str] | None) -> None:
    assert Schema(schema).paths.types(path) == (ALL_TYPES if expected is None else expected)


def test_parts_that_are_reached_in_many_ways_are_looked_at_once() -> None:
    """Way by way, each of these schemas would take seconds and more."""
    steps = range(15)
    either = {f"n{n}": {"anyOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 2} for n in steps}
    twice = {"allOf": [{"$ref": "#/$defs/n15"}] * 2}
    nested = {"type": "object", "required": ["x"], "properties": {"x": twice}}
    schema = Schema({"$defs": {**either, "n15": nested}, "properties": {"a": {"$ref": "#/$defs/n0"}, "x": nested}})
    began = time.process_time()
    assert schema.paths.texts(("a", "y")) is None
    assert schema.paths.required(("x",) * 18) == {"x"}
    assert time.process_time() - began < 1


def test_the_types_of_items_are_those_of_an_object() -> None:
    assert Schema({}).paths.types(()) == {"object"}


SHOP = {
    "properties": {
        "shop": {"type": "string"},
        "amount": {"type": "number"},
        "paid": {"type": "boolean"},
        "tags": {"type": "array"},
        "placed": {"type": ["string", "null"]},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("by", "measure", "expected"),
    [
        ("address.country", None, "unknown field 'address.country'"),
        (
            "shpo",
            None,
            r"unknown field 'shpo' \(did you mean 'shop'\?\); 'orders' has amount, paid, placed, shop, tags",
        ),
        ("tags", None, r"field\('tags'\) needs a string, number or boolean, but 'tags' is a list in the schema"),
        (day("paid"), None, r"day\('paid'\) needs a time: a string or a number, but 'paid' is a boolean"),
        (day("tags"), None, "is a list"),
        (minutes(15, "paid"), None, r"minutes\(15, 'paid'\) needs a time"),
        (hop("paid", size=hours(6), every=hours(3)), None, r"hop\('paid'\) needs a time"),
        ("shop", total("shop"), r"measure 'm', total\('shop'\) needs a number, but 'shop' is a string"),
        ("shop", total("placed"), "'placed' is null or a string"),
        ("shop", distinct("tags"), "is a list"),
        ("shop", quantile("shop", 0.5, error=0.01), "needs a number"),
        ("shop", first("shop", by="paid"), "measure 'm', by='paid' needs a time"),
        ("shop", first("shop", by="plced"), r"unknown field 'plced' \(did you mean 'placed'"),
        ("shop", total("total"), "unknown field 'total'"),
    ],
)
def test_what_no_valid_item_can_have_is_refused(by: Any, measure: Any, expected: str) -> None:
    orders = Collection("orders", schema=SHOP)
    group = field(by) if isinstance(by, str) else by
    with pytest.raises(DefinitionError, match=f"aggregate 'a': .*{expected}"):
        Aggregate("a", of=orders, by=[group], measures={"m": measure or count()})


@pytest.mark.parametrize("wanted", [field("shop"), field("paid"), field("amount"), day("placed"), day("amount")])
def test_what_a_valid_item_can_have_is_accepted(wanted: Any) -> None:
    orders = Collection("orders", schema=SHOP)
    accepted = Aggregate("a", of=orders, by=[wanted], measures={"m": count(), "t": total("amount")})
    assert accepted.layout.labels == (wanted.name,)


def test_a_transform_may_change_any_field() -> None:
    orders = Collection("orders", schema=SHOP, transform=dict)
    accepted = Aggregate("a", of=orders, by=[field("tags")], measures={"m": total("shop")})
    assert accepted.layout.labels == ("tags",)


@pytest.mark.parametrize("examples", [{"a": 1}, [1], "ab", 7])
def test_examples_are_a_list_of_items(examples: Any) -> None:
    with pytest.raises(DefinitionError, match=r"collection 'orders': examples= must be a list of items"):
        Collection("orders", schema={}, examples=examples)
