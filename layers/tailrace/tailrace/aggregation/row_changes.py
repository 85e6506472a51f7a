"""The fold: a batch of changes becomes, for each row that they touch, what to add to it.

A change adds what its new item is worth and takes back what its old item was worth. Nothing is read: the old
item comes with the change. Writes follow the rows touched, not the changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import localcontext
from operator import add
from typing import Any

from tailrace.aggregation.contributions import Contribution, Deltas, Entries, Move, Place, Worth, movements
from tailrace.definition.aggregate import Aggregate, GroupList, Layout
from tailrace.encoding.keys import MOST_BYTES_A_CHARACTER, MOST_SORT_KEY_BYTES, RowKey, lane_key, values_key
from tailrace.encoding.numbers import EXACT
from tailrace.errors import InvalidItem

_WHOLE = frozenset([int])


@dataclass(slots=True)
class RowChange:
    """Everything that a batch does to one row: one step for each change that touches it, in the order of the stream.

    ``values`` are the value rows that it does something to, by their keys; ``expires_at`` is the second after which the
    row may go, None for never. With ``inexact`` only the items are to be counted, as the table cannot hold the sums;
    with ``loses`` some step takes an item out.
    """

    layout: Layout
    key: RowKey
    labels: tuple[Any, ...]
    expires_at: int | None
    steps: list[tuple[int, Deltas]] = field(default_factory=list)
    values: "dict[RowKey, RowChange]" = field(default_factory=dict)
    inexact: bool = False
    loses: bool = False

    @property
    def first(self) -> int:
        """The sequence number of the first change that touches the row."""
        return self.steps[0][0]

    @property
    def last(self) -> int:
        """The sequence number of the last change that touches the row."""
        return self.steps[-1][0]

    def of(self, steps: list[tuple[int, Deltas]]) -> "RowChange":
        """Return the same row with some of its steps."""
        return replace(self, steps=steps)

    def above(self, mark: int) -> "RowChange":
        """Return the part that a row with this mark has not absorbed."""
        return self.of([step for step in self.steps if step[0] > mark])

    def deltas(self) -> Deltas:
        """Return the sum of the steps, exact to the last digit."""
        steps = self.steps
        if len(steps) == 1:
            return steps[0][1]
        if len(steps) == 2:  # noqa: PLR2004 - a sum of two takes half the time, and is the most frequent
            sums = tuple(map(add, steps[0][1], steps[1][1]))
        else:
            sums = tuple(map(sum, zip(*[deltas for _, deltas in steps], strict=True)))
        if _WHOLE.issuperset(map(type, sums)):
            return sums
        with localcontext(EXACT):  # whole numbers are exact without it
            return tuple(map(sum, zip(*[deltas for _, deltas in steps], strict=True)))


@dataclass(frozen=True, slots=True)
class Poison:
    """An item that one aggregate could not count; it contributes nothing there, before and after."""

    event_id: str
    aggregate: str
    error: InvalidItem


@dataclass(frozen=True, slots=True)
class Folded:
    """The rows that a batch touches, in the order of first touch, and what could not be counted.

    ``listed`` are the rows of the lists of first groups (``Aggregate.group_list``).
    """

    rows: list[RowChange]
    poison: list[Poison]
    listed: list[RowChange] = field(default_factory=list)


@dataclass(slots=True)
class Rows:
    """The rows that a batch touches, as they come up, and what could not be counted; ``spread`` chooses the lane."""

    spread: int
    found: dict[RowKey, RowChange] = field(default_factory=dict)
    listed: dict[str, RowChange] = field(default_factory=dict)
    poison: list[Poison] = field(default_factory=list)

    def folded(self) -> Folded:
        """Return everything that was added."""
        return Folded(list(self.found.values()), self.poison, list(self.listed.values()))

    def count(self, aggregates: Iterable[Aggregate], event_id: str, sequence: int, old: Worth, new: Worth) -> None:
        """Add what a change does to each aggregate, given what the item was worth to it and is worth now."""
        for aggregate, before, after in zip(aggregates, old, new, strict=True):
            # an item that cannot be counted is told when it comes in, and contributes nothing until it can be
            if isinstance(after, InvalidItem) and not isinstance(before, InvalidItem):
                self.poison.append(Poison(event_id, aggregate.name, after))
            there = None if isinstance(after, InvalidItem) else after
            self.add(aggregate, sequence, None if isinstance(before, InvalidItem) else before, there)

    def add(self, aggregate: Aggregate, sequence: int, old: Contribution | None, new: Contribution | None) -> None:
        """Add what a change does to the rows of an aggregate."""
        for place, move in movements(old, new):
            self.move(aggregate, place, sequence, move)

    def move(self, aggregate: Aggregate, place: Place, sequence: int, move: Move) -> None:
        """Add what a change does to one row, and to the list of groups."""
        row = self.found.get(place.key)
        if row is None:
            row = self._row(aggregate, place)
        row.steps.append((sequence, move.deltas))
        if move.enters:
            row.loses |= move.enters < 0
            if move.listed and aggregate.group_list is not None:
                self._list(aggregate.group_list, sequence, place, move.listed)
        if move.after:
            _move_values(row, sequence, move.before, move.after)

    def _list(self, of: GroupList, sequence: int, place: Place, delta: int) -> None:
        """Count an item that has come to a value of the first group, or left it."""
        pk = place.key[0]  # names the aggregate and the value
        row = self.listed.get(pk)
        if row is None:
            sk = pk.partition("#")[2]
            if len(sk) * MOST_BYTES_A_CHARACTER > MOST_SORT_KEY_BYTES and len(sk.encode()) > MOST_SORT_KEY_BYTES:
                return  # it fits into a partition key only, which may be longer
            row = self.listed[pk] = RowChange(of.layout, (of.pk, sk), place.groups[:1], None)
        row.steps.append((sequence, (delta,)))
        row.loses |= delta < 0

    def _row(self, aggregate: Aggregate, place: Place) -> RowChange:
        key = place.key
        if aggregate.lanes > 1:  # all of a batch is written by one lane, so the row is found without it
            key = key[0], lane_key(key[1], self.spread % aggregate.lanes)
        row = RowChange(aggregate.layout, key, place.groups, aggregate.expires_at(place.groups))
        self.found[place.key] = row
        return row


def _move_values(row: RowChange, sequence: int, old: Entries, new: Entries) -> None:
    """Take an item's old values out of the value rows below a row, and put its new ones in."""
    for kind, before, after in zip(row.layout.aggregate.value_rows, old, new, strict=True):
        if before != after:
            for entry, delta in ((before, -1), (after, 1)):
                if entry is not None:
                    key = values_key(row.key, kind.name), entry.sort
                    below = row.values.get(key)
                    if below is None:
                        below = row.values[key] = RowChange(kind.layout, key, entry.labels, row.expires_at)
                    below.steps.append((sequence, (delta,)))
                    below.loses |= delta < 0
