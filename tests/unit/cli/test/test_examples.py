"""A definition is tried on its examples: what counts nothing is an error, what could not be checked a warning."""

import sys
from decimal import Decimal
from typing import Any

import pytest

from cli.test.examples import check_definition
from pipeline.definition import pipeline as flights
from tailrace import count, day, days, distinct, field, hour, largest, last, minimum, total
from tests.unit.cli.test.orders import ORDER, checked, renamed, with_member


def test_the_example_pipeline_passes_without_a_warning() -> None:
    found = check_definition(flights)
    assert (found.errors, found.warnings) == ([], [])


def test_rows_that_may_become_too_large_are_named() -> None:
    measures: Any = {f"{number}{'n' * 240}": count() for number in range(180)}
    measures["best"] = largest("country", 100, show=["a" * 240, "b" * 240])
    found = checked(schema={"properties": {"a" * 240: {}, "b" * 240: {}}}, measures=measures)
    assert [one for one in found.warnings if "a row may take up to" in one]


COUNTS_NOTHING: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt group behind a transform": (
        {"transform": renamed, "by": [field("lnd")]},
        "aggregate 'a': unknown field 'lnd' (did you mean 'land'?); 'orders' has address, amount, land",
    ),
    "a field that the transform renames": ({"transform": renamed}, "unknown field 'country'"),
    "a path": ({"by": [field("address.kountry")]}, "unknown field 'address.kountry'"),
    "a misspelt measure": ({"measures": {"m": total("amonut")}}, "unknown field 'amonut' (did you mean 'amount'?)"),
    "a misspelt by=": (
        {"measures": {"m": last("amount", by="plced")}},
        "unknown field 'plced' (did you mean 'placed'?)",
    ),
    "a sum of texts": (
        {"measures": {"m": total("country")}},
        "measure 'm', total('country') needs a number, but 'country' is a string in the examples",
    ),
    "a group by a list": (
        {"by": [field("tags")]},
        "field('tags') needs a string, number or boolean, but 'tags' is a list in the examples",
    ),
    "a member of an enum that would be ordered by its name": (
        {"transform": with_member, "measures": {"k": distinct("country"), "m": minimum("country")}},
        "aggregate 'a': measure 'm': 'country' is Land.GERMANY, a member of an enum, which would be ordered by",
    ),
    "distinct lists": ({"measures": {"m": distinct("tags")}}, "'tags' is a list in the examples"),
    "a time that is none": ({"by": [day("country")]}, "example 1 of 'orders' cannot be counted: "),
    "an example that the schema rejects": (
        {"schema": {"required": ["vat"]}},
        "example 1 of 'orders' is not a valid item: /: 'vat' is a required property",
    ),
    "an example that cannot be an item": ({"examples": [{"a": object()}]}, "example 1 of 'orders' is not a valid"),
    "a transform that fails": ({"transform": lambda item: item["vat"]}, "KeyError: 'vat', in <lambda>"),
    "a predicate that fails": (
        {"where": lambda order: order["vat"] > 1},
        "where= of aggregate 'a': fails on example 1 of 'orders': KeyError: 'vat', in <lambda>",
    ),
    "a predicate that is not called": (
        {"where": lambda order: order.get},
        "TypeError: its result is a builtin_function_or_method, which is always true: call it, await it",
    ),
    "a generator without any()": (
        {"where": lambda order: (tag == "b" for tag in order["tags"])},
        "its result is a generator, which is always true",
    ),
    "a predicate that exits": (
        {"where": lambda _: sys.exit(0)},
        "where= of aggregate 'a': fails on example 1 of 'orders': SystemExit: 0, in <lambda>",
    ),
    "a route that fails": ({"routes": [lambda order: order["vat"] > 1]}, "when= of route 'r': fails on example 1"),
    "a misspelt keep_from=": (
        {"collection": {"keep": days(1), "keep_from": "address.plced"}},
        "collection 'orders': keep_from= names 'address.plced', which no example has",
    ),
    "a misspelt id_from=": (
        {"collection": {"id_from": ("country", "nmber")}},
        "collection 'orders': id_from= names 'nmber', which no example has",
    ),
    "a predicate of a field that the schema forbids": (
        {
            "schema": {"properties": dict.fromkeys(ORDER, True), "additionalProperties": False},
            "where": lambda order: order.get("contry") != "DE",
        },
        "unknown field 'contry' (did you mean 'country'?)",
    ),
}


@pytest.mark.parametrize(("wanted", "expected"), COUNTS_NOTHING.values())
def test_what_counts_nothing_is_an_error(wanted: dict[str, Any], expected: str) -> None:
    assert expected in "\n".join(checked(**wanted).errors)


UNCHECKED: dict[str, tuple[dict[str, Any], str]] = {
    "a transform without examples": (
        {"transform": renamed, "examples": (), "by": [field("lnd")]},
        "were not checked, because its transform may add or change them: 'lnd'",
    ),
    "an open schema without examples": (
        {"examples": ()},
        "were not checked, because its schema does not describe them: 'country'",
    ),
    "a field of elements without examples": (
        {
            "examples": (),
            "schema": {"properties": {"lines": {"items": {"properties": {"sku": {"type": "string"}}}}}},
            "each": "lines",
            "by": [field("sku")],
        },
        "field('sku') reads 'sku' of the item, which its schema does not describe; each element has 'lines.sku'",
    ),
    "predicates without examples": (
        {
            "examples": (),
            "schema": {"properties": {"country": {"type": "string"}}},
            "where": lambda order: (order.get("address") or {}).get("kountry") == "DE",
            "routes": [lambda order: order["country"] == "DE" or order["vat"]],
        },
        "were not checked, because its schema does not describe them: 'address.kountry', 'vat'.",
    ),
    "keep_from= without examples": (
        {"examples": (), "collection": {"keep": days(1), "keep_from": "plced"}},
        "collection 'orders': keep_from= names 'plced', which was not checked",
    ),
    "a predicate that is never true": (
        {"where": lambda order: order["amount"] > 100},
        "where= of aggregate 'a', <lambda> (test/test_examples.py:",
    ),
    "a route that is never taken": ({"routes": [lambda order: False]}, "true for none of the examples of 'orders'"),
    "a predicate of a field that no example has": (
        {"where": lambda order: order.get("contry") != "DE"},
        "reads 'contry', which no example of 'orders' has",
    ),
    "a type that is not always usable": (
        {"schema": {"properties": {"amount": {"type": ["number", "string"]}}}, "measures": {"m": total("amount")}},
        "also allows a string: such an item is not counted there",
    ),
    "examples in no row": (
        {"schema": {"properties": {"vat": {"type": "number"}}}, "by": [field("vat")]},
        "aggregate 'a': no example of 'orders' is in any row",
    ),
    "a group that is null in every example": (
        {"examples": [{"country": None}, {}]},
        "aggregate 'a': field('country'): 'country' is null in every example: add one that has a value",
    ),
    "a measure that is null behind a transform": (
        {"examples": [ORDER | {"amount": None}], "transform": renamed, "by": [], "measures": {"m": total("amount")}},
        "measure 'm', total('amount'): 'amount' is null in every example after the transform",
    ),
    "a field of the id that is null in every example": (
        {"examples": [ORDER | {"amount": None}], "collection": {"id_from": "amount"}},
        "id_from= names 'amount', which is null in every example: add one that has a value",
    ),
}


@pytest.mark.parametrize(("wanted", "expected"), UNCHECKED.values())
def test_what_was_not_checked_is_a_warning(wanted: dict[str, Any], expected: str) -> None:
    found = checked(**wanted)
    assert expected in "\n".join(found.warnings)
    assert found.errors == []


def test_the_stamp_is_there_without_an_example() -> None:
    found = checked(collection={"keep": days(1), "keep_from": "came", "received": "came"})
    assert (found.errors, found.warnings) == ([], [])


@pytest.mark.parametrize("transform", [None, dict])
def test_examples_have_the_stamp_that_an_entrance_would_give_them(transform: Any) -> None:
    schema = {"required": ["came"], "properties": {"came": {"type": "string"}, "country": {"type": "string"}}}
    found = checked(
        examples=[{"country": "DE"}],
        schema=schema,
        transform=transform,
        by=[field("country"), day("came")],
        collection={"received": "came"},
    )
    assert (found.errors, found.warnings) == ([], [])


def test_the_examples_of_a_schema_count_as_well() -> None:
    assert checked(examples=(), schema={"examples": [ORDER]}, by=[field("contry")]).errors
    assert not checked(examples=(), schema={"examples": [ORDER]}).warnings


def test_examples_are_not_changed_by_a_transform_and_may_have_floats() -> None:
    given = {"country": "DE", "price": 12.5, "in": {"a": [1]}}

    def spoils(order: dict[str, Any]) -> dict[str, Any]:
        order["in"]["a"].append(2)
        return order

    assert not checked(examples=[given], transform=spoils, measures={"m": total("price")}).errors
    assert given == {"country": "DE", "price": 12.5, "in": {"a": [1]}}


def test_numbers_in_a_smaller_unit_than_they_look_like_are_a_warning() -> None:
    by = [hour("at", unit="ms")]
    seconds = checked(by=by, examples=[ORDER | {"at": 1_700_000_000}])
    assert seconds.warnings == [
        "aggregate 'a': hour('at') has unit='ms', and the examples' numbers, such as 1700000000, look like seconds"
    ]
    others: dict[str, Any] = {
        "by": [hour("at", unit="ns")],
        "measures": {"m": last("amount", by="at", by_unit="us")},
        "collection": {"keep": days(1), "keep_from": "at", "keep_unit": "us"},
    }
    assert [text.partition(", ")[::2] for text in checked(examples=[ORDER | {"at": 10**12}], **others).warnings] == [
        (told, "and the examples' numbers, such as 1000000000000, look like milliseconds")
        for told in (
            "collection 'orders': keep_from='at' has keep_unit='us'",
            "aggregate 'a': hour('at') has unit='ns'",
            "aggregate 'a': measure 'm' has by_unit='us'",
        )
    ]
    for right in (1_700_000_000_000, Decimal("1700000000000.5"), "2024-01-01T00:00:00Z"):
        assert checked(by=by, examples=[ORDER | {"at": right}]).warnings == []
    in_seconds = checked(by=[hour("at")], examples=[ORDER | {"at": 1_700_000_000_000}])
    assert "in ms it would be a time" in "\n".join(in_seconds.errors)
