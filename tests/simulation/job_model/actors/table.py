"""The aggregates table of the model: rows with marks, written one at a time under the committer's conditions.

Every generator yields before each write or read, so that its process can die there, or others go on meanwhile.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Any

from msgspec import Struct, field

from tailrace.aggregation.row_changes import RowChange
from tailrace.backfill.comparison import StoredRow
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.encoding.keys import RowKey, value_rows_key

type Run[T] = Generator[str, None, T]
"""What a process does, and what comes of it, see :data:`Effects`."""

type Effects = Run[None]
"""What a process does: it yields before each effect, ``wait`` where nothing can be done before time has passed."""

_DAYS_2 = 48 * 3600
_ATTEMPTS = 5


class Lineage(Struct, frozen=True):
    """A mark, and the marks of the lineages that have ended before it, each with the second of its end."""

    mark: str
    ended: tuple[tuple[str, float], ...] = ()


class Row(Struct):
    """A stored row."""

    change: RowChange
    counters: list[Any]
    marks: dict[str, int] = field(default_factory=dict)
    order: dict[str, Any] = field(default_factory=dict)
    version: int = 0
    repairs: int = 0
    expires_at: float | None = None

    def read(self) -> StoredRow:
        expires_at = None if self.expires_at is None else int(self.expires_at)
        return StoredRow(
            tuple(self.counters), dict(self.marks), dict(self.order), self.version, self.repairs, expires_at
        )


class RowsKeepMoving(Exception):
    """A main row could not be written, since its version moved each time."""


class Table(Struct):
    """The rows, by key."""

    rows: dict[RowKey, Row] = field(default_factory=dict)
    values: dict[str, dict[str, Row]] = field(default_factory=dict)  # value rows by partition

    def read(self, key: RowKey) -> StoredRow:
        row = self.rows.get(key)
        return StoredRow() if row is None else row.read()

    def row_for(self, change: RowChange) -> Row:
        row = self.rows.get(change.key)
        if row is None:
            row = self.rows[change.key] = Row(change, [0] * len(change.layout.counters))
            if change.key[0].startswith("~"):
                self.values.setdefault(change.key[0], {})[change.key[1]] = row
        return row

    def remove(self, key: RowKey) -> None:
        del self.rows[key]
        if key[0].startswith("~"):
            del self.values[key[0]][key[1]]

    # --- the committer ------------------------------------------------------------------------------------

    def commit(self, rows: Sequence[RowChange], lineage: Lineage, now: float, *, removes: bool = True) -> Effects:
        """Write rows: value rows first, then main rows with their order attributes, then the end of emptied ones."""
        below = [one for row in rows for one in row.value_changes.values()]
        for row in (*below, *(row for row in rows if not row.value_changes)):
            yield "row"
            self.put(row, lineage, now)
        for row in rows:
            if row.value_changes:
                yield from self._commit_main(row, lineage, now)
        if removes:
            yield from self.expire_empty((*below, *rows), now)

    def _commit_main(self, row: RowChange, lineage: Lineage, now: float) -> Effects:
        for _ in range(_ATTEMPTS):
            yield "version"
            version = self.read(row.key).version
            yield "values"
            order = self.order_of(row.key, row.layout.aggregate)
            yield "main row"
            if self.read(row.key).version == version:
                self.put(row, lineage, now, order)
                return
        raise RowsKeepMoving

    def put(self, row: RowChange, lineage: Lineage, now: float, order: dict[str, Any] | None = None) -> None:
        """Add what the row has not absorbed, and move its mark: one conditional write, with its one retry."""
        stored = self.rows.get(row.key)
        left = row.after_mark(-1 if stored is None else stored.marks.get(lineage.mark, -1))
        if not left.steps:
            return
        stored = self.row_for(row)
        stored.counters = [a + b for a, b in zip(stored.counters, left.deltas(), strict=True)]
        stored.marks[lineage.mark] = left.last
        for mark, ended_at in lineage.ended:
            if ended_at < now - _DAYS_2:
                stored.marks.pop(mark, None)
        stored.expires_at = None
        if order is not None:
            stored.order, stored.version = order, stored.version + 1

    def order_of(self, key: RowKey, aggregate: Aggregate) -> dict[str, Any]:
        """Return a main row's order attributes as its value rows have them."""
        state: dict[str, Any] = {}
        for kind in aggregate.value_rows:
            found = self.values.get(value_rows_key(key, kind.name), {})
            counts = [
                ValueCount(found[sk].change.labels, found[sk].counters[0])
                for sk in sorted(found)
                if found[sk].counters[0] > 0
            ]
            ends = {"low": counts[:1], "high": counts[-1:], "frequent": counts, "ranks": counts, "all": counts}
            state |= {
                name: value
                for name, value in kind.state({one: ends[one] for one in kind.value_ranges}).items()
                if value is not None
            }
        return state

    def expire_empty(self, rows: Iterable[RowChange], now: float) -> Effects:
        """Let rows that are empty go in 48 hours."""
        for row in rows:
            if row.removes_items or row.layout.aggregate.lanes > 1:
                yield "empty"
                self.let_go(row.key, now)

    def let_go(self, key: RowKey, now: float) -> None:
        stored = self.rows.get(key)
        if stored is not None:
            width = len(stored.counters) if stored.change.layout.aggregate.lanes > 1 else 1
            if not any(stored.counters[:width]) and stored.expires_at is None:
                stored.expires_at = now + _DAYS_2

    def remove_expired(self, now: float) -> None:
        for key in [key for key, row in self.rows.items() if row.expires_at is not None and row.expires_at < now]:
            self.remove(key)
