"""Quantiles are found through nodes as they are in the list of all values."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import quantile
from tailrace.aggregation.values import ranks
from tailrace.aggregation.values.ranks import NoSuchValue, Rows, counts_at_ranks
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.value_rows import ValueCount, ValueEntry

NUMBERS = st.one_of(
    st.integers(-130, 130),
    st.decimals(-20, 20, places=3).map(Decimal.normalize),
    st.sampled_from([10**37, Decimal("1E-130"), Decimal("-9.99E+125"), Decimal("1.2345678901234567")]),
)
VALUES = st.one_of(NUMBERS, st.booleans(), st.text(st.sampled_from("aé\U0010ffff\0 "), max_size=9))
FRACTIONS = st.lists(st.sampled_from(["0", "0.01", "0.5", "0.9", "0.999", "1"]), min_size=1, max_size=3, unique=True)


class Table:
    """The value rows and nodes of one row, which counts what is read."""

    def __init__(self, measure: OrderMeasure, levels: Sequence[Sequence[Any]]) -> None:
        self.values = measure.values
        self.read = 0
        nodes = [*self.values.node_lengths, None]
        self.levels = [self._rows(length, values) for length, values in zip(nodes, levels, strict=True)]

    def _rows(self, length: int | None, values: Sequence[Any]) -> list[tuple[ValueEntry, int]]:
        found: Counter[ValueEntry] = Counter()
        for value in values:
            entry = self.values.entry({"x": value})
            assert entry is not None
            key = entry.sort_key[:length]
            found[entry if length is None else ValueEntry(key, (key,))] += 1
        return sorted(found.items(), key=lambda pair: pair[0].sort_key.encode())

    def counts(self, rows: Rows) -> Iterator[ValueCount]:
        for entry, items in reversed(self.levels[rows.level]) if rows.backward else self.levels[rows.level]:
            if entry.sort_key == rows.key if rows.is_whole else entry.sort_key.startswith(rows.key):
                self.read += 1
                yield ValueCount(entry.labels, items)


def measures_of(fractions: Sequence[str], error: str | None = None) -> list[OrderMeasure]:
    return [quantile("x", fraction, error=error) for fraction in fractions]


def found(table: Table, measures: Sequence[OrderMeasure]) -> list[ValueCount]:
    lengths = measures[0].values.node_lengths
    return counts_at_ranks([measure.fraction for measure in measures], lengths, table.counts)


@given(st.lists(VALUES, max_size=60), FRACTIONS, st.sampled_from([0, 1, 3, 100]))
def test_nodes_lead_to_the_same_quantiles_as_all_values(values: list[Any], fractions: list[str], few: int) -> None:
    measures = measures_of(fractions)
    table = Table(measures[0], [values, values, values])
    everything = list(table.counts(Rows(2)))
    with patch.object(ranks, "_FEW_ITEMS", few):
        some = found(table, measures)
    assert sum(count.items for count in some) == len(values)
    for measure in measures:
        assert measure.state("q", some) == measure.state("q", everything)


@pytest.mark.parametrize("few", [0, 100])
def test_a_fraction_of_28_digits_leads_to_the_same_quantile(few: int) -> None:
    measure = quantile("x", Decimal(2) / 3)  # a little more, so of three values it is the third
    values = [1, 20, 21]
    with patch.object(ranks, "_FEW_ITEMS", few):
        some = found(Table(measure, [values, values, values]), [measure])
    assert measure.state("q", some) == {"q": 21}


@given(st.lists(NUMBERS, max_size=60), FRACTIONS)
def test_rounded_values_have_one_level_of_nodes(values: list[Any], fractions: list[str]) -> None:
    measures = measures_of(fractions, error="0.01")
    table = Table(measures[0], [values, values])
    some = found(table, measures)
    for measure in measures:
        assert measure.state("q", some) == measure.state("q", list(table.counts(Rows(1))))


@given(st.lists(st.lists(NUMBERS, max_size=30), min_size=3, max_size=3), FRACTIONS)
def test_levels_that_contradict_each_other_lead_to_some_value_or_are_refused(
    levels: list[list[Any]], fractions: list[str]
) -> None:
    measures = measures_of(fractions)
    table = Table(measures[0], levels)
    try:
        with patch.object(ranks, "_FEW_ITEMS", 1):
            some = found(table, measures)
    except NoSuchValue:
        return
    assert all(count.items >= 0 for count in some)
    for measure in measures:
        state = measure.state("q", some)
        assert state == {} if not levels[0] else state["q"] is not None


@pytest.mark.parametrize(("size", "most"), [(100, 30), (10_000, 120), (100_000, 120)])
def test_what_is_read_hardly_depends_on_how_many_values_there_are(size: int, most: int) -> None:
    measures = measures_of(["0.5", "0.95"])
    values = [Decimal(number) / 100 for number in range(size)]
    table = Table(measures[0], [values, values, values])
    some = found(table, measures)
    assert measures[0].state("q", some) == {"q": values[size // 2 - 1]}
    assert measures[1].state("q", some) == {"q": values[size * 95 // 100 - 1]}
    assert table.read < most
