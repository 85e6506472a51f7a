"""The base, what a row should hold at its own marks, and when a difference may be added."""

from typing import Any

from tailrace.backfill.base import base_lineage, base_rows, image_at_boundary
from tailrace.backfill.comparison import (
    MAX_AGE_S,
    Difference,
    StoredRow,
    difference,
    expected_counters,
    is_comparable,
    is_in_time,
    merge_lanes,
    stays,
)
from tailrace.backfill.generations import Generation, State
from tailrace.backfill.repair import in_order
from tests.simulation.job_model.definition import EVALUATORS, SHOPS_1, recount

KEY = ("shops@1#a", "-")
PARENTS = {"child": "parent", "parent": None}


def test_the_first_proven_image_counts_by_ancestry_and_then_by_number() -> None:
    images = {("child", 10): {"n": 3}, ("parent", 90): {"n": 2}, ("parent", 80): {"n": 1}, ("parent", 70): None}
    through = {"parent": 95, "child": 5}
    assert image_at_boundary(images, {"n": 9}, through, PARENTS) is None
    assert image_at_boundary({("child", 10): {"n": 3}}, {"n": 9}, through, PARENTS) == {"n": 9}
    del images["parent", 70]
    assert image_at_boundary(images, {"n": 9}, through, PARENTS) == {"n": 1}
    assert image_at_boundary({}, None, {}, {}) is None


def test_a_base_is_what_a_recount_says_in_one_step_for_each_row() -> None:
    items: list[dict[str, Any]] = [{"shop": "a", "amount": 5}, {"shop": "a"}, {"shop": "b", "amount": 5}, {"shop": 7}]
    result = base_rows(items, EVALUATORS[SHOPS_1])
    found = {row.key: dict(zip(row.layout.counters, row.deltas(), strict=True)) for row in result.rows}
    wanted = recount(SHOPS_1, [("orders", item) for item in items])
    assert found == {key: {name: wanted[key][name] for name in row} for key, row in found.items()}
    assert {row.first for row in result.rows} == {row.last for row in result.rows} == {1}
    assert {row.key for row in result.group_list_changes} == {("~groups#shops@1", "a"), ("~groups#shops@1", "b")}


def test_a_bases_mark_is_its_epochs() -> None:
    first, second = (base_lineage(Generation("shops", 1, State.BUILDING, "f", epoch)) for epoch in (1, 2))
    assert first != second
    assert first == base_lineage(Generation("shops", 1, State.BUILDING, "g", 1))


def test_a_row_should_hold_the_base_and_what_its_marks_say_it_has_absorbed() -> None:
    steps = {("s", 10): (1, 5), ("s", 20): (1, 7), ("t", 15): (-1, -2)}
    marks = {"s": "~s", "t": "~t"}
    row = StoredRow((3, 15), {"~s": 10})
    assert expected_counters((2, 10), steps, row, marks, 2) == (3, 15)
    assert difference((3, 15), row) is None
    ahead = StoredRow((3, 15), {"~s": 20, "~t": 15})
    assert expected_counters(None, steps, ahead, marks, 2) == (1, 10)
    assert difference((1, 10), ahead) == (-2, -5)
    assert difference((1, 2), StoredRow()) == (1, 2)


def test_lanes_are_compared_as_one() -> None:
    lanes = [StoredRow((2, 5), {"~s": 10}), StoredRow((-1, 2), {"~s": 7, "~t": 3}), StoredRow()]
    assert merge_lanes(lanes) == StoredRow((1, 7), {"~s": 10, "~t": 3})
    assert merge_lanes([]) == StoredRow()


def test_value_rows_ahead_of_their_main_row_are_not_compared() -> None:
    main = StoredRow((1,), {"~s": 10})
    assert is_comparable(main, [StoredRow((1,), {"~s": 10})], {"~s": 5})
    assert not is_comparable(main, [StoredRow((1,), {"~s": 11})], {"~s": 5})
    assert is_comparable(main, [StoredRow((1,), {"~old": 4})], {"~old": 5})
    assert not is_comparable(main, [StoredRow((1,), {"~new": 6})], {"~new": 5})


def test_bounds() -> None:
    assert is_in_time(0, MAX_AGE_S)
    assert not is_in_time(0, MAX_AGE_S + 1)
    assert stays(None, 0, 60)
    assert stays(121, 0, 60)
    assert not stays(120, 0, 60)


def test_value_rows_are_repaired_before_main_rows() -> None:
    main, value = Difference(KEY, (1,), StoredRow(), 0), Difference(("~most#shops@1#a#-", "x"), (1,), StoredRow(), 0)
    assert in_order([main, value]) == [value, main]
