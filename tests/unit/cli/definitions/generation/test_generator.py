"""Items are made from schemas of all kinds: many different ones, in a short time, and whatever the schema says."""

import math
import time
from decimal import Decimal
from itertools import islice
from random import Random
from typing import Any

import pytest

from cli.definitions.generation.generator import Generator
from cli.definitions.generation.patterns import matching_text
from cli.definitions.subject import Subject
from tailrace import Aggregate, Collection, Pipeline, count, day, field, total
from tailrace.aggregation.contributions import item_contribution
from tailrace.definition.json_schema.pattern_rules import matches
from tailrace.encoding.json_types import Item

TEXT = {"type": "string"}
NODE = {"anyOf": [{"type": "null"}, {"$ref": "#"}]}


def made(schema: dict[str, Any], most: int = 60, key: Any = None, until: float = math.inf) -> list[Item]:
    return made_for(Pipeline([Collection("items", schema=schema, key=key)]), most, until)


def made_for(pipeline: Pipeline, most: int, until: float = math.inf) -> list[Item]:
    subject = Subject.of(pipeline, pipeline.collections[0])
    return list(islice(Generator(subject).items(Random(1), until), most))  # noqa: S311 - not for secrets


def of_field(inner: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": ["f"], "properties": {"f": inner}, "additionalProperties": False}


VALUES: dict[str, dict[str, Any]] = {
    "a long text": TEXT | {"minLength": 5000},
    "a long text of a pattern": TEXT | {"minLength": 30, "maxLength": 60, "pattern": "^[a-z]+$"},
    "alternatives that contradict the rest": TEXT | {"minLength": 5, "anyOf": [{"maxLength": 3}, {"pattern": "^a"}]},
    "a format and a pattern": TEXT | {"format": "email", "pattern": r"@acme\.com$"},
    "a part of a text": TEXT | {"pattern": "@"},
    "letters in a class": TEXT | {"pattern": r"^[\p{L}\d -]+$"},
    "a property": TEXT | {"pattern": r"^\p{Lu}\p{Nd}{2}\p{P}$"},
    "the complement of a property": TEXT | {"pattern": r"^[^\p{L}]{3}\P{L}$"},
    "a named group": TEXT | {"pattern": r"^(?<year>\d{4})-(?<month>\d\d)$"},
    "a bracket in a class": TEXT | {"pattern": r"^[[a-z]{3}[\][]$"},
    "all characters": TEXT | {"pattern": r"^[\u0000-\uffff]{5}$"},
    "code points": TEXT | {"pattern": r"^\ud83d\ude00\u{1F600}\u0041BC[a-z]{2}\cJ$"},
    "nanoseconds": {"type": "integer", "minimum": 1_500_000_000_000_000_000},
    "negative numbers": {"type": "number", "maximum": -(10**13)},
    "a narrow range": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": Decimal("0.001")},
    "multiples of a large number": {"type": "integer", "minimum": 10**30, "multipleOf": 1},
    "multiples of a small number": {"type": "number", "multipleOf": Decimal("1e-20")},
    "a permutation": {"type": "array", "uniqueItems": True, "minItems": 8, "items": {"enum": list("abcdefgh")}},
    "what an array contains": {"type": "array", "contains": {"const": "needle"}, "minContains": 2},
    "contained beside others": {
        "type": "array",
        "prefixItems": [TEXT],
        "items": {"type": ["integer", "null"]},
        "contains": {"type": "integer"},
    },
    "names of a form": {"type": "object", "propertyNames": {"pattern": "^[a-z]{3}$"}, "minProperties": 1},
    "fields by pattern": {
        "type": "object",
        "patternProperties": {"^[a-z]{3}$": {"type": "integer"}},
        "additionalProperties": False,
        "minProperties": 2,
    },
    "a number of fields": {"type": "object", "minProperties": 4},
    "fields that need others": {
        "type": "object",
        "properties": {"a": TEXT},
        "required": ["a"],
        "dependentRequired": {"a": ["b"], "b": ["c"]},
    },
    "a schema that depends on a field": {
        "type": "object",
        "required": ["a"],
        "properties": {"a": TEXT},
        "dependentSchemas": {"a": {"required": ["b"], "properties": {"b": {"const": 5}}}},
    },
}


@pytest.mark.parametrize("kind", VALUES)
def test_many_different_items_are_made(kind: str) -> None:
    assert len(made(of_field(VALUES[kind]))) == 60


def test_a_field_of_each_dependent_field_is_tried() -> None:
    """Also one that no other keyword names."""
    items = made({"type": "object", "properties": {"a": TEXT}, "dependentRequired": {"a": ["b"]}})
    assert {frozenset(item) for item in items} == {frozenset(), frozenset("b"), frozenset("ab")}


def test_fields_that_a_schema_leaves_open_are_made_as_the_definition_uses_them() -> None:
    carts = Collection("carts", schema={"properties": {"lines": {"type": ["array", "null"]}}})
    pieces = total("stock.value.pieces", where=lambda view: view["stock"]["value"].get("pieces", 0) > 5)
    aggregates = [
        Aggregate("a", of=carts, each="lines", by=[field("lines.product")], measures={"n": total("lines.units")}),
        Aggregate("b", of=carts, each="stock", by=[field("stock.key")], measures={"n": pieces}),
        Aggregate("c", of=carts, each="order.tags", by=[field("order.tags"), day("order.at")], measures={"n": count()}),
        Aggregate("d", of=carts, by=[], where=lambda cart: cart.get("a", {}).get("b") == 7, measures={"n": count()}),
    ]
    items = made_for(Pipeline([carts], aggregates), 600)
    assert any(item.get("lines", "") is None for item in items), "what the schema says is made as well"
    for aggregate in aggregates:
        assert any(item_contribution(item, aggregate) for item in items if item.get("lines") != [None])


def test_lists_are_as_long_as_a_predicate_counts() -> None:
    schema = of_field({"type": "array", "items": TEXT})
    items = Collection("items", schema=schema)
    long = Aggregate("a", of=items, by=[], where=lambda item: len(item["f"]) > 23, measures={"n": count()})
    assert {len(item["f"]) for item in made_for(Pipeline([items], [long]), 200)} >= {0, 4, 23, 24}


def test_numbers_are_sometimes_times_of_these_years_and_texts_sometimes_none_of_their_format() -> None:
    """A predicate may compare them with the clock; and a format, which checks nothing, may not hold."""
    numbers = [item["f"] for item in made(of_field({"type": "integer", "minimum": 0}), 400)]
    for unit in (1, 1000):
        assert any(1_356_998_400 * unit < number < 1_988_150_400 * unit for number in numbers)
    texts = [item["f"] for item in made(of_field(TEXT | {"format": "date-time"}), 100)]
    assert 80 < sum(text[10:11] == "T" for text in texts) < 100


@pytest.mark.parametrize("names", ["lr", "lmr", "lmrxyz"])
def test_items_that_contain_items_come_to_an_end(names: str) -> None:
    schema = {"type": "object", "required": list(names), "properties": dict.fromkeys(names, NODE)}
    assert len(made(schema, 20)) == 20


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "array", "minItems": 10**6, "items": {"type": "integer"}},
        {"type": "object", "minProperties": 10**6},
        {"type": "object", "minProperties": 1, "propertyNames": {"type": "integer"}},
        {"type": "number", "minimum": Decimal("1e37")},
        {"type": "array", "prefixItems": [TEXT, TEXT], "contains": {"type": "integer"}, "maxItems": 1},
    ],
)
@pytest.mark.timeout(20)
def test_what_no_item_can_hold_is_soon_given_up(inner: dict[str, Any]) -> None:
    assert made(of_field(inner)) == []


def test_when_it_is_late_few_more_are_tried() -> None:
    """Large items take long to make, and a schema may refuse them all."""
    hopeless = {"type": "array", "minItems": 2000, "items": {"type": "integer"}, "not": {"minItems": 1}}
    began = time.monotonic()
    assert made(of_field(hopeless), until=began) == []
    assert time.monotonic() - began < 5


def test_fields_in_a_binary_key_are_made() -> None:
    items = made(of_field(TEXT) | {"additionalProperties": True}, key={"PK": "{n:number}", "SK": "{b:binary}"})
    assert len(items) == 60
    assert all(isinstance(item["b"], bytes) for item in items)


@pytest.mark.parametrize("pattern", [r"^[\ud800-\udfff]$", r"^\ud800$", r"^\p{Co}$", r"^[]$", r"^[^]$", r"^{,2}$"])
def test_patterns_that_are_hard_to_satisfy_make_texts_all_the_same(pattern: str) -> None:
    texts = [matching_text(pattern, Random(seed)) for seed in range(20)]  # noqa: S311 - not for secrets
    assert all(isinstance(matches(pattern, text), bool) for text in texts)
