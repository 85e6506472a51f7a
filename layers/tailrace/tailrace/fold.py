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

from tailrace.aggregate import Aggregate, Layout
from tailrace.effects import Effect
from tailrace.errors import InvalidItem, Violation
from tailrace.keys import MOST_PARTITION_KEY_BYTES, MOST_SORT_KEY_BYTES, lane_key, row_key, values_key
from tailrace.measures import Item
from tailrace.order_measures import Entry
from tailrace.values import EXACT, Number

type Deltas = tuple[Number, ...]
type RowKey = tuple[str, str]

_SHORT_KEY = 256  # characters, of at most four bytes each: no need to count bytes


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one item is worth to one aggregate: the row, its group values, and the number to add to each counter.

    The first delta is always 1, the item itself; the others follow ``Aggregate.layout``. ``entries`` are the item's
    values for the aggregate's kinds of value rows, None where it has none.
    """

    key: RowKey
    groups: tuple[Any, ...]
    deltas: Deltas
    entries: tuple[Entry | None, ...]


@dataclass(slots=True)
class RowChange:
    """Everything that a batch does to one row: one step for each change that touches it, in the order of the stream.

    ``values`` are the value rows that it does something to, by their keys; ``expires_at`` is the second after which the
    row may go, None for never. With ``inexact`` only the items are to be counted, as the table cannot hold the sums.
    """

    layout: Layout
    key: RowKey
    labels: tuple[Any, ...]
    expires_at: int | None
    steps: list[tuple[int, Deltas]] = field(default_factory=list)
    values: "dict[RowKey, RowChange]" = field(default_factory=dict)
    inexact: bool = False

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
    """The rows that a batch touches, in the order of first touch, and what could not be counted."""

    rows: list[RowChange]
    poison: list[Poison]


def fold(effects: Iterable[Effect], aggregates: Iterable[Aggregate], lane: str = "") -> Folded:
    """Fold a batch of changes, in the order of the stream, into what each touched row has to absorb.

    ``lane`` says by which lane an aggregate with several is written: the same text, the same lane.
    """
    by_collection: dict[str, list[Aggregate]] = {}
    for aggregate in aggregates:
        by_collection.setdefault(aggregate.of.name, []).append(aggregate)
    rows = Rows(zlib.crc32(lane.encode()))
    poison: list[Poison] = []
    with localcontext(EXACT):
        for effect in effects:
            change = effect.change
            for aggregate in by_collection.get(change.collection, ()):
                if change.expired and aggregate.of.on_expiry == "keep":
                    continue
                rows.add(aggregate, change.sequence, *_contributions(effect, aggregate, poison))
    return Folded(list(rows.found.values()), poison)


def _contributions(
    effect: Effect, aggregate: Aggregate, poison: list[Poison]
) -> tuple[Contribution | None, Contribution | None]:
    """Return what the old and the new item of a change are worth to an aggregate."""
    try:
        new = contribution(effect.new, aggregate)
    except InvalidItem as error:
        poison.append(Poison(effect.change.event_id, aggregate.name, error))
        new = None
    try:
        return contribution(effect.old, aggregate), new
    except InvalidItem:
        return None, new  # counted as poison when it came in, and contributed nothing then


@dataclass(slots=True)
class Rows:
    """The rows that a batch touches, as they come up; ``spread`` chooses the lane."""

    spread: int
    found: dict[RowKey, RowChange] = field(default_factory=dict)

    def add(self, aggregate: Aggregate, sequence: int, old: Contribution | None, new: Contribution | None) -> None:
        """Add what a change does: nothing, something to one row, or (a move between groups) something to two."""
        if old is not None and new is not None and old.key == new.key:
            if new.deltas == old.deltas and new.entries == old.entries:
                return
            row = self._row(aggregate, new)
            row.steps.append((sequence, tuple(map(sub, new.deltas, old.deltas))))
            _move_values(row, sequence, old.entries, new.entries)
            return
        if old is not None:
            row = self._row(aggregate, old)
            row.steps.append((sequence, tuple(-delta for delta in old.deltas)))
            _move_values(row, sequence, old.entries, (None,) * len(old.entries))
        if new is not None:
            row = self._row(aggregate, new)
            row.steps.append((sequence, new.deltas))
            _move_values(row, sequence, (None,) * len(new.entries), new.entries)

    def _row(self, aggregate: Aggregate, part: Contribution) -> RowChange:
        key = part.key
        if aggregate.lanes > 1:
            key = key[0], lane_key(key[1], self.spread % aggregate.lanes)
        row = self.found.get(key)
        if row is None:
            expires_at = aggregate.expires_at(part.groups)
            row = self.found[key] = RowChange(aggregate.layout, key, part.groups, expires_at)
        return row


def _move_values(row: RowChange, sequence: int, old: tuple[Entry | None, ...], new: tuple[Entry | None, ...]) -> None:
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


def contribution(item: Item | None, aggregate: Aggregate) -> Contribution | None:
    """Return what an item (valid and transformed) is worth to an aggregate; None where it is in no row.

    Raises:
        InvalidItem: a group, measure or predicate cannot take this item.
    """
    if item is None:
        return None
    try:
        if aggregate.where is not None and not aggregate.where(item):
            return None
        groups: list[Any] = []
        for group in aggregate.by:
            value = group.value(item)
            if value is None:
                return None
            groups.append(value)
        deltas: list[Number] = [1]
        for _, measure in aggregate.linear:
            deltas.extend(measure.parts(item))
        entries = tuple(kind.values.entry(item) for kind in aggregate.value_rows)
    except InvalidItem:
        raise
    except Exception as error:  # a user's predicate may raise anything; it must not stop the neighbours
        raise InvalidItem([Violation("", "where", f"{aggregate.name}: {type(error).__name__}: {error}")]) from error
    texts = [group.text(value) for group, value in zip(aggregate.by, groups, strict=True)]
    key = row_key(aggregate.name, aggregate.version, texts)
    if len(key[0]) + len(key[1]) > _SHORT_KEY:
        _check_key(aggregate, key)
    return Contribution(key, tuple(groups), tuple(deltas), entries)


def _check_key(aggregate: Aggregate, key: RowKey) -> None:
    lanes = f"#{aggregate.lanes}" if aggregate.lanes > 1 else ""
    parts = [(key[0], MOST_PARTITION_KEY_BYTES), (key[1] + lanes, MOST_SORT_KEY_BYTES)]
    parts += [(values_key(key, kind.name), MOST_PARTITION_KEY_BYTES) for kind in aggregate.value_rows]
    for part, most in parts:
        size = len(part.encode())
        if size > most:
            text = f"{aggregate.name}: the groups make a key of {size} bytes, and DynamoDB takes {most}"
            raise InvalidItem([Violation("", "key", text)])


def uncountable(item: Item | None, aggregates: Iterable[Aggregate]) -> list[Violation]:
    """Return why an item cannot be counted in some of its collection's aggregates; empty for most items."""
    violations: list[Violation] = []
    for aggregate in aggregates:
        try:
            contribution(item, aggregate)
        except InvalidItem as error:
            violations.extend(error.violations)
    return violations
