"""The evaluation of items: what each contributes to the aggregates of its collection.

If anything fails for an item, it is evaluated again aggregate by aggregate, to find out which ones can count it.
"""

from collections.abc import Sequence

from tailrace.aggregation.contributions import (
    Amount,
    Contribution,
    Contributions,
    RowContributions,
    RowRef,
    item_contribution,
)
from tailrace.aggregation.row_evaluator import RowEvaluator
from tailrace.aggregation.spread import Spread, spreads_of
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection
from tailrace.definition.failures import FAILURES
from tailrace.encoding.json_types import Item
from tailrace.errors import InvalidItem


class Evaluator:
    """Evaluates the contributions of one collection's items; built once from its aggregates.

    Attributes:
        collection: the collection.
        aggregates: its aggregates, in the order of :data:`Contributions`.
        no_contributions: the contributions of an absent item.
        rows: evaluates the aggregates in which an item is in one row.
        spreads: evaluate the others.
    """

    def __init__(self, collection: Collection, aggregates: Sequence[Aggregate]) -> None:
        self.collection = collection
        self.aggregates = tuple(aggregates)
        self.no_contributions: Contributions = ((None,) * len(self.aggregates),) * 2
        self.rows = RowEvaluator([aggregate for aggregate in aggregates if not aggregate.is_spread])
        self.spreads: tuple[Spread, ...] = spreads_of(aggregates)
        evaluated = [*self.rows.aggregates, *(one for spread in self.spreads for one in spread.aggregates)]
        self._positions = [evaluated.index(aggregate) for aggregate in aggregates]

    def contributions_of(self, item: Item | None) -> Contributions:
        """Return the contributions of an item, or of an absent one (None). Never raises."""
        return self.no_contributions if item is None else self.contributions(item)

    def contributions(self, item: Item) -> Contributions:
        """Return the contributions of a valid, transformed item. Never raises."""
        try:
            return self.with_spreads(self.rows.contributions(item), item)
        except FAILURES:  # it may concern one aggregate only, so evaluate each separately
            row_refs, amounts = zip(*[_evaluate_separately(item, one) for one in self.aggregates], strict=True)
            return row_refs, amounts

    def with_spreads(self, found: Contributions, item: Item) -> Contributions:
        """Add the contributions to the aggregates in which an item may be in several rows, and put all in order.

        Raises:
            Exception: whatever a predicate, measure or group raises, even if it concerns one aggregate only.
        """
        if not self.spreads:
            return found
        row_refs, amounts = [*found[0]], [*found[1]]
        for spread in self.spreads:
            rows, added = spread.contributions(item)
            row_refs += rows
            amounts += added
        return [row_refs[position] for position in self._positions], [amounts[position] for position in self._positions]


def _evaluate_separately(
    item: Item, aggregate: Aggregate
) -> tuple[RowRef | None, Amount | RowContributions | InvalidItem | None]:
    try:
        found = item_contribution(item, aggregate)
    except InvalidItem as error:
        return None, error.without_frames()
    return (found.row_ref, Amount(found.deltas, found.entries)) if isinstance(found, Contribution) else (None, found)
