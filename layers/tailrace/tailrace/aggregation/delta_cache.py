"""The delta cache: what a change does to the aggregates of a collection, cached by the few fields it depends on.

The group fields determine which row an item counts in; the fields of measures and predicates determine what it adds.
Items that agree in these fields count alike, so each case is computed once, by the reference path
(:class:`tailrace.aggregation.evaluator.Evaluator`), and reused. Anything unusual is left to the reference path:
:meth:`DeltaCache.add` then returns False without adding anything.
"""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from tailrace.aggregation.cache_keys import CacheKey, FieldValues, cache_key_function
from tailrace.aggregation.contributions import (
    Amount,
    Contribution,
    RowDelta,
    RowRef,
    delta_between,
    row_deltas,
    row_ref_for,
)
from tailrace.aggregation.evaluator import Evaluator
from tailrace.aggregation.field_usage import predicate_fields
from tailrace.aggregation.row_changes import RowAccumulator
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.groups.group import FieldGroup
from tailrace.encoding.dynamodb import ENGINE_ATTRIBUTES
from tailrace.encoding.json_types import Item

_MAX_ENTRIES = 20_000
_MAX_KEY_CHARACTERS = 20_000_000
"""Bounds of each cache: its entries, and the characters of all its keys. Most keys have a few dozen characters, but a
predicate may read a long text field. The size is estimated from every 64th key, which costs next to nothing."""
_SIZE_CHECK_INTERVAL = 64


class _AggregateCache:
    """The cached rows of one aggregate, by the values of its groups."""

    def __init__(self, aggregate: Aggregate, positions: list[int]) -> None:
        self.aggregate = aggregate
        self.key_of: Callable[[FieldValues], Any] = itemgetter(*positions) if positions else lambda _values: ()
        self.row_refs: dict[Any, RowRef] = {}

    def row_ref(self, values: FieldValues, item: Item) -> RowRef | None:
        """Return the row that an item is counted in; None if it is in no row.

        Raises:
            InvalidItem: as :func:`row_ref_for`.
        """
        at = self.key_of(values)
        row_ref = self.row_refs.get(at)
        if row_ref is None:
            row_ref = row_ref_for(item, self.aggregate)
            if row_ref is not None:
                _store(self.row_refs, at, row_ref)
        return row_ref


type _DeltaKey = tuple[FieldValues | None, FieldValues | None]
"""The non-group parts of the cache keys of the old and the new item; None for an absent item."""

type _Steps = list[tuple[Aggregate, RowRef | None, RowDelta]]


class DeltaCache:
    """Adds the changes of one collection's items to rows; built once per collection by :func:`delta_cache_for`."""

    def __init__(self, evaluator: Evaluator, groups: tuple[str, ...], others: Iterable[str]) -> None:
        self._evaluator = evaluator
        self._cache_key = cache_key_function(groups, others)
        by = [group for aggregate in evaluator.aggregates for group in aggregate.by]
        # rows are cached by bucket label, not by time: nearly every item has its own time, but many share an hour
        self._times: list[tuple[int, list[BucketGroup], dict[Any, FieldValues]]] = []
        position: dict[Any, int] = {group: groups.index(group.source) for group in by}
        labels = len(groups)
        for number, name in enumerate(groups):
            time_groups = list(
                dict.fromkeys(group for group in by if isinstance(group, BucketGroup) and group.source == name)
            )
            if time_groups:
                self._times.append((number, time_groups, {}))
                position |= {bucket: labels + index for index, bucket in enumerate(time_groups)}
                labels += len(time_groups)
        self._parts = [
            _AggregateCache(aggregate, [position[group] for group in aggregate.by])
            for aggregate in evaluator.aggregates
        ]
        self._amounts: dict[FieldValues, tuple[Amount | None, ...]] = {}
        self._deltas: dict[_DeltaKey, list[tuple[_AggregateCache, RowDelta]]] = {}

    def add(self, rows: RowAccumulator, sequence: int, old: Item | None, new: Item | None) -> bool:
        """Add a change to the rows; return False, with nothing added, if the reference path must handle it."""
        try:
            steps = self._steps(old, new)
        except Exception:  # noqa: BLE001 - a predicate may raise anything; the reference path reports the error
            return False
        for aggregate, row_ref, delta in steps:
            if row_ref is not None:
                rows.add_delta(aggregate, row_ref, sequence, delta)
        return True

    def can_count(self, item: Item) -> bool:
        """Tell whether every aggregate can count an item; False also if only the reference path can tell."""
        try:
            groups, others = self._cache_key(item)
            amounts = self._amounts_of(item, others)
            values = self._with_labels(groups, item)
            for part, amount in zip(self._parts, amounts, strict=True):
                if amount is not None and part.key_of(values) not in part.row_refs:
                    part.row_ref(values, item)
        except Exception:  # noqa: BLE001 - a predicate may raise anything
            return False
        return True

    def _steps(self, old: Item | None, new: Item | None) -> _Steps:
        before, after = None if old is None else self._cache_key(old), None if new is None else self._cache_key(new)
        item, now = (old, before) if after is None else (new, after)
        if item is None or now is None:
            return []
        groups = now[0]
        if old is not None and before is not None and before[0] != groups:
            return self._between_groups(self._contributions(old, before), self._contributions(item, now))
        case = before and before[1], after and after[1]
        deltas = self._deltas.get(case)
        if deltas is None:
            deltas = self._compute_deltas(case, old, new)
        if not deltas:
            return []
        values = self._with_labels(groups, item)
        return [
            (part.aggregate, part.row_refs.get(part.key_of(values)) or part.row_ref(values, item), delta)
            for part, delta in deltas
        ]

    def _between_groups(self, old: list[Contribution | None], new: list[Contribution | None]) -> _Steps:
        """Return the steps of an item whose group fields changed."""
        return [
            (part.aggregate, row_ref, delta)
            for part, before, after in zip(self._parts, old, new, strict=True)
            for row_ref, delta in row_deltas(before, after)
        ]

    def _with_labels(self, groups: FieldValues, item: Item) -> FieldValues:
        for position, time_groups, known in self._times:
            time = groups[position]
            labels = known.get(time)
            if labels is None:
                labels = tuple([bucket.value(item) for bucket in time_groups])
                _store(known, time, labels)
            groups += labels
        return groups

    def _compute_deltas(
        self, case: _DeltaKey, old: Item | None, new: Item | None
    ) -> list[tuple[_AggregateCache, RowDelta]]:
        """Return the non-empty deltas, by aggregate, of an item that stays in its groups."""
        all_deltas = map(delta_between, self._amounts_of(old, case[0]), self._amounts_of(new, case[1]))
        deltas = [(part, delta) for part, delta in zip(self._parts, all_deltas, strict=True) if delta is not None]
        _store(self._deltas, case, deltas)
        return deltas

    def _amounts_of(self, item: Item | None, values: FieldValues | None) -> tuple[Amount | None, ...]:
        if item is None or values is None:
            return (None,) * len(self._parts)
        amounts = self._amounts.get(values)
        if amounts is None:
            amounts = self._evaluator.amounts(item)
            _store(self._amounts, values, amounts)
        return amounts

    def _contributions(self, item: Item, key: CacheKey) -> list[Contribution | None]:
        values = self._with_labels(key[0], item)
        found: list[Contribution | None] = []
        for part, amount in zip(self._parts, self._amounts_of(item, key[1]), strict=True):
            row_ref = None if amount is None else part.row_ref(values, item)
            found.append(None if amount is None or row_ref is None else Contribution(row_ref, *amount))
        return found


def _store[K, V](cache: dict[K, V], key: K, value: V) -> None:
    """Store an entry, after clearing the cache if it has reached a bound."""
    size = len(cache)
    if size >= _MAX_ENTRIES or (not size % _SIZE_CHECK_INTERVAL and size * len(str(key)) > _MAX_KEY_CHARACTERS):
        cache.clear()
    cache[key] = value


def delta_cache_for(evaluator: Evaluator) -> DeltaCache | None:
    """Return the delta cache of a collection; None if the fields that a predicate reads are unknown."""
    aggregates = evaluator.aggregates
    by = [group for aggregate in aggregates for group in aggregate.by]
    if not all(isinstance(group, BucketGroup | FieldGroup) for group in by):
        return None
    columns = [column for aggregate in aggregates for _, measure in aggregate.linear for column in measure.columns]
    selections = [rows.values for aggregate in aggregates for rows in aggregate.value_rows]
    wheres = [one.where for one in aggregates] + [one.where for one in columns] + [one.where for one in selections]
    others: dict[str, None] = {}
    for where in wheres:
        fields = frozenset() if where is None else predicate_fields(where)
        if fields is None:
            return None
        others |= dict.fromkeys(sorted(fields))
    others |= dict.fromkeys(one.source for one in columns if one.source is not None)
    others |= dict.fromkeys(source for one in selections for source in one.sources)
    groups = tuple(dict.fromkeys(group.source for group in by))
    if not aggregates or not {*groups, *others}.isdisjoint(ENGINE_ATTRIBUTES):
        return None
    return DeltaCache(evaluator, groups, others)
