"""The result of the fold: for each row that a batch touches, the steps to apply to it."""

from collections import Counter
from collections.abc import Iterable
from operator import add, sub
from typing import Any, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from tailrace.aggregation.contributions import (
    Amount,
    Contributions,
    Deltas,
    Entries,
    EntryCounts,
    ItemContribution,
    RowRef,
    contribution_of,
)
from tailrace.aggregation.deltas import RowDelta, delta_between, deltas_of
from tailrace.definition.aggregate import Aggregate, GroupList, Layout
from tailrace.definition.measures.value_rows import ValueEntry
from tailrace.encoding.keys import MAX_BYTES_PER_CHARACTER, MAX_SORT_KEY_BYTES, RowKey, lane_key, value_rows_key
from tailrace.encoding.numbers import exact_sums
from tailrace.errors import InvalidItem, Transient

MAX_ROWS = 20_000
"""The most rows, with those of values and lists, that are committed at once: a new one takes some milliseconds. A batch
that touches more is folded and committed in parts, because an invocation that ends in the middle would begin again, and
find each row that it has written as slowly as it wrote it."""

_INT_ONLY = frozenset([int])


class PartlyAbsorbed(Transient):
    """A row has absorbed a part of a step that folds several changes: they must be folded one by one again."""


class Folded(NamedTuple):
    """What a step that folds several changes covers: the number of the first one, and how many there are."""

    first: int
    changes: int


class RowChange(Struct):
    """Everything that a batch does to one row: one step per change that touches it, in stream order.

    ``value_changes`` are the changes of its value rows, by key. ``expires_at`` is when the row may be deleted, in
    seconds since 1970, None for never. ``inexact`` means that only items are counted, because the table cannot hold the
    sums; ``removes_items``, that at least one step removes an item. ``folded`` is set if the first step folds several
    changes (:mod:`tailrace.aggregation.carried.rows`); the step's number is that of the last one.
    """

    layout: Layout
    key: RowKey
    labels: tuple[Any, ...]
    expires_at: int | None
    steps: list[tuple[int, Deltas]] = field(default_factory=list)
    value_changes: "dict[RowKey, RowChange]" = field(default_factory=dict)
    inexact: bool = False
    removes_items: bool = False
    folded: Folded | None = None

    @property
    def first(self) -> int:
        """The sequence number of the first change that touches the row."""
        return self.steps[0][0] if self.folded is None else self.folded.first

    @property
    def last(self) -> int:
        """The sequence number of the last change that touches the row."""
        return self.steps[-1][0]

    @property
    def changes(self) -> int:
        """The number of changes that touch the row."""
        return len(self.steps) if self.folded is None else len(self.steps) - 1 + self.folded.changes

    @property
    def reads_values(self) -> bool:
        """Whether measures have to be read back from the value rows that it changes."""
        layouts = [kind.layout for kind in self.layout.aggregate.read_back]
        return any(value.layout in layouts for value in self.value_changes.values())

    @property
    def counted_values(self) -> "list[RowChange]":
        """The changes of value rows whose values are counted as they appear and disappear."""
        counted = self.layout.aggregate.counted
        return [value for value in self.value_changes.values() if value.layout in counted]

    @property
    def uncounted_values(self) -> "list[RowChange]":
        """The other changes of value rows."""
        counted = self.layout.aggregate.counted
        return [value for value in self.value_changes.values() if value.layout not in counted]

    def with_steps(self, steps: list[tuple[int, Deltas]]) -> "RowChange":
        """Return the same row change with these steps instead."""
        return replace(self, steps=steps)

    def after_mark(self, mark: int) -> "RowChange":
        """Return the part that a row with this mark has not absorbed yet.

        Raises:
            PartlyAbsorbed: the mark is in the middle of the step that folds several changes.
        """
        left = [step for step in self.steps if step[0] > mark]
        if self.folded is None or mark < self.folded.first:
            return self.with_steps(left)
        if len(left) == len(self.steps):
            raise PartlyAbsorbed("the row has absorbed a part of what was carried")
        return replace(self, steps=left, folded=None)

    def deltas(self) -> Deltas:
        """Return the exact sum of the steps."""
        steps = self.steps
        if len(steps) == 1:
            return steps[0][1]
        if len(steps) == 2:  # noqa: PLR2004 - the most frequent case, and twice as fast this way
            sums = tuple(map(add, steps[0][1], steps[1][1]))
            if _INT_ONLY.issuperset(map(type, sums)):
                return sums
        return exact_sums([deltas for _, deltas in steps])


class Poison(Struct, frozen=True):
    """An item that an aggregate cannot count; it contributes nothing there."""

    event_id: str
    aggregate: str
    error: InvalidItem


class FoldResult(Struct, frozen=True):
    """The rows that a batch touches, in the order of their first change, and the items that could not be counted.

    ``group_list_changes`` are those of the lists of first-group values (``Aggregate.group_list``). ``records`` is how
    many records of the stream were folded.
    """

    rows: list[RowChange]
    poison: list[Poison]
    group_list_changes: list[RowChange] = field(default_factory=list)
    records: int = 0


class RowAccumulator(Struct):
    """Collects the row changes of a batch and the items that cannot be counted; ``lane_hash`` selects the lane.

    ``touched`` is how many rows there are, with value rows and rows of lists.
    """

    lane_hash: int
    touched: int = 0
    rows: dict[RowKey, RowChange] = field(default_factory=dict)
    group_list_changes: dict[str, RowChange] = field(default_factory=dict)
    poison: list[Poison] = field(default_factory=list)

    def result(self, records: int = 0) -> FoldResult:
        """Return everything added so far, from this many records of the stream."""
        return FoldResult(list(self.rows.values()), self.poison, list(self.group_list_changes.values()), records)

    def add_contributions(
        self, aggregates: Iterable[Aggregate], event_id: str, sequence: int, old: Contributions, new: Contributions
    ) -> None:
        """Add a change to each aggregate, given the contributions of the old and the new item."""
        for aggregate, was_in, was, is_in, now in zip(aggregates, *old, *new, strict=True):
            if type(now) is Amount and is_in is not None and (was is None or (type(was) is Amount and was_in is is_in)):
                if now.entries:
                    delta = delta_between(was, now)
                    if delta is not None:
                        self.add_delta(aggregate, is_in, sequence, delta)
                elif was is None:  # most changes insert an item, or leave it in its row
                    row = self.rows.get(is_in.key) or self._start_row(aggregate, is_in)
                    row.steps.append((sequence, now.deltas))
                    if aggregate.group_list is not None:
                        self._add_to_group_list(aggregate.group_list, sequence, is_in, 1)
                elif was.deltas != now.deltas:
                    row = self.rows.get(is_in.key) or self._start_row(aggregate, is_in)
                    row.steps.append((sequence, tuple(map(sub, now.deltas, was.deltas))))
                continue
            before, after = contribution_of(was_in, was), contribution_of(is_in, now)
            # reported once, when the item becomes uncountable; it contributes nothing until it is countable again
            if isinstance(after, InvalidItem) and not isinstance(before, InvalidItem):
                self.poison.append(Poison(event_id, aggregate.name, after))
            self.add(aggregate, sequence, _countable(before), _countable(after))

    def add(self, aggregate: Aggregate, sequence: int, old: ItemContribution, new: ItemContribution) -> None:
        """Add a change to the rows of an aggregate."""
        for row_ref, delta in deltas_of(old, new):
            self.add_delta(aggregate, row_ref, sequence, delta)

    def add_delta(self, aggregate: Aggregate, row_ref: RowRef, sequence: int, delta: RowDelta) -> None:
        """Add the delta of one change to a row, and to the list of first-group values."""
        row = self.rows.get(row_ref.key)
        if row is None:
            row = self._start_row(aggregate, row_ref)
        row.steps.append((sequence, delta.deltas))
        if delta.item_delta:
            row.removes_items |= delta.item_delta < 0
            if delta.group_delta and aggregate.group_list is not None:
                self._add_to_group_list(aggregate.group_list, sequence, row_ref, delta.group_delta)
        if delta.after:
            known = len(row.value_changes)
            _add_value_deltas(row, sequence, delta.before, delta.after)
            self.touched += len(row.value_changes) - known

    def _add_to_group_list(self, group_list: GroupList, sequence: int, row_ref: RowRef, delta: int) -> None:
        """Count an item that enters or leaves a value of the first group."""
        pk = row_ref.key[0]  # names the aggregate and the value
        row = self.group_list_changes.get(pk)
        if row is None:
            sk = pk.partition("#")[2]
            if len(sk) * MAX_BYTES_PER_CHARACTER > MAX_SORT_KEY_BYTES and len(sk.encode()) > MAX_SORT_KEY_BYTES:
                return  # the value fits only into a partition key, whose limit is higher
            row = self.group_list_changes[pk] = RowChange(
                group_list.layout, (group_list.pk, sk), row_ref.groups[:1], None
            )
            self.touched += 1
        row.steps.append((sequence, (delta,)))
        row.removes_items |= delta < 0

    def _start_row(self, aggregate: Aggregate, row_ref: RowRef) -> RowChange:
        key = row_ref.key
        if aggregate.lanes > 1:  # a batch uses a single lane, so self.rows is keyed without it
            key = key[0], lane_key(key[1], self.lane_hash % aggregate.lanes)
        row = RowChange(aggregate.layout, key, row_ref.groups, aggregate.expires_at(row_ref.groups))
        self.rows[row_ref.key] = row
        self.touched += 1
        return row


def _countable(contribution: ItemContribution | InvalidItem) -> ItemContribution:
    return None if isinstance(contribution, InvalidItem) else contribution


def _add_value_deltas(row: RowChange, sequence: int, old: Entries, new: Entries) -> None:
    """Remove an item's old values from the value rows of a row, and add its new ones."""
    for kind, before, after in zip(row.layout.aggregate.value_rows, old, new, strict=True):
        if before != after:
            for entry, delta in _entry_deltas(before, after):
                key = value_rows_key(row.key, kind.name), entry.sort_key
                below = row.value_changes.get(key)
                if below is None:
                    below = row.value_changes[key] = RowChange(kind.layout, key, entry.labels, row.expires_at)
                below.steps.append((sequence, (delta,)))
                below.removes_items |= delta < 0


def _entry_deltas(
    before: ValueEntry | EntryCounts | None, after: ValueEntry | EntryCounts | None
) -> list[tuple[ValueEntry, int]]:
    """Return by how much the number of items, or of their elements, with each value changes."""
    if not isinstance(before, Counter) and not isinstance(after, Counter):
        return [(entry, delta) for entry, delta in ((before, -1), (after, 1)) if entry is not None]
    counts: EntryCounts = Counter()
    for entries, sign in ((before, -1), (after, 1)):
        if isinstance(entries, Counter):
            counts.update({entry: sign * times for entry, times in entries.items()})
        elif entries is not None:
            counts[entries] += sign
    return [(entry, delta) for entry, delta in counts.items() if delta]
