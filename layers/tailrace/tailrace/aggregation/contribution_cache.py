"""The contribution cache: what an image adds to its row of each aggregate, cached by the few fields it depends on.

The group fields determine which row an image counts in; the fields of measures and predicates determine what it adds.
Images that agree in these fields count alike, so each case is computed once, by the reference path
(:class:`tailrace.aggregation.row_evaluator.RowEvaluator`), and reused.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from tailrace.aggregation.cache_keys import FieldValues, cache_key_function
from tailrace.aggregation.contributions import Amount, RowRef, RowRefs, row_ref_for
from tailrace.aggregation.field_usage import predicate_fields
from tailrace.aggregation.row_evaluator import RowEvaluator
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.fields.paths import field_path
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.groups.group import FieldGroup
from tailrace.definition.measures.linear import SMALL_INTEGER
from tailrace.encoding.dynamodb import ENGINE_ATTRIBUTES
from tailrace.encoding.json_types import Item

_MAX_ENTRIES = 20_000
_MAX_KEY_CHARACTERS = 20_000_000
"""Bounds of each cache: its entries, and the characters of all its keys. Most keys have a few dozen characters, but a
predicate may read a long text field. The size is estimated from every 64th key, which costs next to nothing."""
_SIZE_CHECK_INTERVAL = 64

_FIRST_REPEATED_HASH = sys.hash_info.modulus
"""Integers below it differ in their hashes, but for -1 and -2. From there on, a sender could choose any number of them
with one hash, and each look-up would compare them all."""


class AggregateCache:
    """The cached rows of one aggregate, by the values of its groups."""

    def __init__(self, aggregate: Aggregate, positions: list[int]) -> None:
        self.aggregate = aggregate
        self.key_of: Callable[[FieldValues], Any] = itemgetter(*positions) if positions else lambda _values: ()
        self.row_refs: dict[Any, RowRef] = {}

    def row_ref(self, values: FieldValues, image: Item) -> RowRef | None:
        """Return the row that an image is counted in; None if it is in no row.

        Raises:
            InvalidItem: as :func:`row_ref_for`.
        """
        at = self.key_of(values)
        row_ref = self.row_refs.get(at)
        if row_ref is None:
            row_ref = row_ref_for(image, self.aggregate)
            if row_ref is not None:
                store(self.row_refs, at, row_ref)
        return row_ref


class ContributionCache:
    """Returns the contributions of images; built by :func:`cache_for`.

    An image whose fields cannot be part of a key, such as a list, raises TypeError.
    """

    def __init__(
        self, evaluator: RowEvaluator, groups: tuple[str, ...], others: Iterable[str], summed: frozenset[str]
    ) -> None:
        """Build a cache from the paths of the group fields, of the others, and of those that are only summed."""
        self._evaluator = evaluator
        self._cache_key = cache_key_function(groups, others)
        self._summed = tuple([field_path(source).read for source in others if source in summed])
        self._case_key = cache_key_function(groups, [source for source in others if source not in summed])
        self._countable: dict[FieldValues, bool] = {}
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
            AggregateCache(aggregate, [position[group] for group in aggregate.by]) for aggregate in evaluator.aggregates
        ]
        self._amounts: dict[FieldValues, tuple[Amount | None, ...]] = {}
        self._row_refs: dict[FieldValues, list[RowRef | None]] = {}

    def contributions(self, image: Item) -> tuple[RowRefs, Sequence[Amount | None]]:
        """Return the contribution of an image to each aggregate.

        Raises:
            TypeError: its fields cannot be part of a cache key.
            Exception: whatever a predicate, measure or group raises.
        """
        groups, others = self._cache_key(image)
        amounts = self._amounts.get(others)
        if amounts is None:
            amounts = self._evaluator.amounts(image)
            store(self._amounts, others, amounts)
        row_refs = self._row_refs.get(groups)
        if row_refs is None:
            row_refs = self._find_row_refs(image, groups, amounts)
        return row_refs, amounts

    def is_countable(self, image: Item) -> bool:
        """Tell whether every aggregate is known to count an image, without computing what it adds.

        It is known if the image's rows are, if no predicate or order measure failed on the same values, and if the
        numbers that are only summed are small integers.

        Raises:
            TypeError: the fields cannot be part of a cache key.
        """
        groups, others = self._case_key(image)
        if others not in self._countable or groups not in self._row_refs:
            return False
        for read in self._summed:
            value = read(image)
            if value is not None and not (type(value) is int and -SMALL_INTEGER < value < SMALL_INTEGER):
                return False
        return True

    def remember_countable(self, image: Item) -> None:
        """Remember that no predicate or measure fails on an image's values."""
        store(self._countable, self._case_key(image)[1], value=True)

    def _find_row_refs(self, image: Item, groups: FieldValues, amounts: Sequence[Amount | None]) -> list[RowRef | None]:
        values = self._with_labels(groups, image)
        row_refs = [
            None if amount is None else part.row_ref(values, image)
            for part, amount in zip(self._parts, amounts, strict=True)
        ]
        if None not in row_refs:  # an image outside an aggregate's `where` may have no valid group
            store(self._row_refs, groups, row_refs)
        return row_refs

    def _with_labels(self, groups: FieldValues, image: Item) -> FieldValues:
        for position, time_groups, known in self._times:
            time = groups[position]
            labels = known.get(time)
            if labels is None:
                labels = tuple([bucket.value(image) for bucket in time_groups])
                store(known, time, labels)
            groups += labels
        return groups


def store[K, V](cache: dict[K, V], key: K, value: V) -> None:
    """Store an entry, unless its hash may be that of many others; first clear the cache if it has reached a bound."""
    parts: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)
    if any(type(one) is int and abs(one) >= _FIRST_REPEATED_HASH for one in parts):
        return
    size = len(cache)
    if size >= _MAX_ENTRIES or (not size % _SIZE_CHECK_INTERVAL and size * len(str(key)) > _MAX_KEY_CHARACTERS):
        cache.clear()
    cache[key] = value


def cache_for(evaluator: RowEvaluator) -> ContributionCache | None:
    """Return a cache for the aggregates of an evaluator; None if the fields that a predicate reads are unknown."""
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
    others |= dict.fromkeys(source for one in selections for source in one.sources)
    groups = tuple(dict.fromkeys(group.source for group in by))
    summed = frozenset(one.source for one in columns if one.source is not None) - others.keys()
    others |= dict.fromkeys(one.source for one in columns if one.source is not None)
    if not aggregates or not {*groups, *others}.isdisjoint(ENGINE_ATTRIBUTES):
        return None
    return ContributionCache(evaluator, groups, others, summed)
