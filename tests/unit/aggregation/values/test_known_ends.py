"""Ends of value rows: where reading begins, and when the main row already says what is there."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, first, largest, last, maximum, minimum, smallest
from tailrace.aggregation.values.known_ends import start_key
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.encoding.dynamodb import decode_value, encode_value

MEASURES = [
    minimum("size"),
    maximum("size"),
    smallest("size", 3),
    largest("size", 2, show=["colour", "long"]),
    smallest("size", 2, show=["colour", "long"]),
    first("size", by="at"),
    last("size", by="at"),
    first("size", by_value="colour"),
    last("size", by_value="colour"),
]
orders = Collection("orders", schema={"type": "object"})

items = st.fixed_dictionaries(
    {
        "size": st.sampled_from([1, 2, 3, "a", True]),
        "at": st.integers(0, 3).map(lambda days: (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days)).isoformat()),
        "colour": st.sampled_from(["blue", "red", 7]),
    },
    optional={"long": st.sampled_from(["x" * 900 + "1", "x" * 900 + "2"])},
)
batches = st.lists(st.lists(st.tuples(items, st.booleans()), min_size=1, max_size=3), max_size=20)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda one: f"{one.kind} {one.values.labels[-1]}")
@given(changes=batches)
def test_what_is_read_from_the_start_is_the_end_of_all_values(
    measure: OrderMeasure, changes: list[list[tuple[dict[str, Any], bool]]]
) -> None:
    (kind,) = Aggregate("shops", of=orders, by=[], measures={"m": measure}).value_rows
    present: Counter[str] = Counter()
    labels: dict[str, tuple[Any, ...]] = {}
    row: dict[str, Any] = {}
    for batch in changes:
        touched = set()
        for item, is_new in batch:
            entry = measure.values.entry(item)
            assert entry is not None
            assert measure.values.sort_key(_stored(entry.labels)) == entry.sort_key
            labels[entry.sort_key] = _stored(entry.labels)
            if is_new or present[entry.sort_key]:
                present[entry.sort_key] += 1 if is_new else -1
            touched.add(entry.sort_key)
        start = start_key(kind, measure.value_range, row, touched)
        keys = [key for key in sorted(present) if present[key]]
        expected = measure.state("m", [ValueCount(labels[key], present[key]) for key in keys])
        if start is None:
            assert {name: row[name] for name in measure.attributes("m")} == _row(expected)
        else:
            left = [key for key in keys if (key >= start if measure.value_range == "low" else key <= start)]
            assert measure.state("m", [ValueCount(labels[key], present[key]) for key in left]) == expected
        row = _row(expected)


def _stored(labels: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the labels as a value row has them."""
    return tuple(decode_value(encode_value(labels)))


def _row(state: dict[str, Any]) -> dict[str, Any]:
    return {name: decode_value(encode_value(value)) for name, value in state.items()}


def test_several_measures_of_one_end_are_read_as_far_as_the_longest() -> None:
    measures = {"least": minimum("size"), "three": smallest("size", 3)}
    (kind,) = Aggregate("shops", of=orders, by=[], measures=measures).value_rows
    shown = [{"value": value} for value in (1, 2, 2)]
    one, two, three, four = (kind.values.sort_key((value,)) for value in (1, 2, 3, 4))
    row = {"least": 1, "three": shown}
    assert start_key(kind, "low", row, [three, four]) is None
    assert start_key(kind, "low", row, [two, four]) == one
    assert start_key(kind, "low", {"least": 1, "three": shown[:2]}, [three]) == one  # there is room for another one
    assert start_key(kind, "low", {}, [three, two]) == two
