"""Laws of rows that are carried: what several batches do, folded into one step, is what one batch would have done."""

import itertools
from copy import replace
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, Pipeline, count, field, largest, total
from tailrace.aggregation.carried.rows import decode_rows, encode_rows, folded, merged
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.row_changes import PartlyAbsorbed, RowChange
from tailrace.errors import InvalidMessage
from tailrace.testing import history
from tests import strategies
from tests.pipelines.measured import pipeline

if TYPE_CHECKING:
    from tailrace.encoding.json_types import Item

writes = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3"]), st.one_of(st.none(), strategies.orders)),
    min_size=1,
    max_size=12,
)


def rows_of(records: list[dict[str, Any]]) -> list[RowChange]:
    """Fold records as the stage does."""
    found = fold_records(records, pipeline)
    return [*found.rows, *found.group_list_changes]


def carried(parts: list[list[dict[str, Any]]]) -> list[RowChange]:
    """Carry the rows of several batches, through the state after each."""
    rows: list[RowChange] = []
    for part in parts:
        rows = decode_rows(encode_rows([folded(row) for row in merged(rows, rows_of(part))]), pipeline)
    return rows


def by_key(rows: list[RowChange]) -> dict[Any, RowChange]:
    """Return rows by their keys; lists in labels come back as lists."""
    return {row.key: _with_lists(row) for row in rows}


def _with_lists(row: RowChange) -> RowChange:
    labels = tuple(list(label) if isinstance(label, tuple) else label for label in row.labels)
    return replace(row, labels=labels, value_changes=by_key(list(row.value_changes.values())))


@given(writes, st.lists(st.integers(0, 12), max_size=4))
def test_batches_carried_one_after_the_other_equal_one_batch(given_writes: list[Any], cuts: list[int]) -> None:
    records = history("orders", given_writes)
    edges = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]
    parts = [records[start:end] for start, end in itertools.pairwise(edges)]
    assert by_key(carried(parts)) == by_key([folded(row) for row in rows_of(records)])


@given(writes)
def test_decoded_rows_have_the_layouts_of_the_pipeline(given_writes: list[Any]) -> None:
    before = rows_of(history("orders", given_writes))
    after = by_key(carried([history("orders", given_writes)]))
    for row in before:
        assert after[row.key].layout is row.layout
        for key, value in row.value_changes.items():
            assert after[row.key].value_changes[key].layout is value.layout


@given(writes, st.integers(0, 40))
def test_a_carried_row_is_absorbed_as_a_whole_or_not_at_all(given_writes: list[Any], mark: int) -> None:
    for row in rows_of(history("orders", given_writes)):
        one = folded(row)
        assert (one.first, one.last, one.changes, one.deltas()) == (row.first, row.last, row.changes, row.deltas())
        if one.first <= mark < one.last:
            with pytest.raises(PartlyAbsorbed):
                one.after_mark(mark)
        else:
            assert [step[0] for step in one.after_mark(mark).steps] == [one.last] * (mark < one.first)


class Size(Decimal, Enum):
    """A number with a name, which is its text as well."""

    HALF = "0.5"


def sized(thing: dict[str, Any]) -> dict[str, Any]:
    """Give a thing without a size one with a name."""
    return {"size": Size.HALF} | thing


def test_values_of_every_type_come_back_as_they_were() -> None:
    things = Collection("things", schema={"type": "object"}, transform=sized)
    measures: Any = {"n": count(), "top": largest("size", 2, show=["made", "parts", "raw"]), "sizes": total("size")}
    all_things = Aggregate("all", of=things, by=[field("is"), field("made")], measures=measures)
    made_of = Pipeline(collections=[things], aggregates=[all_things])
    items: list[Item] = [
        {"is": True, "size": Decimal("2.5"), "made": '\ufffe "é#~', "parts": None, "raw": Decimal("1E-20")},
        {"is": False, "size": 10**30, "made": 12, "parts": True},
        {"is": True, "made": "named"},
    ]
    found = fold_records(history("things", [(str(number), item) for number, item in enumerate(items)]), made_of)
    rows = [folded(row) for row in [*found.rows, *found.group_list_changes]]
    assert len(rows) == 5
    assert by_key(decode_rows(encode_rows(rows), made_of)) == by_key(rows)


@pytest.mark.parametrize("text", ["", "no base64", "AAAA", encode_rows([])[:-4]])
def test_something_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessage):
        decode_rows(text, pipeline)


def test_rows_of_an_aggregate_that_is_gone_are_refused() -> None:
    rows = [
        folded(row) for row in rows_of(history("orders", [("1", {"shop": "a", "placed": "2024-10-28", "amount": 1})]))
    ]
    assert rows
    other = Pipeline(collections=[Collection("things", schema={"type": "object"})], aggregates=[])
    with pytest.raises(InvalidMessage):
        decode_rows(encode_rows(rows), other)


@pytest.mark.parametrize("amounts", [(10**20, Decimal("1E-15")), (Decimal("1E20"), Decimal("1E-15"), 0)])
def test_the_steps_of_a_row_have_an_exact_sum(amounts: tuple[Any, ...]) -> None:
    """Of more digits than Python calculates with by itself, as the threads that write rows do."""
    orders = Collection("orders", schema={})
    sums = Aggregate("sums", of=orders, by=[field("shop")], measures={"sum": total("amount")}, listed=False)
    writes = [(str(number), {"shop": "a", "amount": amount}) for number, amount in enumerate(amounts)]
    (row,) = fold_records(history("orders", writes), Pipeline([orders], [sums])).rows
    assert row.deltas() == (len(amounts), Decimal("100000000000000000000.000000000000001"))
