"""The delta cache: what a change does to the aggregates of a collection, cached by the few fields it depends on.

Most changes repeat a case: the same group fields before and after, and the same few values in the fields that count.
Anything unusual is left to the reference path (:class:`tailrace.aggregation.evaluator.Evaluator`):
:meth:`DeltaCache.add` then returns False without adding anything.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from tailrace.aggregation.cache_keys import FieldValues
from tailrace.aggregation.contribution_cache import AggregateCache, ContributionCache, cache_for, store
from tailrace.aggregation.contributions import (
    Contribution,
    RowDelta,
    RowRef,
    delta_between,
    row_deltas,
    spread_deltas,
)
from tailrace.aggregation.evaluator import Evaluator
from tailrace.aggregation.row_changes import RowAccumulator
from tailrace.aggregation.row_evaluator import RowEvaluator
from tailrace.aggregation.spread import Spread
from tailrace.definition.aggregate import Aggregate
from tailrace.encoding.json_types import Item

type _DeltaKey = tuple[FieldValues | None, FieldValues | None]
"""The non-group parts of the cache keys of the old and the new item; None for an absent item."""

type _Steps = list[tuple[Aggregate, RowRef | None, RowDelta]]


class DeltaCache(ContributionCache):
    """Adds the changes of one collection's items to rows; built once per collection by :func:`delta_cache_for`."""

    def __init__(
        self, evaluator: RowEvaluator, groups: tuple[str, ...], others: Iterable[str], spreads: Sequence[Spread] = ()
    ) -> None:
        super().__init__(evaluator, groups, others)
        self._spreads = spreads
        self._deltas: dict[_DeltaKey, list[tuple[AggregateCache, RowDelta]]] = {}

    def add(self, rows: RowAccumulator, sequence: int, old: Item | None, new: Item | None) -> bool:
        """Add a change to the rows; return False, with nothing added, if the reference path must handle it."""
        try:
            steps = self._steps(old, new)
            if self._spreads:
                steps += self._spread_steps(old, new)
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
            for spread in self._spreads:
                spread.contributions(item)
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

    def _spread_steps(self, old: Item | None, new: Item | None) -> _Steps:
        """Return the steps for the aggregates in which an item may be in several rows."""
        return [
            (aggregate, row_ref, delta)
            for spread in self._spreads
            for aggregate, before, after in zip(
                spread.aggregates, spread.contributions_of(old), spread.contributions_of(new), strict=True
            )
            for row_ref, delta in spread_deltas(before or {}, after or {})
        ]

    def _compute_deltas(
        self, case: _DeltaKey, old: Item | None, new: Item | None
    ) -> list[tuple[AggregateCache, RowDelta]]:
        """Return the non-empty deltas, by aggregate, of an item that stays in its groups."""
        all_deltas = map(delta_between, self._amounts_of(old, case[0]), self._amounts_of(new, case[1]))
        deltas = [(part, delta) for part, delta in zip(self._parts, all_deltas, strict=True) if delta is not None]
        store(self._deltas, case, deltas)
        return deltas


def delta_cache_for(evaluator: Evaluator) -> DeltaCache | None:
    """Return the delta cache of a collection; None if the fields that a predicate reads are unknown.

    Also None if no aggregate has items in one row only.
    """
    return cache_for(evaluator.rows, partial(DeltaCache, spreads=evaluator.spreads))
