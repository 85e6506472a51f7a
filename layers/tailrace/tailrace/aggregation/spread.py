"""The evaluation of items that may be in several rows of an aggregate: each of their elements contributes.

Elements of different items that agree in the fields that count are evaluated once, as items are
(:mod:`tailrace.aggregation.contribution_cache`).
"""

from collections.abc import Iterable, Sequence

from tailrace.aggregation.contribution_cache import cache_for
from tailrace.aggregation.contributions import Amount, Contribution, Contributions, RowRefs, merged
from tailrace.aggregation.row_evaluator import RowEvaluator
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.fields.elements import views
from tailrace.definition.fields.paths import FieldPath
from tailrace.encoding.json_types import Item


class Spread:
    """Evaluates the aggregates of one collection that count the elements of one field, or by overlapping windows.

    Attributes:
        aggregates: the aggregates, in the order of the results.
    """

    def __init__(self, path: FieldPath | None, aggregates: Sequence[Aggregate]) -> None:
        self.aggregates = tuple(aggregates)
        self._path = path
        self._nothing = (None,) * len(self.aggregates)
        # elements are counted by value for order measures, and in several rows with overlapping windows
        self._adds_sums = not any(aggregate.value_rows or aggregate.hop for aggregate in self.aggregates)
        self._evaluator = RowEvaluator(aggregates)
        self._cache = cache_for(self._evaluator)

    def contributions(self, item: Item) -> Contributions:
        """Return an item's contributions to each aggregate.

        An item with one element is in one row, and what it adds there needs no merging.

        Raises:
            Exception: whatever a predicate, measure or group raises, even if it concerns one aggregate only.
        """
        found = [self._contributions(view) for view in self._views(item)]
        if not found:
            return self._nothing, self._nothing
        if len(found) == 1 and self._adds_sums:
            return found[0]
        parts = zip(*[_joined(*one) for one in found], strict=True)
        added = zip(parts, self.aggregates, strict=True)
        return self._nothing, [merged([one for one in of if one is not None], aggregate) for of, aggregate in added]

    def _views(self, item: Item) -> Iterable[Item]:
        return (item,) if self._path is None else views(item, self._path)

    def _contributions(self, view: Item) -> tuple[RowRefs, Sequence[Amount | None]]:
        if self._cache is not None:
            try:
                return self._cache.contributions(view)
            except TypeError:  # a value that cannot be part of a cache key
                pass
        return self._evaluator.contributions(view)


def _joined(row_refs: RowRefs, amounts: Sequence[Amount | None]) -> list[Contribution | None]:
    return [
        None if row_ref is None or amount is None else Contribution(row_ref, *amount)
        for row_ref, amount in zip(row_refs, amounts, strict=True)
    ]


def spreads_of(aggregates: Iterable[Aggregate]) -> tuple[Spread, ...]:
    """Return the evaluation of those aggregates in which an item may be in several rows."""
    by_path: dict[FieldPath | None, list[Aggregate]] = {}
    for aggregate in aggregates:
        if aggregate.is_spread:
            by_path.setdefault(aggregate.each_path, []).append(aggregate)
    return tuple(Spread(path, found) for path, found in by_path.items())
