"""Slices of a partition: together they are the whole, and none exceeds its maximum."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tailrace import Aggregate, Collection, count, distinct, field, total
from tailrace.aggregation.evaluator import Evaluator
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.jobs.rows import RowSpace, by_key, encode_row, keys_in
from tailrace.aws.jobs.slices import LAST, Slice, SliceOfKeys, place_of, placed, slice_of_base, together
from tailrace.backfill.base import base_rows
from tailrace.backfill.generations import created
from tailrace.encoding.keys import RowKey

MEASURES: Any = {"n": count(), "sum": total("amount"), "kinds": distinct("kind")}
orders = Collection("orders", schema={"type": "object"})
sales = Aggregate("sales", of=orders, by=[field("shop"), field("day")], measures=MEASURES)
space = RowSpace(created("sales", 1, "meaning"), sales)
random = Random(1)  # noqa: S311 - the same each time
ITEMS = [
    {"shop": random.choice("abcdefgh"), "day": random.randrange(9), "kind": random.randrange(12), "amount": number}
    for number in range(600)
]
MOST_OF_A_ROW = 13


def lines() -> Iterator[bytes]:
    """Return the lines of parts that fold the items in several portions."""
    for start in range(0, len(ITEMS), 100):
        found = base_rows(ITEMS[start : start + 100], Evaluator(orders, [sales]))
        for row in (*found.rows, *found.group_list_changes):
            yield placed(space.main_key(row.key), encode_row(row))


def sums(rows: dict[RowKey, RowChange]) -> dict[RowKey, object]:
    return {key: row.deltas() for key, row in by_key(rows)}


@pytest.mark.parametrize("most", [1, 20, 150, 10_000])
def test_the_slices_of_a_base_are_the_whole_and_none_is_too_large(most: int) -> None:
    found: dict[RowKey, object] = {}
    where, slices = Slice(), 0
    while where.start < LAST:
        rows = sums(slice_of_base(lines(), space, where, most))
        assert len(rows) <= max(most, 2 * MOST_OF_A_ROW)
        assert not found.keys() & rows.keys()
        found |= rows
        where, slices = Slice(where.end), slices + 1
    whole = sums(slice_of_base(lines(), space, Slice()))
    assert found == whole
    assert (slices == 1) == (most >= len(whole))


@pytest.mark.parametrize("most", [1, 20, 150, 10_000])
def test_the_slices_of_keys_are_the_whole_and_main_rows_are_not_divided(most: int) -> None:
    whole = set(sums(slice_of_base(lines(), space, Slice())))
    found: list[RowKey] = []
    start = b""
    while start < LAST:
        keys = SliceOfKeys([space, space], most, Slice(start))
        for place, line in keys.slice.lines(lines()):
            for key in keys_in(line):
                keys.add(1, place, key)
        rows = keys.in_order()
        assert len(rows) <= max(most, 2 * MOST_OF_A_ROW)
        assert all(keys.slice.holds(place_of(space.main_key(key))) for _, _, key in rows)
        found += [key for _, _, key in rows]
        start = keys.slice.end
    assert len(found) == len(whole)
    assert set(found) == whole


def test_rows_at_one_place_stay_together() -> None:
    rows = [(place, number) for place, numbers in ((b"a", 3), (b"b", 1), (b"c", 4)) for number in range(numbers)]
    found = list(together(rows, LAST, 2))
    assert [(len(some), end) for some, end in found] == [(3, b"b"), (5, LAST)]
    assert [row for some, _ in found for row in some] == rows
    assert list(together([], LAST, 2)) == [([], LAST)]
