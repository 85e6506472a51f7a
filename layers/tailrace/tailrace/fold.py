"""The fold: a batch of changes becomes, for each row that they touch, what to add to it.

A change adds what its new item is worth and takes back what its old item was worth. Nothing is read: the old
item comes with the change. Writes follow the rows touched, not the changes.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import localcontext
from operator import sub
from typing import Any

from tailrace.aggregate import Aggregate, GroupList, Layout
from tailrace.effects import Effect
from tailrace.errors import InvalidItem
from tailrace.keys import MOST_BYTES_A_CHARACTER, MOST_SORT_KEY_BYTES, RowKey, lane_key, values_key
from tailrace.values import EXACT
from tailrace.worth import Contribution, Deltas, Entries, Place


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
        if len(self.steps) == 1:
            return self.steps[0][1]
        with localcontext(EXACT):
            return tuple(sum(column) for column in zip(*(deltas for _, deltas in self.steps), strict=True))


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


def fold(effects: Iterable[Effect], lane: str = "") -> Folded:
    """Fold a batch of changes, in the order of the stream, into what each touched row has to absorb.

    ``lane`` says by which lane an aggregate with several is written: the same text, the same lane.
    """
    rows = Rows(zlib.crc32(lane.encode()))
    poison: list[Poison] = []
    with localcontext(EXACT):
        for effect in effects:
            change, appraiser = effect.change, effect.appraiser
            if appraiser is None or (change.expired and appraiser.collection.on_expiry == "keep"):
                continue
            before, after = effect.before.worth(appraiser), effect.after.worth(appraiser)
            for aggregate, old, new in zip(appraiser.aggregates, before, after, strict=True):
                if isinstance(new, InvalidItem):
                    poison.append(Poison(change.event_id, aggregate.name, new))
                    new = None  # noqa: PLW2901 - it contributes nothing
                # an old item that cannot be counted was told when it came in, and contributed nothing then
                rows.add(aggregate, change.sequence, None if isinstance(old, InvalidItem) else old, new)
    return Folded(list(rows.found.values()), poison, list(rows.listed.values()))


@dataclass(slots=True)
class Rows:
    """The rows that a batch touches, as they come up; ``spread`` chooses the lane."""

    spread: int
    found: dict[RowKey, RowChange] = field(default_factory=dict)
    listed: dict[RowKey, RowChange] = field(default_factory=dict)

    def add(self, aggregate: Aggregate, sequence: int, old: Contribution | None, new: Contribution | None) -> None:
        """Add what a change does: nothing, something to one row, or (a move between groups) something to two."""
        if old is not None and new is not None and old.place.key == new.place.key:
            if new.deltas == old.deltas and new.entries == old.entries:
                return
            row = self._row(aggregate, new.place)
            row.steps.append((sequence, tuple(map(sub, new.deltas, old.deltas))))
            _move_values(row, sequence, old.entries, new.entries)
            return
        if old is not None:
            row = self._row(aggregate, old.place)
            row.steps.append((sequence, tuple([-delta for delta in old.deltas])))
            row.loses = True
            _move_values(row, sequence, old.entries, (None,) * len(old.entries))
        if new is not None:
            row = self._row(aggregate, new.place)
            row.steps.append((sequence, new.deltas))
            _move_values(row, sequence, (None,) * len(new.entries), new.entries)
        if old is None or new is None or old.place.key[0] != new.place.key[0]:
            for part, delta in ((old, -1), (new, 1)):
                if part is not None and aggregate.group_list is not None:
                    self._list(aggregate.group_list, sequence, part.place, delta)

    def _list(self, of: GroupList, sequence: int, place: Place, delta: int) -> None:
        """Count an item that has come to a value of the first group, or left it."""
        sk = place.key[0].partition("#")[2]
        if len(sk) * MOST_BYTES_A_CHARACTER > MOST_SORT_KEY_BYTES and len(sk.encode()) > MOST_SORT_KEY_BYTES:
            return  # it fits into a partition key only, which may be longer
        row = self.listed.get((of.pk, sk))
        if row is None:
            row = self.listed[of.pk, sk] = RowChange(of.layout, (of.pk, sk), place.groups[:1], None)
        row.steps.append((sequence, (delta,)))
        row.loses |= delta < 0

    def _row(self, aggregate: Aggregate, place: Place) -> RowChange:
        key = place.key
        if aggregate.lanes > 1:
            key = key[0], lane_key(key[1], self.spread % aggregate.lanes)
        row = self.found.get(key)
        if row is None:
            row = RowChange(aggregate.layout, key, place.groups, aggregate.expires_at(place.groups))
            self.found[key] = row
        return row


def _move_values(row: RowChange, sequence: int, old: Entries, new: Entries) -> None:
    """Take an item's old values out of the value rows below a row, and put its new ones in."""
    if not new:
        return
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
