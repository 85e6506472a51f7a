"""The evaluation of items from caches where that is possible.

Anything unusual is left to the reference path, which also finds out what is wrong with an item that cannot be counted.
"""

from collections.abc import Sequence

from tailrace.aggregation.contribution_cache import ContributionCache, cache_for
from tailrace.aggregation.contributions import Contributions
from tailrace.aggregation.evaluator import Evaluator
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection
from tailrace.definition.failures import FAILURES
from tailrace.encoding.json_types import Item


class CachedEvaluator(Evaluator):
    """Evaluates the contributions of one collection's items, with the same results as :class:`Evaluator`.

    Attributes:
        cache: the contributions to the aggregates in which an item is in one row; None if there are none, or if the
            fields that a predicate reads are unknown.
    """

    def __init__(self, collection: Collection, aggregates: Sequence[Aggregate]) -> None:
        super().__init__(collection, aggregates)
        self.cache = cache_for(self.rows, ContributionCache)

    def contributions(self, item: Item) -> Contributions:
        """Return the contributions of a valid, transformed item. Never raises."""
        if self.cache is None:
            return super().contributions(item)
        try:
            return self.with_spreads(self.cache.contributions(item), item)
        except FAILURES:  # a predicate may raise anything; the reference path reports it
            return super().contributions(item)
