"""How many different values a main row has: a count that moves when a value appears or disappears.

A value row is *counted* or not, and the main row holds how many of them are. Both change together, in one transaction.
A row that has items and is not counted, or is counted without items, is still to be *moved*. Whoever changes the items
of a value row has to make sure that it is moved before the change is acknowledged; who does it, and how often it is
tried, does not matter, because the transaction is conditional on what the row is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from tailrace.aggregation.row_changes import RowChange
from tailrace.encoding.keys import RowKey
from tailrace.encoding.numbers import Number


class ValueState(Struct, frozen=True):
    """A value row as read: its number of items, and whether it is counted."""

    items: Number = 0
    counted: bool = False

    @property
    def is_to_be_moved(self) -> bool:
        """Whether the main row's count does not reflect that the value is there, or that it is not."""
        return self.counted != (self.items > 0)


NO_ROW = ValueState()
"""A value row that does not exist."""


def to_be_moved(values: Iterable[RowChange], states: Mapping[RowKey, ValueState]) -> list[RowChange]:
    """Return the value rows that are still to be moved."""
    return [value for value in values if states.get(value.key, NO_ROW).is_to_be_moved]


def moves(row: RowChange, values: Iterable[RowChange], states: Mapping[RowKey, ValueState]) -> dict[str, int]:
    """Return by how much the counts of a main row change when these value rows are moved, by measure."""
    counted = row.layout.aggregate.counted
    found: Counter[str] = Counter()
    for value in values:
        for name in counted[value.layout]:
            found[name] += -1 if states[value.key].counted else 1
    return dict(found)
