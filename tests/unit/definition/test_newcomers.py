"""What people write when they are new to it, and would count nothing: each is refused with what to write instead."""

import operator
from collections.abc import Callable
from typing import Any

import pytest

from tailrace import (
    Aggregate,
    Collection,
    DefinitionError,
    Pipeline,
    Route,
    count,
    day,
    days,
    field,
    hour,
    last,
    maximum,
    ratio,
    total,
)
from tailrace.inputs.received_items import completed

CLOSED = {
    "type": "object",
    "properties": {
        "shop": {"type": "string"},
        "amount": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "address": {"type": "object", "properties": {"country": {"type": "string"}}, "additionalProperties": False},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"product": {"type": "string"}}, "additionalProperties": False},
        },
        "never": False,
    },
    "additionalProperties": False,
}


def orders(**changes: Any) -> Collection:
    return Collection("orders", **({"schema": CLOSED} | changes))


def by(source: str, **changes: Any) -> Callable[[], object]:
    parts: dict[str, Any] = {"of": orders(), "by": [field(source)], "measures": {"n": count()}}
    return lambda: Aggregate("a", **(parts | changes))


async def later(order: Any) -> Any:
    return order


def each_one(order: Any) -> Any:
    yield order


class Later:
    """A predicate that is awaited."""

    async def __call__(self, order: Any) -> Any:
        return order


ADDRESS: Any = {"type": "object", "properties": {"country": {}}, "additionalProperties": False}
STATE: Any = {
    "properties": {
        "state": {"anyOf": [{"enum": ["open", "paid"]}, {"type": "null"}]},
        "lines": {"type": "array", "items": {"properties": {"kind": {"type": "string", "const": "a"}}}},
        "day": {"enum": ["never", "2024-06-01"]},
        "at": {"anyOf": [{"enum": ["never"]}, {"type": "number"}]},
        "when": {"anyOf": [{"enum": ["never"]}, {"type": "string"}]},
    }
}
STATES = orders(schema=STATE)
OPEN = {
    "properties": {
        "placed.at": {"type": "string"},
        "customer.id": {},
        "shop": {"properties": {"a.b": {}}},
        "lines": {"type": "array", "items": {"properties": {"a.b": {}}}},
    }
}
DOTTED = orders(schema=OPEN, key={"PK": "O#{order.id}"}, match={"meta.kind": "x"})

LATER: Any = later
PAIR: Any = operator.eq

CASES: list[tuple[Callable[[], object], str]] = [
    (
        by("address.contry"),
        r"unknown field 'address.contry' \(did you mean 'address.country'\?\); 'address' of 'orders' has country",
    ),
    (by("tags.0"), "'tags' is a list in the schema of 'orders'; each='tags' counts its elements"),
    (by("lines.product"), "'lines' is a list in the schema of 'orders'; each='lines' counts its elements"),
    (by("lines.x", each="lines"), "unknown field 'lines.x'; an element of 'lines' of 'orders' has product"),
    (by("tags.x", each="tags"), "an element of 'tags' is a string"),
    (by("shop.name"), "unknown field 'shop.name': 'shop' is a string"),
    (by("never"), r"field\('never'\): the schema of 'orders' allows no value for 'never'"),
    (
        by("shop", measures={"n": count(), "last": maximum("shop"), "r": ratio("last", "n")}),
        "'r', a ratio with 'last', needs a number, but 'shop' is a string",
    ),
    (by("shop", where=lambda _old, _new: True), r"where= must take one argument, the item; <lambda>\(_old, _new\)"),
    (by("shop", where=lambda: True), "where= must take one argument, the item"),
    (by("shop", where=later), "where= must be a plain function; later is async or a generator"),
    (by("shop", where=Later()), "where= must be a plain function; Later is async or a generator"),
    (lambda: count(where=each_one), "count: where= must be a plain function; each_one is async"),
    (lambda: total("amount", where=LATER), "must be a plain function"),
    (lambda: orders(transform=later), "collection 'orders': transform= must be a plain function; later"),
    (lambda: orders(transform=lambda _item, _context: {}), "transform= must take one argument, the item"),
    (lambda: Route("r", of=orders(), when=each_one), "route 'r': when= must be a plain function"),
    (lambda: Route("r", of=orders(), when=PAIR), "route 'r': when= must take one argument"),
    (
        by("shop", of=STATES, by=[day("state")]),
        r"day\('state'\) needs a time, but 'state' is 'open' or 'paid' in the schema of 'orders'",
    ),
    (by("shop", of=STATES, by=[hour("lines.kind")], each="lines"), "'lines.kind' is 'a' in the schema"),
    (by("shop", of=STATES, measures={"m": last("shop", by="state")}), "by='state' needs a time, but 'state' is 'open'"),
    (lambda: orders(schema=STATE, keep=days(3), keep_from="state"), "keep_from= needs a time, but 'state' is 'open'"),
    (lambda: orders(keep_from="shop"), "keep_from= needs keep=, how long an item is kept after it"),
    (lambda: orders(keep=days(3)), "keep= needs keep_from="),
    (lambda: orders(keep_unit="ms"), "keep_unit= and keep_tz= are for the times of keep= and keep_from="),
    (by("meta.kind", of=DOTTED), r"field\('meta.kind'\): a dot leads into a map, .* is written 'meta\\\\.kind'"),
    (by("customer.id.x", of=DOTTED), r"is written 'customer\\\\.id.x'"),
    (by("shop.a.b", of=DOTTED), r"is written 'shop.a\\\\.b'"),
    (by("lines.a.b", of=DOTTED, each="lines"), r"is written 'lines.a\\\\.b'"),
    (lambda: orders(schema=OPEN, keep=days(1), keep_from="placed.at"), r"keep_from=: a dot .* 'placed\\\\.at'"),
    (lambda: orders(schema={}, received="meta.at"), r"received=: a dot .* item itself; .* 'meta\\\\.at'"),
    (
        lambda: orders(schema=CLOSED | {"required": ["shpo"]}),
        r"requires the field 'shpo' and allows no value there \(did you mean 'shop'\?\), so no item is valid",
    ),
    (
        lambda: orders(
            schema={"required": ["a"], "properties": {"a": {"allOf": [ADDRESS | {"required": ["contry"]}]}}}
        ),
        r"requires the field 'a.contry' and allows no value there \(did you mean 'a.country'\?\), so no item is valid",
    ),
]


@pytest.mark.parametrize(("define", "message"), CASES)
def test_what_would_count_nothing_is_refused_with_what_to_write(define: Callable[[], object], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        define()


class Threshold:
    """A predicate with a setting."""

    def __init__(self, least: int) -> None:
        self.least = least

    def __call__(self, order: dict[str, Any], least: int | None = None) -> bool:
        return bool(order["amount"] >= (self.least if least is None else least))

    def holds(self, order: dict[str, Any]) -> bool:
        return self(order)


@pytest.mark.parametrize(
    "where", [Threshold(3), Threshold(3).holds, lambda order, least=3: order["amount"] >= least, bool]
)
def test_any_callable_of_one_item_is_a_predicate(where: Any) -> None:
    one = orders(transform=dict)
    counted = Aggregate("a", of=one, by=[field("shop")], measures={"n": count(where=where)})
    assert Pipeline([one], [counted], [Route("r", of=one, when=where)])


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": ADDRESS | {"required": ["contry"]}}},  # nobody has to have an address
        {"required": ["a"], "properties": {"a": {"required": ["contry"], "additionalProperties": False}}},  # a text
        {"required": ["a"], "properties": {"a": {"anyOf": [ADDRESS | {"required": ["contry"]}, ADDRESS]}}},
        {"required": ["a"], "properties": {"a": {"type": "object", "$ref": "#"}}},  # deeper than is looked at
        {"required": ["a"], "properties": {"a": ADDRESS | {"required": ["country"]}}},
    ],
)
def test_a_nested_field_that_is_required_but_impossible_is_refused_only_if_each_item_needs_it(schema: Any) -> None:
    orders(schema=schema)


def test_texts_may_be_times() -> None:
    for source in ("day", "at", "when", "other"):
        by("shop", of=STATES, by=[day(source)])()


def test_fields_with_dots_and_nested_ones_are_taken_as_written() -> None:
    for source in (r"meta\.kind", r"customer\.id", r"order\.id", r"shop.a\.b", "nested.field", "customer", "shop.x"):
        by(source, of=DOTTED)()
    described: Any = {"properties": {"a": {"properties": {"b": {}}}, "a.b": {}}}
    by("a.b", of=orders(schema=described))()
    assert completed(orders(schema={}, received=r"meta\.at"), {}, None, "now") == ({"meta.at": "now"}, None)
