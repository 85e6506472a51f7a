"""Rows of a range, and added up to longer intervals, are what a recount of the orders says."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tailrace.aws.aggregates import row_reader as reading
from tests.storage.reading.recount import ORDERS, SHOPS, ZONE, joined, label, recounted, seen


@pytest.mark.parametrize("name", ["hours", "lanes"])
@pytest.mark.parametrize("interval", [None, "day", "week", "month"])
@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_rows_and_intervals_of_a_shop(pages: Callable[..., Any], name: str, interval: str | None, limit: int) -> None:
    for shop in SHOPS:
        expected = recounted([order for order in ORDERS if order["shop"] == shop], interval or "hour")
        given = {"shop": shop, "limit": limit} | ({"interval": interval} if interval else {})
        if limit > 2 or interval:
            assert seen(joined(pages(f"{name}/rows", **given))) == expected
            assert seen(joined(pages(f"{name}/rows", order="desc", **given))) == expected[::-1]


def test_the_ends_of_an_interval_are_those_of_its_rows(pages: Callable[..., Any]) -> None:
    mine = [order for order in ORDERS if order["shop"] == "a"]
    found = joined(pages("hours/rows", shop="a", interval="month"))
    assert seen(found, ends=True) == recounted(mine, "month", ends=True)
    assert all(
        datetime.fromisoformat(row["earliest"]["at"]) <= datetime.fromisoformat(row["latest"]["at"]) for row in found
    )


@pytest.mark.parametrize("name", ["days", "lane_days"])
@pytest.mark.parametrize("interval", [None, "week", "month"])
@pytest.mark.parametrize("limit", [1, 3, 1000])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_rows_and_intervals_of_days_in_front(
    pages: Callable[..., Any], name: str, interval: str | None, limit: int, order: str
) -> None:
    expected = recounted(ORDERS, interval or "day", time_first=True)
    given = {"from_": "2024-03-01", "to": "2025-07-15", "limit": limit, "order": order}
    found = joined(pages(f"{name}/rows", **given, **({"interval": interval} if interval else {})))
    assert seen(found) == (expected if order == "asc" else expected[::-1])
    # what cannot be added up is not there, rather than wrong
    assert all(("median" in row, "kinds" in row) == (name == "days" and not interval,) * 2 for row in found)


def test_minutes_become_hours_also_when_clocks_change(pages: Callable[..., Any]) -> None:
    for day in ("2024-03-31", "2024-10-27"):
        mine = [order for order in ORDERS if label(order, "day") == day]
        found = seen(joined(pages("minutes/rows", from_=day, to=day, interval="hour")))
        expected = recounted(mine, "hour", time_first=True)
        assert sorted(found, key=lambda row: (row["time"], row["shop"])) == sorted(
            expected, key=lambda row: (row["time"], row["shop"])
        )
        assert [datetime.fromisoformat(row["time"]) for row in found] == sorted(
            datetime.fromisoformat(row["time"]) for row in found
        )


def test_groups_behind_the_time_are_added_up_each_by_itself(pages: Callable[..., Any]) -> None:
    expected: dict[tuple[str, int], int] = defaultdict(int)
    for order in ORDERS:
        if order["shop"] == "c":
            expected[label(order, "month"), order["lines"]] += 1
    for limit in (1, 4, 1000):
        found = joined(pages("sizes/rows", shop="c", interval="month", limit=limit))
        assert {(row["month"], row["lines"]): row["n"] for row in found} == expected
        places = [(row["month"], str(row["lines"])) for row in found]
        assert places == sorted(places)


def test_a_range_is_widened_to_whole_intervals(pages: Callable[..., Any]) -> None:
    mine = [order for order in ORDERS if order["shop"] == "a"]
    ranges = [
        ("2024-10-27T02:30", "2024-10-27"),
        ("2024-03-30T23:00", "2024-03-31T00:30"),
        ("2025-06", "2025-06-14"),
        ("2024-12-31", "2025-01"),
    ]
    for first, last in ranges:
        for unit in ("day", "week", "month"):
            begin = first + {7: "-01T00:00", 10: "T00:00"}.get(len(first), "")
            end = last + {7: "-31T23:59", 10: "T23:59"}.get(len(last), "")
            ends = [datetime.fromisoformat(text).replace(tzinfo=ZONE).isoformat() for text in (begin, end)]
            touched = [label({"placed": instant}, unit) for instant in ends]
            expected = [row for row in recounted(mine, unit) if touched[0] <= row["time"] <= touched[1]]
            found = joined(pages("hours/rows", shop="a", interval=unit, from_=first, to=last))
            assert seen(found) == expected, (first, last, unit)


def test_many_empty_days_are_passed_over_page_by_page(
    pages: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_READS", 40)
    for order in ("asc", "desc"):
        found = pages("days/rows", from_="2024-01-01", to="2025-12-31", interval="month", order=order)
        expected = recounted(ORDERS, "month", time_first=True)
        assert seen(joined(found)) == (expected if order == "asc" else expected[::-1])
        assert len(found) > 10
