"""Rows in memory: what the commits of the aggregate stage come to, for millions of changes in one process.

Like the table, each row keeps a mark for each shard, and absorbs of a batch what lies above it. A history with repeated
and differently cut batches therefore has to end with the same rows.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import localcontext
from operator import add
from typing import Any

from tailrace.aggregation.row_changes import FoldResult, RowChange
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.encoding.keys import RowKey, value_rows_key
from tailrace.encoding.numbers import EXACT, Number


@dataclass(slots=True)
class StoredRow:
    """A row's groups or value, its counters, and the last change that it has absorbed of each shard."""

    labels: tuple[Any, ...]
    counters: tuple[Number, ...]
    marks: dict[str, int] = field(default_factory=dict)


class Rows:
    """The main rows and value rows of one aggregate."""

    def __init__(self, aggregate: Aggregate) -> None:
        self._aggregate = aggregate
        self._rows: dict[RowKey, StoredRow] = {}
        self._values: defaultdict[str, dict[str, StoredRow]] = defaultdict(dict)

    def absorb(self, folded: FoldResult, shard: str) -> None:
        """Absorb a batch of a shard."""
        with localcontext(EXACT):
            for change in folded.rows:
                if change.layout.aggregate is self._aggregate:
                    for value in change.value_changes.values():
                        _absorb(self._values[value.key[0]], value.key[1], value, shard)
                    _absorb(self._rows, change.key, change, shard)

    def rendered(self) -> Iterable[dict[str, Any]]:
        """Yield the rows as readers get them."""
        for key, row in self._rows.items():
            stored = dict(zip(self._aggregate.layout.labels, row.labels, strict=True))
            stored |= zip(self._aggregate.layout.counters, row.counters, strict=True)
            for kind in self._aggregate.value_rows:
                values = self._values.get(value_rows_key(key, kind.name), {})
                present = [
                    ValueCount(value.labels, value.counters[0])
                    for _, value in sorted(values.items(), key=lambda entry: entry[0].encode())
                    if value.counters[0]
                ]
                state = kind.state(dict.fromkeys(kind.value_ranges, present))
                stored |= {name: value for name, value in state.items() if value is not None}
            shown = self._aggregate.render(stored)
            if shown is not None:
                yield shown


def _absorb[Key](rows: dict[Key, StoredRow], key: Key, change: RowChange, shard: str) -> None:
    row = rows.get(key)
    left = change if row is None else change.after_mark(row.marks.get(shard, -1))
    if not left.steps:
        return
    deltas = left.deltas()
    if row is None:
        rows[key] = StoredRow(change.labels, deltas, {shard: left.last})
        return
    row.counters = tuple(map(add, row.counters, deltas))
    row.labels = change.labels
    row.marks[shard] = left.last
