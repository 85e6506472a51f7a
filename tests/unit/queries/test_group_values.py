"""Numbers in queries are compared by value, in every place where a group is given."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import pytest

from tailrace import Aggregate, Collection, Pipeline, count, day, field
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.definition.groups.group import Group
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage
from tailrace.queries.parameters import parse_ranking_query, parse_row_query
from tailrace.testing import history, stored_rows
from tests.unit.queries.table import Table

NUMBER, TEXT = {"type": "number"}, {"type": "string"}
ITEMS: list[dict[str, Any]] = [
    {"shop": shop, "price": price, "at": "2024-03-05"}
    for shop in ("a", 7)
    for price in (1, Decimal("2.5"), "1.0", "2.50", "1e0", "-0", 0, Decimal("1e-7"), "x")
]
SPELLINGS = [
    "1",
    "1.0",
    "1e0",
    "0.1E+1",
    "2.5",
    "2.50",
    "25e-1",
    "-0",
    "0",
    "0.0000001",
    "1E-7",
    "x",
    "1_0",
    "1e999999",
]


ORDERS: dict[str, list[Group]] = {
    "first": [field("price"), field("shop")],
    "second": [field("shop"), field("price"), day("at")],
    "after a range": [day("at"), field("price"), field("shop")],
    "only": [field("price")],
}


def aggregate(order: str, schema: dict[str, Any], lanes: int = 1) -> Aggregate:
    of = Collection("sales", schema=schema)
    return Aggregate("sales_by", of=of, by=ORDERS[order], measures={"n": count()}, lanes=lanes)


def read(of: Aggregate, parameters: Sequence[tuple[str, str]], limit: int = 100) -> list[Any]:
    """Return the prices of the rows that a query finds, read page by page."""
    pipeline = Pipeline([of.of], [of])
    rows = stored_rows(history("sales", [(str(number), item) for number, item in enumerate(ITEMS)]), pipeline)
    reader = RowReader(cast("Any", Table(rows)), "aggregates")
    found: list[Any] = []
    cursor: list[tuple[str, str]] = []
    while True:
        page = reader.read(parse_row_query(of, [*parameters, ("limit", str(limit)), *cursor]))
        assert len(page.rows) <= limit
        found += [loads(row)["price"] for row in page.rows]
        if page.cursor is None:
            return found
        cursor = [("cursor", page.cursor)]


def meant(spelling: str) -> list[Any]:
    """Return the prices that a spelling selects: equal numbers, and the same text."""
    try:
        number = Decimal(spelling) if "_" not in spelling else None
    except ArithmeticError:
        number = None
    prices = {repr(item["price"]): item["price"] for item in ITEMS}.values()
    return [p for p in prices if (p == spelling if isinstance(p, str) else p == number)]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_number_is_found_by_every_spelling(spelling: str, lanes: int, limit: int, order: str) -> None:
    schema = {"type": "object"}
    shop = [("shop", "a"), ("order", order)]
    days = [("from", "2024-03-05"), ("to", "2024-03-06"), ("order", order)]
    expected = sorted(meant(spelling), key=repr)
    for name, parameters in (("second", shop), ("after a range", days)):
        found = read(aggregate(name, schema, lanes), [*parameters, ("price", spelling)], limit)
        assert sorted(found, key=repr) == sorted(expected * (1 if name == "second" else 2), key=repr)
    assert sorted(read(aggregate("only", schema, lanes), [("price", spelling)], limit), key=repr) == expected
    found = read(aggregate("first", schema, lanes), [("price", spelling), ("price", "none"), shop[1]], limit)
    assert sorted(found, key=repr) == sorted(expected * 2, key=repr)


@pytest.mark.parametrize(
    ("field_schema", "given", "texts"),
    [
        (NUMBER, "1.0", ["1"]),
        (NUMBER, " 1", ["1"]),  # of ?price=+1
        (NUMBER, "1e 21", ["1000000000000000000000"]),
        ({}, "1e 3", ["1e 3", "1000"]),
        (NUMBER, "1 1", ["1 1"]),
        (NUMBER, "1e-999999999", ["1e-999999999"]),  # no zero
        ({"type": ["integer", "null"]}, "1e0", ["1"]),
        ({"minimum": 0}, "2.50", ["2.50", "2.5"]),  # a text is valid, too
        ({"if": NUMBER, "then": {"minimum": 5}, "else": {"const": "none"}}, "7.0", ["7.0", "7"]),
        ({"if": NUMBER, "else": {"const": "none"}}, "none", ["none"]),
        ({"not": {"type": "string"}, "type": ["string", "number"]}, "+1", ["1"]),
        ({"enum": [1, 2.5]}, "2.50", ["2.5"]),
        ({"const": 1.0}, "1", ["1"]),
        ({"allOf": [{"type": ["string", "number"]}, NUMBER]}, "10e-1", ["1"]),
        ({"type": "boolean"}, "true", ["true"]),
        ({"$ref": "#/$defs/n"}, "2.50", ["2.5"]),
        ({"anyOf": [NUMBER, {"type": "null"}]}, "-0", ["0"]),
        (TEXT, "1.0", ["1.0"]),
        ({"enum": ["1.0", 1]}, "1.0", ["1.0", "1"]),
        ({}, "1.0", ["1.0", "1"]),
        ({}, "1", ["1"]),
        ({}, "x", ["x"]),
        (NUMBER, "x", ["x"]),
    ],
)
def test_keys_are_those_that_the_field_can_have(field_schema: dict[str, Any], given: str, texts: list[str]) -> None:
    of = aggregate("only", {"properties": {"price": field_schema}, "$defs": {"n": NUMBER}})
    assert [found.pk for found in parse_row_query(of, [("price", given)]).ranges()] == [
        f"sales_by@1#{text}" for text in texts
    ]


def prices(schema: dict[str, Any], each: str, source: str) -> Aggregate:
    of = Collection("sales", schema={"properties": {each: schema}})
    return Aggregate("sales_by", of=of, each=each, by=[field(source, name="price")], measures={"n": count()})


@pytest.mark.parametrize(
    "of",
    [
        prices({"type": "array", "items": NUMBER}, "list", "list"),
        prices({"type": "array", "prefixItems": [NUMBER], "items": False}, "list", "list"),
        prices({"type": "array", "items": {"properties": {"price": NUMBER}}}, "list", "list.price"),
        prices({"type": "object", "additionalProperties": NUMBER}, "map", "map.value"),
    ],
)
def test_the_numbers_of_elements_are_compared_by_value(of: Aggregate) -> None:
    assert [found.pk for found in parse_row_query(of, [("price", "2.50")]).ranges()] == ["sales_by@1#2.5"]


def test_a_transform_may_make_numbers_of_texts() -> None:
    of = Collection("sales", schema={"properties": {"price": TEXT}}, transform=lambda item: item)
    by_price = Aggregate("sales_by", of=of, by=[field("price")], measures={"n": count()})
    assert len(list(parse_row_query(by_price, [("price", "1.0")]).ranges())) == 2


def test_one_number_given_twice_is_refused() -> None:
    of = aggregate("only", {"properties": {"price": NUMBER}})
    with pytest.raises(InvalidMessage, match="all different"):
        parse_row_query(of, [("price", "1"), ("price", "1.0")])


def test_a_ranking_finds_its_number_too() -> None:
    query, *_ = parse_ranking_query(
        aggregate("first", {"properties": {"price": NUMBER}}), [("price", "2.50"), ("by", "n")]
    )
    assert [found.pk for found in query.ranges()] == ["sales_by@1#2.5"]
