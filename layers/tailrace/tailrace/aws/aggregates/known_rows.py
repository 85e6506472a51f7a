"""What a process remembers of the rows that it has written."""

from msgspec import Struct, field

from tailrace.aggregation.marks import Lineage
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.order_measures import KnownOrders
from tailrace.encoding.keys import RowKey

_MAX_KNOWN_ROWS = 200_000


class KnownRows(Struct):
    """Rows that this process has written: the last change of each, by mark, and the state of their order measures.

    ``keys`` are those of ``rows``, whatever the mark.

    A mark never falls, so what a row has absorbed needs no call when it is delivered again. Otherwise a busy table
    would refuse some rows each time, and stay as busy with those that are already written. That a row exists is only
    a hint: one that a batch rejects is written individually, under the same condition.
    """

    rows: dict[tuple[RowKey, str], int] = field(default_factory=dict)
    keys: set[RowKey] = field(default_factory=set)
    orders: KnownOrders = field(default_factory=KnownOrders)

    def remember(self, key: RowKey, mark: str, sequence: int) -> None:
        """Remember a row that has absorbed the changes up to a number."""
        if len(self.rows) >= _MAX_KNOWN_ROWS:
            self.rows.clear()
            self.keys.clear()
        self.rows[key, mark] = max(sequence, self.rows.get((key, mark), sequence))
        self.keys.add(key)

    def have_absorbed(self, row: RowChange, lineage: Lineage | None) -> bool:
        """Tell whether a row is known to have absorbed a change."""
        return lineage is not None and self.rows.get((row.key, lineage.mark), -1) >= row.last
