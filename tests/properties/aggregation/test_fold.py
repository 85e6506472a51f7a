"""Laws of the fold."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, Pipeline, count, day, days, field, hour, minute, month, week
from tailrace.aggregation.contributions import contribution
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.row_changes import FoldResult
from tailrace.errors import InvalidItem
from tailrace.testing import history
from tests import strategies
from tests.pipelines.orders import pipeline

type Rows = dict[tuple[str, str], tuple[Any, ...]]

writes = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3"]), st.one_of(st.none(), strategies.orders)),
    max_size=12,
)


def folded(records: list[dict[str, Any]]) -> FoldResult:
    return fold_records(records, pipeline)


def merged(*parts: FoldResult) -> Rows:
    """Add up the deltas of several batches, row by row, without rows whose sums are all zero."""
    rows: defaultdict[tuple[str, str], tuple[Any, ...]] = defaultdict(tuple)
    for part in parts:
        for row in part.rows:
            deltas = row.deltas()
            before = rows[row.key] or (0,) * len(deltas)
            rows[row.key] = tuple(a + b for a, b in zip(before, deltas, strict=True))
    return {key: deltas for key, deltas in rows.items() if any(deltas)}


def recomputed(items: list[dict[str, Any]]) -> Rows:
    """Count the items that exist at the end, without their history."""
    rows: defaultdict[tuple[str, str], tuple[Any, ...]] = defaultdict(tuple)
    for item in items:
        try:
            prepared = pipeline.collection("orders").prepare(item)
        except InvalidItem:
            continue
        for aggregate in pipeline.aggregates:
            part = contribution(prepared, aggregate) if aggregate.of.name == "orders" else None
            if part is not None:
                before = rows[part.row_ref.key] or (0,) * len(part.deltas)
                rows[part.row_ref.key] = tuple(a + b for a, b in zip(before, part.deltas, strict=True))
    return dict(rows)


@given(writes)
def test_the_fold_of_a_history_equals_a_recount_of_the_final_items(history_of_writes: list[Any]) -> None:
    table = {}
    for item_id, item in history_of_writes:
        table[item_id] = item
    final_items = [item for item in table.values() if item is not None]
    assert merged(folded(history("orders", history_of_writes))) == recomputed(final_items)


@given(writes, st.integers(0, 12))
def test_merged_folds_equal_the_fold_of_the_whole(history_of_writes: list[Any], cut: int) -> None:
    records = history("orders", history_of_writes)
    assert merged(folded(records[:cut]), folded(records[cut:])) == merged(folded(records))


@given(writes)
def test_deleting_everything_undoes_every_addition(history_of_writes: list[Any]) -> None:
    cleared = history_of_writes + [(item_id, None) for item_id in ("1", "2", "3")]
    assert merged(folded(history("orders", cleared))) == {}


@given(writes, st.integers(0, 13))
def test_the_part_after_a_mark_equals_the_fold_of_the_remaining_records(
    history_of_writes: list[Any], mark: int
) -> None:
    records = history("orders", history_of_writes)
    rest = merged(folded(records[mark:]))
    above = [row.after_mark(mark) for row in folded(records).rows]
    assert merged(FoldResult([row for row in above if row.steps], [])) == rest


@given(writes)
def test_every_step_changes_something(history_of_writes: list[Any]) -> None:
    for row in folded(history("orders", history_of_writes)).rows:
        below = {number for value in row.value_changes.values() for number, _ in value.steps}
        assert all(any(deltas) or number in below for number, deltas in row.steps)
        assert all(any(deltas) for value in row.value_changes.values() for _, deltas in value.steps)


@pytest.mark.parametrize("unit", [minute, hour, day, week, month])
@pytest.mark.parametrize("tz", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_times_at_either_end_of_the_calendar_do_not_affect_other_items(unit: Any, tz: str) -> None:
    things = Collection("things", schema={})
    kept = Aggregate("n", of=things, by=[field("shop"), unit("at", tz=tz)], measures={"n": count()}, keep=days(400))
    ends = ["9999-12-31T23:59", "9999-12-31T23:59Z", "9999-11-30T00:00", "0001-01-01T00:00", "0001-01-01T00:00Z"]
    writes = [(time, {"shop": time, "at": time}) for time in (*ends, "2024-10-27T00:30")]
    folded = fold_records(history("things", writes), Pipeline([things], [kept]))
    expiry = {row.labels[0]: row.expires_at for row in folded.rows}
    assert expiry.pop("2024-10-27T00:30") == folded.rows[-1].expires_at
    assert all(at is None if shop.startswith("9") else at is not None and at <= 0 for shop, at in expiry.items())
