"""Rankings and lists over several buckets: exact, or refused with the reason."""

import json
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any, cast

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    count,
    day,
    distinct,
    field,
    hour,
    largest,
    maximum,
    quantile,
    ratio,
    top,
    total,
)
from tailrace.aws.aggregates.row_reader import Page, RowReader
from tailrace.aws.aggregates.window_reader import WindowReader
from tailrace.definition.measures.linear import divide
from tailrace.encoding.sort_keys import encode_sort_key
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import NotAdditive, UnsupportedKeyOrder
from tailrace.http.openapi.aggregates import row_schema
from tailrace.queries.formats import CSV, row_format_for
from tailrace.queries.parameters import parse_ranking_query, parse_row_query
from tailrace.queries.rollup import reason_left_out
from tailrace.testing import history, stored_rows
from tests.unit.queries.table import Table

SALES = Collection("sales", schema={"type": "object"})
MEASURES: dict[str, Any] = {
    "n": count(),
    "sum": total("x"),
    "average": ratio("sum", "n"),
    "most": maximum("x"),
    "kinds": distinct("x"),
    "median": quantile("x", 0.5),
    "usual": top("x", 3),
    "best": largest("x", 2),
}
DAYS_FIRST = Aggregate("days_first", of=SALES, by=[day("at"), field("shop")], measures=MEASURES)
SHOPS_FIRST = Aggregate("shops_first", of=SALES, by=[field("shop"), day("at")], measures=MEASURES)
PRODUCTS = Aggregate("products", of=SALES, by=[field("shop"), day("at"), field("x")], measures={"n": count()})
PIPELINE = Pipeline([SALES], [DAYS_FIRST, SHOPS_FIRST, PRODUCTS])
RANGE = [("from", "2024-06-01"), ("to", "2024-06-10")]

sales = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 12), st.integers(0, 5)), min_size=1, max_size=25)


def table_of(made: list[tuple[str, int, Any]]) -> Table:
    items = [
        (str(number), {"shop": shop, "at": f"2024-06-{date:02d}", "x": x})
        for number, (shop, date, x) in enumerate(made)
    ]
    return Table(stored_rows(history("sales", items), PIPELINE))


def ranked(aggregate: Aggregate, table: Table, *parameters: tuple[str, str]) -> list[Any]:
    query, by, greatest = parse_ranking_query(aggregate, parameters)
    page = RowReader(cast("Any", table), "rows").rank(query, by, dumps, greatest=greatest)
    return [loads(row) for row in page.rows]


def read(aggregate: Aggregate, table: Table, *parameters: tuple[str, str]) -> tuple[list[Any], Page]:
    page = RowReader(cast("Any", table), "rows").read(parse_row_query(aggregate, parameters))
    assert page.cursor is None
    return [loads(row) for row in page.rows], page


@given(
    sales,
    st.sampled_from(["n", "sum", "average", "most"]),
)
def test_sums_over_a_range_of_buckets_are_ranked(made: list[tuple[str, int, int]], by: str) -> None:
    values: dict[str, list[int]] = defaultdict(list)
    for shop, date, x in made:
        if date <= 10:
            values[shop].append(x)
    expected: dict[str, Any] = {
        shop: {"n": len(xs), "sum": sum(xs), "average": divide(sum(xs), len(xs)), "most": max(xs)}[by]
        for shop, xs in values.items()
    }
    table = table_of(made)
    found = ranked(DAYS_FIRST, table, *RANGE, ("by", by))
    assert {row["shop"]: row[by] for row in found} == expected
    assert [row[by] for row in found] == sorted(expected.values(), reverse=True)
    assert all(row.keys().isdisjoint(["day", "kinds", "median"]) for row in found)
    again = ranked(
        SHOPS_FIRST, table, ("shop", "a"), ("shop", "b"), ("shop", "c"), *RANGE, ("by", by), ("interval", "range")
    )
    assert {row["shop"]: row[by] for row in again} == expected


@given(sales)
def test_longer_buckets_are_ranked(made: list[tuple[str, int, Any]]) -> None:
    weeks = Counter(
        "2024-05-27" if date <= 2 else "2024-06-03" if date <= 9 else "2024-06-10"
        for shop, date, _ in made
        if shop == "a"
    )
    found = ranked(SHOPS_FIRST, table_of(made), ("shop", "a"), ("by", "n"), ("interval", "week"))
    assert {row["week"]: row["n"] for row in found} == weeks


def test_products_are_ranked_over_a_range_of_days() -> None:
    table = table_of([("a", 1, 7), ("a", 2, 7), ("a", 2, 8), ("a", 11, 8), ("a", 12, 8), ("b", 1, 9)])
    of_range = ranked(PRODUCTS, table, ("shop", "a"), *RANGE, ("by", "n"), ("interval", "range"))
    assert [(row["x"], row["n"]) for row in of_range] == [(7, 2), (8, 1)]
    everything = ranked(PRODUCTS, table, ("shop", "a"), ("by", "n"), ("interval", "range"), ("n", "1"))
    assert [(row["x"], row["n"]) for row in everything] == [(8, 3)]
    of_days = ranked(PRODUCTS, table, ("shop", "a"), *RANGE, ("by", "n"))
    assert {row["day"] for row in of_days} == {"2024-06-01", "2024-06-02"}


@pytest.mark.parametrize("by", ["kinds", "median"])
def test_what_cannot_be_derived_from_rows_is_refused_with_the_reason(by: str) -> None:
    with pytest.raises(NotAdditive, match=r"of several rows cannot be ranked: rows store"):
        parse_ranking_query(DAYS_FIRST, [*RANGE, ("by", by)])
    parse_ranking_query(DAYS_FIRST, [("day", "2024-06-01"), ("by", by)])


@pytest.mark.parametrize(
    ("aggregate", "given_"),
    [(DAYS_FIRST, []), (SHOPS_FIRST, []), (SHOPS_FIRST, RANGE), (PRODUCTS, RANGE)],
)
def test_rows_of_unknown_partitions_are_not_ranked(aggregate: Aggregate, given_: list[tuple[str, str]]) -> None:
    with pytest.raises(UnsupportedKeyOrder, match="rows are ranked within the"):
        parse_ranking_query(aggregate, [*given_, ("by", "n")])


@given(sales)
def test_lists_of_several_buckets_are_exact_or_left_out(made: list[tuple[str, int, Any]]) -> None:
    by_day: dict[int, Counter[str]] = defaultdict(Counter)
    values = {encode_sort_key(x): x for _, _, x in made}
    for shop, date, x in made:
        if shop == "a":
            by_day[date][encode_sort_key(x)] += 1
    found, page = read(SHOPS_FIRST, table_of(made), ("shop", "a"), ("interval", "month"))
    assert len(found) == bool(by_day)
    for row in found:
        total_counts = sum(by_day.values(), Counter[str]())
        is_known = len(by_day) == 1 or all(len(counts) < 3 for counts in by_day.values())
        assert ("usual" in row) == is_known
        assert page.left_out == {"kinds", "median"} | (set() if is_known else {"usual"})
        if is_known:
            best = sorted(total_counts.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
            listed = [(encode_sort_key(one["value"]), one["count"]) for one in row["usual"]]
            assert listed == best
        ordered = sorted(total_counts.elements(), reverse=True)[:2]
        assert [encode_sort_key(one["value"]) for one in row["best"]] == ordered
    assert values


def test_the_reasons_name_the_measure() -> None:
    assert "a full list may lack values" in reason_left_out(SHOPS_FIRST, "usual")
    aggregate = Aggregate("r", of=SALES, by=[field("shop")], measures=MEASURES | {"share": ratio("n", "kinds")})
    assert reason_left_out(aggregate, "share").startswith("a ratio of kinds: rows store how many")


def test_a_row_of_an_interval_names_its_label_after_it() -> None:
    table = table_of([("a", 1, 7)])
    assert read(SHOPS_FIRST, table, ("shop", "a"))[0][0]["day"] == "2024-06-01"
    (row,) = read(SHOPS_FIRST, table, ("shop", "a"), ("interval", "month"))[0]
    assert row["month"] == "2024-06"
    assert "day" not in row
    (row,) = read(SHOPS_FIRST, table, ("shop", "a"), ("interval", "range"))[0]
    assert row.keys().isdisjoint(["day", "range"])
    assert row_format_for(CSV, SHOPS_FIRST, "month").header.startswith("shop,month,n,")
    assert row_format_for(CSV, SHOPS_FIRST, "range").header.startswith("shop,n,")
    schema = row_schema(SHOPS_FIRST)
    assert "day" not in schema["required"]
    assert {"day", "week", "month", "quarter", "year"} <= schema["properties"].keys()


def test_rows_of_intervals_and_windows_are_as_the_openapi_document_says() -> None:
    table = table_of([("a", 1, 7), ("a", 2, 7), ("a", 2, 8), ("a", 11, 8), ("b", 1, 9)])
    validator = jsonschema_rs.validator_for(row_schema(SHOPS_FIRST))
    reader = RowReader(cast("Any", table), "rows")
    for more in ([], [("interval", "week")], [("interval", "range")], [("window", "7d")]):
        query = parse_row_query(SHOPS_FIRST, [("shop", "a"), *RANGE, *more])
        page = (reader if query.window is None else WindowReader(reader)).read(query)
        assert page.rows
        for row in page.rows:
            validator.validate(json.loads(row) | {"updated_at": "2024-06-01T00:00:00Z"})
            # an item has gone whose sum the table could not hold: it was never counted
            validator.validate(json.loads(row) | {"updated_at": "2024-06-01T00:00:00Z", "n": -1, "inexact": True})
    query, by, greatest = parse_ranking_query(SHOPS_FIRST, [("shop", "a"), ("by", "average"), ("interval", "month")])
    for row in reader.rank(query, by, dumps, greatest=greatest).rows:
        validator.validate(json.loads(row) | {"updated_at": "2024-06-01T00:00:00Z"})


def test_a_label_gives_way_to_a_group_or_measure_of_its_name() -> None:
    measures = {"month": count(), "hour_month": total("x")}
    by: list[Any] = [field("day"), hour("at"), field("week")]
    aggregate = Aggregate("named", of=SALES, by=by, measures=measures)
    items = [("1", {"day": "d", "week": "w", "at": "2024-06-01T10:00Z", "x": Decimal(2)})]
    table = Table(stored_rows(history("sales", items), Pipeline([SALES], [aggregate])))
    for interval, name in [("day", "hour_day"), ("week", "hour_week"), ("month", "hour_hour_month"), ("year", "year")]:
        (row,) = read(aggregate, table, ("day", "d"), ("interval", interval))[0]
        assert row[name].startswith("2024")
        assert (row["day"], row["week"], row["month"], row["hour_month"]) == ("d", "w", 1, 2)
        assert "hour" not in row
