"""Moving sums: every bucket has exactly what a recount of its window has."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, Pipeline, count, field, hour, maximum, mean, minutes, ratio, total
from tailrace.aws.aggregates import window_reader
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.aws.aggregates.window_reader import WindowReader
from tailrace.definition.groups.buckets import BucketGroup, bucket
from tailrace.definition.measures.linear import divide
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage, NotAdditive, QueryTooLarge
from tailrace.queries.parameters import parse_row_query
from tailrace.testing import history, stored_rows
from tests.unit.queries.table import Table
from tests.unit.queries.window_recounts import recount

SALES = Collection("sales", schema={"type": "object"})
MEASURES: dict[str, Any] = {
    "n": count(),
    "sum": total("x"),
    "mean": mean("x"),
    "share": ratio("sum", "n"),
    "most": maximum("x"),
    "share_of_most": ratio("n", "most"),
}
PLACES = [
    ("Africa/Cairo", "2024-04-25T22:00Z"),
    ("America/St_Johns", "2010-11-07T02:31Z"),
    ("Antarctica/Casey", "2010-03-04T15:00Z"),
    ("Australia/Lord_Howe", "2024-04-06T15:00Z"),
    ("Europe/Berlin", "2024-10-27T01:00Z"),
    ("Europe/Berlin", "2024-03-31T01:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("UTC", "2024-12-31T22:00Z"),
]
CASES = [
    # unit, size, interval, window, hours between items
    ("hour", None, None, "24h", 5),
    ("hour", None, None, "3h", 2),
    ("hour", None, None, "1d", 5),
    ("hour", 6, None, "12h", 5),
    ("hour", None, "day", "3d", 7),
    ("minute", 15, None, "1h", 1),
    ("minute", 15, "hour", "6h", 1),
    ("day", None, None, "7d", 17),
    ("day", None, None, "1w", 17),
    ("day", None, "week", "2w", 30),
    ("day", None, "month", "3mo", 200),
    ("week", None, None, "4w", 100),
    ("month", None, None, "12mo", 900),
    ("month", None, "quarter", "2q", 900),
    ("month", None, None, "1q", 900),
    ("year", None, None, "3y", 5000),
]


def all_pages(aggregate: Aggregate, table: Table, parameters: list[tuple[str, str]]) -> list[dict[str, Any]]:
    reader, found = WindowReader(RowReader(cast("Any", table), "rows")), []
    cursor: list[tuple[str, str]] = []
    for _ in range(2000):
        page = reader.read(parse_row_query(aggregate, [*parameters, *cursor]))
        found += [loads(row) for row in page.rows]
        assert page.left_out == {name for name in aggregate.measures if "most" in name}
        if page.cursor is None:
            return found
        cursor = [("cursor", page.cursor)]
    raise AssertionError("the pages have no end")


def sales_by(group: BucketGroup, order_of_key: str) -> Aggregate:
    """Return an aggregate with the bucket first or second in its key, or with lanes, which have no order measures."""
    by: list[Any] = [group, field("shop")] if order_of_key == "bucket first" else [field("shop"), group]
    lanes = 3 if order_of_key == "lanes" else 1
    measures = {name: one for name, one in MEASURES.items() if lanes == 1 or "most" not in name}
    return Aggregate("sales_by", of=SALES, by=by, measures=measures, lanes=lanes)


def table_of(aggregate: Aggregate, made: list[tuple[str, dict[str, Any]]]) -> Table:
    return Table(stored_rows(history("sales", made), Pipeline([SALES], [aggregate])))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(PLACES),
    st.sampled_from(CASES),
    st.sampled_from(["shop first", "bucket first", "lanes"]),
    st.sampled_from(["asc", "desc"]),
    st.sampled_from([1, 7, 1000]),
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.integers(-5, 5)), max_size=20),
)
@example(PLACES[6], CASES[2], "shop first", "asc", 1, [(16, "a", 0)])  # the day before was skipped
@example(PLACES[1], CASES[7], "shop first", "asc", 1, [(16, "a", 0)])  # the next day interrupts one
@example(PLACES[1], CASES[4], "shop first", "desc", 7, [(n, "a", n) for n in range(30)])
@example(PLACES[4], CASES[0], "shop first", "asc", 7, [(n, "a", n) for n in range(30)])
@example(PLACES[3], CASES[1], "shop first", "desc", 1, [(n, "a", n) for n in range(30)])
def test_each_bucket_has_the_sums_of_its_window(  # noqa: PLR0917 - what varies
    place: tuple[str, str], case: tuple[str, int | None, str | None, str, int], order_of_key: str, order: str,
    limit: int, made: list[tuple[int, str, int]],
) -> None:  # fmt: skip
    (zone, change), (unit, size, interval, window, step_hours) = place, case
    group = bucket(unit, "at", size, tz=zone, name="stored")
    aggregate = sales_by(group, order_of_key)
    begin = datetime.fromisoformat(change) - timedelta(hours=15 * step_hours, minutes=23)
    items: list[dict[str, Any]] = [
        {"shop": shop, "at": (begin + timedelta(hours=number * step_hours)).isoformat(), "x": x}
        for number, shop, x in made
    ]
    table = table_of(aggregate, [(str(number), item) for number, item in enumerate(items)])
    shown = bucket(interval or unit, "at", None if interval else size, tz=zone)
    ends = [begin + timedelta(hours=10 * step_hours), begin + timedelta(hours=20 * step_hours)]
    expected = recount(group, shown, window, ends, items)
    shops = [] if order_of_key == "bucket first" else [("shop", "a"), ("shop", "b")]
    rolled = [] if interval is None else [("interval", interval)]
    range_ = [("from", ends[0].isoformat()), ("to", ends[1].isoformat())]
    parameters = [*shops, *range_, *rolled, ("window", window), ("order", order), ("limit", str(limit))]
    try:
        found = all_pages(aggregate, table, parameters)
    except QueryTooLarge:
        assert order_of_key == "bucket first"
        return
    name = interval or "stored"
    assert {(row[name], row["shop"]): (row["n"], row["sum"]) for row in found} == expected
    assert len(found) == len(expected)
    for row in found:
        assert row["mean"] == row["share"] == divide(Decimal(row["sum"]), row["n"])
        assert row.keys().isdisjoint(["most", "share_of_most"])
    at_once = all_pages(aggregate, table, [*parameters[:-1], ("limit", "1000")])
    assert found == at_once
    if order == "desc" and order_of_key == "bucket first":
        assert found == all_pages(aggregate, table, [*shops, *range_, *rolled, ("window", window)])[::-1]


HOURS = Aggregate("hours", of=SALES, by=[field("shop"), hour("at")], measures=MEASURES)
RANGE = [("shop", "a"), ("from", "2024-06-01"), ("to", "2024-06-02")]


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ([*RANGE, ("window", "24")], "a number with a unit"),
        ([*RANGE, ("window", "5m")], "s, min, h, d, w, mo, q or y"),
        ([*RANGE, ("window", "0h")], "a number with a unit"),
        ([*RANGE, ("window", "90min")], "not a whole number of hours: give one such as 24h or 7d"),
        ([*RANGE, ("window", "1mo")], "not a whole number"),
        (
            [*RANGE, ("window", "24h"), ("interval", "day")],
            "not a whole number of days: give one such as 7d",
        ),
        ([*RANGE, ("window", "7d"), ("interval", "month")], "give one such as 12mo"),
        ([*RANGE, ("window", "24h"), ("interval", "range")], "needs buckets that it can end with"),
        ([*RANGE, ("window", "99999h")], "window=99999h has more than 10000 hours"),
        ([("shop", "a"), ("window", "24h")], "requires both from and to"),
        ([("shop", "a"), ("from", "2024"), ("window", "24h")], "requires both from and to"),
        ([("shop", "a"), ("from", "2000"), ("to", "2024"), ("window", "24h")], "narrow the range"),
        ([("shop", "a"), ("from", "0001-01-01"), ("to", "0001-01-02"), ("window", "24h")], "beyond the calendar"),
        ([*RANGE, ("window", "24h"), ("cursor", "x")], "invalid cursor"),
    ],
)
def test_what_is_no_window_is_refused(given_: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InvalidMessage, match=message):
        parse_row_query(HOURS, given_)


def test_the_last_buckets_of_the_calendar_have_windows_or_a_reason() -> None:
    ends = [("shop", "a"), ("from", "9999-12-31"), ("to", "9999-12-31")]
    east = Aggregate("east", of=SALES, by=[field("shop"), hour("at", tz="Asia/Tokyo")], measures={"n": count()})
    for aggregate in (HOURS, east):
        parse_row_query(aggregate, [*ends, ("window", "24h")])
    with pytest.raises(InvalidMessage, match="beyond the calendar"):
        parse_row_query(east, [*ends, ("window", "1d")])


def test_measures_of_order_have_no_moving_sums() -> None:
    aggregate = Aggregate("ends", of=SALES, by=[field("shop"), hour("at")], measures={"most": maximum("x")})
    with pytest.raises(NotAdditive, match="has no moving sums: .*order measures"):
        parse_row_query(aggregate, [*RANGE, ("window", "24h")])


def test_a_window_of_more_partitions_than_a_request_can_read_is_refused() -> None:
    aggregate = Aggregate("first", of=SALES, by=[minutes(15, "at"), field("shop")], measures={"n": count()})
    query = parse_row_query(aggregate, [("from", "2024-06-01"), ("to", "2024-06-01"), ("window", "7d")])
    with pytest.raises(QueryTooLarge, match="shorter window"):
        WindowReader(RowReader(cast("Any", Table([])), "rows")).read(query)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_go_on_where_the_reads_ended(monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    made = [
        (f"{shop} {number}", {"shop": shop, "at": f"2024-06-0{1 + number // 24}T{number % 24:02d}:00Z", "x": number})
        for number in range(48)
        for shop in "abc"
    ]
    table = table_of(HOURS, made)
    parameters = [("shop", "b"), ("shop", "c"), *RANGE, ("window", "6h"), ("order", order), ("limit", "1000")]
    at_once = all_pages(HOURS, table, parameters)
    assert len(at_once) == 3 * 48
    for reads in (24, 25, 40, 60):
        monkeypatch.setattr(window_reader, "MAX_READS", reads)
        assert all_pages(HOURS, table, parameters) == at_once, reads
    monkeypatch.setattr(window_reader, "MAX_READS", 23)
    with pytest.raises(QueryTooLarge):
        all_pages(HOURS, table, parameters)


def test_a_cursor_of_another_window_or_generation_is_refused() -> None:
    made = [(str(number), {"shop": "a", "at": f"2024-06-01T0{number}:00Z", "x": 1}) for number in range(5)]
    table = table_of(HOURS, made)
    reader = WindowReader(RowReader(cast("Any", table), "rows"))
    cursor = reader.read(parse_row_query(HOURS, [*RANGE, ("window", "24h"), ("limit", "2")])).cursor
    assert cursor is not None
    parse_row_query(HOURS, [*RANGE, ("window", "24h"), ("limit", "2"), ("cursor", cursor)])
    with pytest.raises(InvalidMessage, match="invalid cursor"):
        parse_row_query(HOURS, [*RANGE, ("window", "24h"), ("limit", "2"), ("cursor", cursor)], epoch=1)
    with pytest.raises(InvalidMessage, match="invalid cursor"):
        parse_row_query(HOURS, [*RANGE, ("window", "23h"), ("limit", "2"), ("cursor", cursor)])
    with pytest.raises(InvalidMessage, match="invalid cursor"):
        parse_row_query(HOURS, [*RANGE, ("limit", "2"), ("cursor", cursor)])
