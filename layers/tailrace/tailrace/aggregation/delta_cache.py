"""What a change does to the aggregates of its collection, found again by the little of the item that it depends on.

Where an item is counted depends on the fields of the groups alone, and what it adds on the fields of measures and
predicates. Items that agree in these do the same; so each such case is worked out once, by the plain words of the
definition, and then kept. Whatever is unusual is left to the plain words: :meth:`DeltaCache.add` then says no, and has
done nothing.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from tailrace.aggregation.cache_keys import CacheKey, FieldValues, ImageKeys, ItemKeys, ItemVersion
from tailrace.aggregation.contributions import (
    Amount,
    Contribution,
    Evaluator,
    RowDelta,
    RowRef,
    delta_between,
    row_deltas,
    row_ref_for,
)
from tailrace.aggregation.field_usage import predicate_fields
from tailrace.aggregation.row_changes import RowAccumulator
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups import BucketGroup, FieldGroup
from tailrace.encoding.dynamodb import ENGINE_ATTRIBUTES

_MAX_ENTRIES = 20_000
_MAX_KEY_CHARACTERS = 20_000_000
"""Answers of each kind, and about how much their questions may say: most have a few dozen characters, but a predicate
may read a field of pages. One in so many is looked at, which costs nothing."""
_SIZE_CHECK_INTERVAL = 64


class _AggregateCache:
    """One aggregate: finds the place of an item by what it says in the groups' fields."""

    def __init__(self, aggregate: Aggregate, positions: list[int], reader: ImageKeys | ItemKeys) -> None:
        self.aggregate = aggregate
        self.key_of = itemgetter(*positions)
        self.row_refs: dict[Any, RowRef] = {}
        self._reader = reader

    def row_ref(self, values: FieldValues, version: ItemVersion) -> RowRef | None:
        """Return the place; None where the item is in no row.

        Raises:
            InvalidItem: a group cannot take the item.
        """
        at = self.key_of(values)
        row_ref = self.row_refs.get(at)
        if row_ref is None:
            row_ref = row_ref_for(self._reader.item(version), self.aggregate)
            if row_ref is not None:
                _store(self.row_refs, at, row_ref)
        return row_ref


type _DeltaKey = tuple[FieldValues | None, FieldValues | None]
"""What the old and the new version say in the fields that are no groups; None where there is no such version."""

type _Steps = list[tuple[Aggregate, RowRef | None, RowDelta]]


class DeltaCache:
    """Adds the changes of one collection's items to rows; made once, by :func:`delta_cache_for`.

    Attributes:
        reads_images: whether it takes the versions of an item as the stream's images; it takes items otherwise.
        keeps_expired: whether the end of an item's time takes it out of nothing, which is for the caller to see.
    """

    def __init__(self, evaluator: Evaluator, groups: tuple[str, ...], others: Mapping[str, str]) -> None:
        self.reads_images = evaluator.collection.accepts_any_item
        self.keeps_expired = evaluator.collection.on_expiry == "keep"
        self._evaluator = evaluator
        self._reader = ImageKeys(groups, others) if self.reads_images else ItemKeys(groups, others)
        by = [group for aggregate in evaluator.aggregates for group in aggregate.by]
        # after the groups' fields stand the buckets' labels: a time is nearly the item's own, its hour is not
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
            _AggregateCache(aggregate, [position[group] for group in aggregate.by], self._reader)
            for aggregate in evaluator.aggregates
        ]
        self._amounts: dict[FieldValues, tuple[Amount | None, ...]] = {}
        self._deltas: dict[_DeltaKey, list[tuple[_AggregateCache, RowDelta]]] = {}

    def add(self, rows: RowAccumulator, sequence: int, old: ItemVersion | None, new: ItemVersion | None) -> bool:
        """Add what a change does; return False, with nothing added, where the plain words have to be asked."""
        for key_function in self._reader.key_functions:
            try:
                steps = self._steps(key_function, old, new)
            except Exception:  # noqa: BLE001, S112 - a predicate may raise anything; the plain words tell what it means
                continue
            for aggregate, row_ref, delta in steps:
                if row_ref is not None:
                    rows.add_delta(aggregate, row_ref, sequence, delta)
            return True
        return False

    def _steps(
        self, key_function: Callable[[ItemVersion], CacheKey], old: ItemVersion | None, new: ItemVersion | None
    ) -> _Steps:
        before, after = None if old is None else key_function(old), None if new is None else key_function(new)
        version, now = (old, before) if after is None else (new, after)
        if version is None or now is None:
            return []
        groups = now[0]
        if old is not None and before is not None and before[0] != groups:
            return self._between_groups(self._contributions(old, before), self._contributions(version, now))
        case = before and before[1], after and after[1]
        deltas = self._deltas.get(case)
        if deltas is None:
            deltas = self._compute_deltas(case, old, new)
        if not deltas:
            return []
        values = self._with_labels(groups, version)
        return [
            (part.aggregate, part.row_refs.get(part.key_of(values)) or part.row_ref(values, version), delta)
            for part, delta in deltas
        ]

    def _between_groups(self, old: list[Contribution | None], new: list[Contribution | None]) -> _Steps:
        """Return the steps of an item that has moved to other groups of some aggregate."""
        return [
            (part.aggregate, row_ref, delta)
            for part, before, after in zip(self._parts, old, new, strict=True)
            for row_ref, delta in row_deltas(before, after)
        ]

    def _with_labels(self, groups: FieldValues, version: ItemVersion) -> FieldValues:
        for position, time_groups, known in self._times:
            time = groups[position]
            labels = known.get(time)
            if labels is None:
                item = self._reader.item(version)
                labels = tuple([bucket.value(item) for bucket in time_groups])
                _store(known, time, labels)
            groups += labels
        return groups

    def _compute_deltas(
        self, case: _DeltaKey, old: ItemVersion | None, new: ItemVersion | None
    ) -> list[tuple[_AggregateCache, RowDelta]]:
        """Return what a change does to each aggregate, for an item that stays in its groups."""
        all_deltas = map(delta_between, self._amounts_of(old, case[0]), self._amounts_of(new, case[1]))
        deltas = [(part, delta) for part, delta in zip(self._parts, all_deltas, strict=True) if delta is not None]
        _store(self._deltas, case, deltas)
        return deltas

    def _amounts_of(self, version: ItemVersion | None, texts: FieldValues | None) -> tuple[Amount | None, ...]:
        if version is None or texts is None:
            return (None,) * len(self._parts)
        amounts = self._amounts.get(texts)
        if amounts is None:
            amounts = self._evaluator.amounts(self._reader.item(version))
            _store(self._amounts, texts, amounts)
        return amounts

    def _contributions(self, version: ItemVersion, key: CacheKey) -> list[Contribution | None]:
        values = self._with_labels(key[0], version)
        found: list[Contribution | None] = []
        for part, amount in zip(self._parts, self._amounts_of(version, key[1]), strict=True):
            row_ref = None if amount is None else part.row_ref(values, version)
            found.append(None if amount is None or row_ref is None else Contribution(row_ref, *amount))
        return found


def _store[K, V](cache: dict[K, V], key: K, value: V) -> None:
    """Keep an answer; where there are too many, or they take too much, begin anew."""
    size = len(cache)
    if size >= _MAX_ENTRIES or (not size % _SIZE_CHECK_INTERVAL and size * len(str(key)) > _MAX_KEY_CHARACTERS):
        cache.clear()
    cache[key] = value


def delta_cache_for(evaluator: Evaluator) -> DeltaCache | None:
    """Return the shortcut for a collection; None where it cannot be seen what some predicate depends on."""
    aggregates = evaluator.aggregates
    by = [group for aggregate in aggregates for group in aggregate.by]
    if not all(isinstance(group, BucketGroup | FieldGroup) for group in by):
        return None
    columns = [column for aggregate in aggregates for _, measure in aggregate.linear for column in measure.columns]
    selections = [rows.values for aggregate in aggregates for rows in aggregate.value_rows]
    predicates = (
        [aggregate.where for aggregate in aggregates]
        + [source.where for source in columns]
        + [source.where for source in selections]
    )
    key_function = [predicate_fields(predicate) for predicate in predicates if predicate is not None]
    others: dict[str, str] = {}
    for fields in key_function:
        if fields is None:
            return None
        others |= dict.fromkeys(sorted(fields), "S")
    others |= {values.at: "S" for values in selections if values.at is not None}
    sources = [column.source for column in columns] + [values.source for values in selections]
    others |= dict.fromkeys([source for source in sources if source is not None], "N")
    groups = tuple(dict.fromkeys(group.source for group in by))
    if not aggregates or not {*groups, *others}.isdisjoint(ENGINE_ATTRIBUTES):
        return None
    return DeltaCache(evaluator, groups, others)
