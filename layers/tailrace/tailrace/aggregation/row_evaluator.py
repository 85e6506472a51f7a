"""The evaluation of images: what each adds to one row of each of several aggregates.

An image is an item, or an item as one of its elements sees it. A :class:`RowEvaluator` is built once, so that each
image costs little: it evaluates every predicate once and reads every field once, however many measures use them, and
builds a row's key once per set of group values.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

from tailrace.aggregation.contributions import Amount, Deltas, RowRef, RowRefs, row_ref_for
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.fields.paths import FieldPath, field_path
from tailrace.definition.measures.linear import Column, Predicate
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import Number

_MAX_CACHED_ROWS = 50_000


class RowEvaluator:
    """Evaluates the contributions of images; built once from the aggregates.

    Attributes:
        aggregates: the aggregates, in the order of the results.
    """

    def __init__(self, aggregates: Sequence[Aggregate]) -> None:
        self.aggregates = tuple(aggregates)
        columns = list(
            dict.fromkeys(column for aggregate in aggregates for _, m in aggregate.linear for column in m.columns)
        )
        values = list(dict.fromkeys(kind.values for aggregate in aggregates for kind in aggregate.value_rows))
        self._columns = [(where, _by_path(found)) for where, found in _by_predicate(columns)]
        self._values = [one for one in values if one.node is None]
        self._nodes = [(one, self._values.index(replace(one, node=None))) for one in values if one.node is not None]
        values = [*self._values, *(one for one, _ in self._nodes)]
        ordered = [column for _, by_path in self._columns for _, found in by_path for column in found]
        position = {column: index for index, column in enumerate(ordered, 1)}
        self._parts = [
            (
                aggregate.where,
                _select([position[column] for _, m in aggregate.linear for column in m.columns]),
                [values.index(kind.values) for kind in aggregate.value_rows],
            )
            for aggregate in self.aggregates
        ]
        self._row_ref_caches = [_RowRefCache(aggregate) for aggregate in self.aggregates]

    def contributions(self, item: Item) -> tuple[RowRefs, Sequence[Amount | None]]:
        """Return the contribution of an image to each aggregate.

        Raises:
            Exception: whatever a predicate, measure or group raises, even if it concerns one aggregate only.
        """
        amounts = self.amounts(item)
        pairs = zip(amounts, self._row_ref_caches, strict=True)
        return [None if amount is None else row_refs.find(item) for amount, row_refs in pairs], amounts

    def amounts(self, item: Item) -> tuple[Amount | None, ...]:
        """Return what an item adds to each aggregate, in whichever row; None if the aggregate's ``where`` is false.

        Raises:
            Exception: whatever a predicate or measure raises, even if it concerns one aggregate only.
        """
        numbers = self._numbers(item)
        entries = [values.entry(item) for values in self._values]
        for nodes, position in self._nodes:
            value = entries[position]
            entries.append(None if value is None else nodes.node_of(value))
        found: list[Amount | None] = []
        for where, select, kinds in self._parts:
            if where is not None and not where(item):
                found.append(None)
            else:
                found.append(Amount(select(numbers), tuple([entries[kind] for kind in kinds]) if kinds else ()))
        return tuple(found)

    def _numbers(self, item: Item) -> list[Number]:
        """Return 1, followed by the item's number for each column."""
        numbers: list[Number] = [1]
        for where, by_path in self._columns:
            counts = where is None or where(item)
            for path, columns in by_path:
                if not counts:
                    numbers += [0] * len(columns)
                elif path is None:
                    numbers += [1] * len(columns)
                else:
                    value = path.read(item)
                    numbers += [0 if value is None else column.number_of(value) for column in columns]
        return numbers


def _group_values(paths: Sequence[FieldPath]) -> Callable[[Item], Any]:
    """Return a function that reads several fields of an image; it may raise KeyError if one is missing."""
    names = [path.steps[0] for path in paths if len(path.steps) == 1]
    if names and len(names) == len(paths):
        return itemgetter(*names)
    readers = [path.read for path in paths]
    return lambda item: tuple([read(item) for read in readers])


def _select(positions: Sequence[int]) -> Callable[[list[Number]], Deltas]:
    """Return a function that picks the leading 1 and the numbers at these positions from a list."""
    return itemgetter(0, *positions) if positions else lambda _numbers: (1,)


def _by_predicate(columns: Sequence[Column]) -> list[tuple[Predicate | None, list[Column]]]:
    by_predicate: dict[Predicate | None, list[Column]] = {}
    for column in columns:
        by_predicate.setdefault(column.where, []).append(column)
    return list(by_predicate.items())


def _by_path(columns: Sequence[Column]) -> list[tuple[FieldPath | None, list[Column]]]:
    by_path: dict[FieldPath | None, list[Column]] = {}
    for column in columns:
        by_path.setdefault(column.path, []).append(column)
    return list(by_path.items())


class _RowRefCache:
    """A cache of an aggregate's rows, by the values of the group fields if all of them are texts, as most are.

    Other values may be equal and still be different groups, such as ``1`` and ``true``.
    """

    def __init__(self, aggregate: Aggregate) -> None:
        self._aggregate = aggregate
        self._values = _group_values([field_path(group.source) for group in aggregate.by])
        self._known: dict[Any, RowRef] = {}

    def find(self, item: Item) -> RowRef | None:
        try:
            values = self._values(item)
        except KeyError:
            return row_ref_for(item, self._aggregate)
        row_ref = self._known.get(values)
        if row_ref is None:
            row_ref = row_ref_for(item, self._aggregate)
            if row_ref is not None and {str}.issuperset(map(type, values if isinstance(values, tuple) else [values])):
                if len(self._known) >= _MAX_CACHED_ROWS:
                    self._known.clear()
                self._known[values] = row_ref
        return row_ref
