"""Rows rolled up to every longer unit, around changes of the clock: each has all its items, in pages of any size."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tailrace
from tailrace import Aggregate, Collection, Pipeline, count, field
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.definition.groups.buckets import BucketGroup, bucket
from tailrace.encoding.tagged_json import loads
from tailrace.errors import UnsupportedKeyOrder
from tailrace.queries.intervals import coarser_units
from tailrace.queries.parameters import parse_row_query, rollup_intervals
from tailrace.testing import history, stored_rows
from tests.unit.queries.table import Table

CHANGES = [
    ("Africa/Cairo", "2024-04-25T22:00Z"),
    ("America/Santiago", "2024-04-07T03:00Z"),
    ("America/St_Johns", "2010-11-07T02:31Z"),
    ("Antarctica/Casey", "2010-03-04T15:00Z"),
    ("Australia/Lord_Howe", "2024-04-06T15:00Z"),
    ("Europe/Berlin", "2024-10-27T01:00Z"),
    ("Europe/Berlin", "2024-03-31T01:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("America/New_York", "2024-01-01T05:00Z"),
]
UNITS: list[tuple[str, int | None, int]] = [
    # unit, size, seconds between items
    ("second", None, 7),
    ("second", 20, 13),
    ("minute", None, 400),
    ("minute", 15, 700),
    ("minute", 45, 1300),
    ("hour", None, 2900),
    ("hour", 6, 9000),
    ("day", None, 40_000),
    ("month", None, 1_000_000),
    ("quarter", None, 3_000_000),
]
SALES = Collection("sales", schema={"type": "object"})


def items_around(change: datetime, step: int) -> list[tuple[str, dict[str, Any]]]:
    return [
        (str(number), {"shop": "a", "at": (change + timedelta(seconds=step * (number - 60) + 1)).isoformat()})
        for number in range(120)
    ]


def all_pages(aggregate: Aggregate, table: Table, parameters: list[tuple[str, str]]) -> list[dict[str, Any]]:
    reader, found = RowReader(cast("Any", table), "rows"), []
    cursor: list[tuple[str, str]] = []
    while True:
        page = reader.read(parse_row_query(aggregate, [*parameters, *cursor]))
        found += [loads(row) for row in page.rows]
        if page.cursor is None:
            return found
        cursor = [("cursor", page.cursor)]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CHANGES), st.sampled_from(UNITS), st.booleans(), st.sampled_from(["asc", "desc"]), st.data())
@example(("Europe/Berlin", "2024-10-27T01:00Z"), ("minute", None, 400), False, "asc", None)
def test_a_rolled_up_row_has_all_items_of_its_interval(
    place: tuple[str, str], kind: tuple[str, int | None, int], bucket_first: bool, order: str, data: Any
) -> None:
    (zone, at), (unit, size, step) = place, kind
    group = bucket(unit, "at", size, tz=zone, name="at_bucket")
    by: list[Any] = [group, field("shop")] if bucket_first else [field("shop"), group]
    aggregate = Aggregate("sales_by", of=SALES, by=by, measures={"n": count()})
    items = items_around(datetime.fromisoformat(at), step)
    interval = "hour" if data is None else data.draw(st.sampled_from(rollup_intervals(aggregate)), label="interval")
    limit = 2 if data is None else data.draw(st.sampled_from([1, 2, 1000]), label="limit")
    longer = bucket(interval, "at", tz=zone)
    expected = Counter(str(longer.value(item)) for _, item in items)
    table = Table(stored_rows(history("sales", items), Pipeline([SALES], [aggregate])))
    ends = [("from", items[0][1]["at"]), ("to", items[-1][1]["at"])] if bucket_first else [("shop", "a")]
    found = all_pages(aggregate, table, [*ends, ("interval", interval), ("order", order), ("limit", str(limit))])
    assert Counter({row[interval]: row["n"] for row in found}) == expected
    assert len(found) == len(expected)
    if not bucket_first:
        assert [row[interval] for row in found] == sorted(expected, reverse=order == "desc")


@pytest.mark.parametrize("shops", [["a", "none"], ["none", "a", "none too"], ["none"]])
def test_a_value_without_rows_leaves_out_nothing_of_the_others(shops: list[str]) -> None:
    by: list[Any] = [field("shop"), field("kind"), tailrace.day("at")]
    aggregate = Aggregate("sales_by", of=SALES, by=by, measures={"n": count()})
    items = [(str(n), {"shop": "a", "kind": "k", "at": f"2024-06-0{n + 1}"}) for n in range(9)]
    table = Table(stored_rows(history("sales", items), Pipeline([SALES], [aggregate])))
    found = all_pages(aggregate, table, [*(("shop", shop) for shop in shops), ("kind", "k"), ("interval", "week")])
    expected = [("2024-05-27", 2), ("2024-06-03", 7)] if "a" in shops else []
    assert [(row["week"], row["n"]) for row in found] == expected


@pytest.mark.parametrize(
    ("group", "units"),
    [
        (tailrace.second("at"), ["minute", "hour", "day", "week", "month", "quarter", "year"]),
        (tailrace.seconds(7200, "at"), ["day", "week", "month", "quarter", "year"]),
        (tailrace.minutes(15, "at"), ["hour", "day", "week", "month", "quarter", "year"]),
        (tailrace.minutes(90, "at"), ["day", "week", "month", "quarter", "year"]),
        (tailrace.minutes(60, "at"), ["day", "week", "month", "quarter", "year"]),
        (tailrace.day("at"), ["week", "month", "quarter", "year"]),
        (tailrace.week("at"), []),
        (tailrace.month("at"), ["quarter", "year"]),
        (tailrace.quarter("at"), ["year"]),
        (tailrace.year("at"), []),
    ],
)
def test_buckets_roll_up_to_the_units_they_fit_into(group: BucketGroup, units: list[str]) -> None:
    assert list(coarser_units(group)) == units


@pytest.mark.parametrize(
    ("make", "interval"), [(tailrace.second, "hour"), (tailrace.hour, "week"), (tailrace.day, "quarter")]
)
def test_more_partitions_than_a_request_can_read_are_not_rolled_up(
    make: Callable[[str], BucketGroup], interval: str
) -> None:
    aggregate = Aggregate("sales_by", of=SALES, by=[make("at"), field("shop")], measures={"n": count()})
    with pytest.raises(UnsupportedKeyOrder, match="its own partition"):
        parse_row_query(aggregate, [("from", "2024-01-01T10:00"), ("to", "2024-01-01T11:00"), ("interval", interval)])
