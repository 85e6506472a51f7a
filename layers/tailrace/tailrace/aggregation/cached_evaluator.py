"""The evaluation of items from caches where that is possible.

Anything unusual is left to the reference path, which also finds out what is wrong with an item that cannot be counted.
"""

from collections.abc import Sequence
from decimal import localcontext

from tailrace.aggregation.contribution_cache import cache_for
from tailrace.aggregation.contributions import Contributions
from tailrace.aggregation.evaluator import Evaluator
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection
from tailrace.definition.failures import FAILURES
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import EXACT
from tailrace.errors import InvalidItem


class CachedEvaluator(Evaluator):
    """Evaluates the contributions of one collection's items, with the same results as :class:`Evaluator`.

    Attributes:
        cache: the contributions to the aggregates in which an item is in one row; None if there are none, or if the
            fields that a predicate reads are unknown.
    """

    def __init__(self, collection: Collection, aggregates: Sequence[Aggregate]) -> None:
        super().__init__(collection, aggregates)
        self.cache = cache_for(self.rows)

    def contributions(self, item: Item) -> Contributions:
        """Return the contributions of a valid, transformed item. Never raises."""
        if self.cache is None:
            return super().contributions(item)
        try:
            return self.with_spreads(self.cache.contributions(item), item)
        except FAILURES:  # a predicate may raise anything; the reference path reports it
            return super().contributions(item)

    def uncountable(self, item: Item) -> list[InvalidItem]:
        """Return why some aggregates cannot count a valid, transformed item; empty for most items. Never raises."""
        cache = None if self.spreads else self.cache
        try:
            if cache is not None and cache.is_countable(item):
                return []
        except TypeError:  # a field, such as a list, cannot be part of a key
            cache = None
        with localcontext(EXACT):  # as in the fold, which may share the cache
            _, amounts = self.contributions(item)
        reasons = [amount for amount in amounts if isinstance(amount, InvalidItem)]
        if cache is not None and not reasons:
            cache.remember_countable(item)
        return reasons
