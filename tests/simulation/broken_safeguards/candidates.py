"""Safeguards of the candidates for the most frequent values, each broken in turn."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from tailrace.aggregation.row_changes import RowChange
from tailrace.aggregation.values.frequent_values import FrequentValues
from tailrace.aws.aggregates import order_measures, order_state
from tailrace.aws.aggregates.order_measures import OrderMeasures
from tailrace.aws.aggregates.outcomes import Outcome
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.encoding.keys import RowKey


def _bound_stays() -> AbstractContextManager[Any]:
    """Push candidates out without raising the bound."""
    cut = FrequentValues.cut
    return patch.object(FrequentValues, "cut", lambda self, size: replace(cut(self, size), bound=self.bound))


def _no_bound() -> AbstractContextManager[Any]:
    """Take all value rows that were read for all candidates that there are."""
    of = FrequentValues.of
    return patch.object(FrequentValues, "of", lambda counts, shown: replace(of(counts, shown), bound=None))


def _none_is_dropped() -> AbstractContextManager[Any]:
    """Keep a candidate that others may surpass by now."""
    merged = FrequentValues.merged

    def careless(self: FrequentValues, seen: Iterable[ValueCount], shown: int) -> FrequentValues:
        return replace(merged(replace(self, bound=None), seen, shown), bound=self.bound)

    return patch.object(FrequentValues, "merged", careless)


def _known_values_only() -> AbstractContextManager[Any]:
    """Let no value become a candidate."""
    merged = FrequentValues.merged

    def careless(self: FrequentValues, seen: Iterable[ValueCount], shown: int) -> FrequentValues:
        known = {value for _, _, value in self.candidates}
        return merged(self, [one for one in seen if one.labels[0] in known], shown)

    return patch.object(FrequentValues, "merged", careless)


@contextmanager
def _values_read_first() -> Iterator[None]:
    """Read value rows before what their main row says of them."""
    prepare, read = OrderMeasures.prepare, OrderMeasures._read

    def careless(
        self: OrderMeasures, rows: Sequence[RowChange], failed: Container[RowKey], *, expire_empty: bool
    ) -> list[Outcome]:
        values = [value for row in rows for value in row.value_changes.values() if value.key not in failed]
        outcomes = read(self, values) if values else []
        with patch.object(OrderMeasures, "_read", lambda _self, _values: []):
            return outcomes + prepare(self, rows, failed, expire_empty=expire_empty)

    with patch.object(OrderMeasures, "prepare", careless):
        yield


BROKEN_CANDIDATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "a candidate that is pushed out does not raise the bound": _bound_stays,
    "value rows that are read say nothing of the others": _no_bound,
    "a candidate that others surpass is not dropped": _none_is_dropped,
    "no value becomes a candidate": _known_values_only,
    "candidates that are used up are not read again": lambda: patch.object(
        FrequentValues, "is_short", lambda *_arguments: False
    ),
    "candidates of another version count": lambda: patch.object(order_state, "_is_current", lambda _row: True),
    "value rows are read before their main row": _values_read_first,
    "a process knows rows that are gone": lambda: patch.object(order_measures, "_KNOWN_FOR", timedelta(days=999)),
}
