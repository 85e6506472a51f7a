"""The order measures of a batch's main rows: what they become is read from value rows before the main rows are written.

What a main row says about its values is read first, or known; then the value rows that the batch has touched; then the
main row is written, if it still has the version that was read. So of two deliveries that touch a value, the one that
writes the main row later has seen the other's.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from tailrace.aggregation.marks import REDELIVERY_HORIZON
from tailrace.aggregation.row_changes import RowChange
from tailrace.aggregation.values.frequent_values import frequent_kinds
from tailrace.aws.aggregates.batch_reads import MAX_KEYS_PER_READ
from tailrace.aws.aggregates.order_state import OrderReader, StoredOrder, stored_order
from tailrace.aws.aggregates.outcomes import Call, Failed, Outcome
from tailrace.aws.aggregates.update_expressions import OrderState
from tailrace.aws.aggregates.value_counter import States, ValueCounter
from tailrace.encoding.dynamodb import Image, decode_item
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_KNOWN_ROWS = 10_000  # each with its candidates, some KB
_KNOWN_FOR = REDELIVERY_HORIZON / 2


class KnownOrders(Struct):
    """What the main rows that this process has written say about their order measures.

    A hint: a row that has another version by now is not written, and read again. An empty row is deleted after 48 hours
    at the earliest, and its versions begin again if it comes back; so nothing is known for that long.
    """

    rows: dict[RowKey, tuple[StoredOrder, datetime]] = field(default_factory=dict)

    def remember(self, key: RowKey, order: StoredOrder, now: datetime) -> None:
        """Remember a row that was written."""
        if len(self.rows) >= _MAX_KNOWN_ROWS:
            self.rows.clear()
        self.rows[key] = order, now

    def forget(self, key: RowKey) -> None:
        """Forget a row that was written in another way."""
        self.rows.pop(key, None)

    def get(self, key: RowKey, now: datetime) -> StoredOrder | None:
        """Return what a row says, if it is known."""
        order, then = self.rows.get(key, (None, now))
        return order if now - then < _KNOWN_FOR else None


class OrderMeasures(Struct, frozen=True):
    """The order measures of one batch.

    Attributes:
        client: a DynamoDB client.
        table: the aggregates table.
        clock: the current time, in UTC.
        run: runs calls, several at a time.
        known: what the process knows of main rows.
        stored: what main rows say about their order measures; each transaction raises a version.
        values: the value rows that were read.
    """

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], datetime]
    run: Callable[[Iterable[Call]], list[Outcome]]
    known: KnownOrders
    stored: dict[RowKey, StoredOrder] = field(default_factory=dict)
    values: States = field(default_factory=dict)

    def prepare(self, rows: Sequence[RowChange], failed: Container[RowKey], *, expire_empty: bool) -> list[Outcome]:
        """Read what main rows need, each touched value row once, count their different values; return the failures.

        The value rows have been written, by this batch or by an earlier delivery that did not get any further;
        ``failed`` are the keys of those that have not.
        """
        outcomes = self._load([row for row in rows if row.reads_values])
        values = [value for row in rows for value in self._needed(row) if value.key not in failed]
        outcomes += self.run(partial(self._read, part) for part in batched(values, MAX_KEYS_PER_READ, strict=False))
        known = [(row, [value for value in row.counted_values if value.key in self.values]) for row in rows]
        return outcomes + self.run(
            partial(self._count, row, found, expire_empty=expire_empty) for row, found in known if found
        )

    def state(self, row: RowChange) -> OrderState:
        """Return the order measures of a prepared main row.

        Raises:
            Transient: the table cannot be read now.
            Permanent: the table rejects the request.
        """
        # of changes that are written one by one, the first may have made the row's candidates known
        self._read_again(value for value in self._needed(row) if value.key not in self.values)
        return self._reader.state(row, self.stored[row.key], self.values)

    def state_again(self, row: RowChange, found: Image) -> OrderState:
        """Return the order measures of a main row that was found with another version; raises as :meth:`state`."""
        self.stored[row.key] = stored_order(row.layout.aggregate, decode_item(found))
        self._read_again(self._needed(row))
        return self.state(row)

    def remember(self, row: RowChange, written: OrderState) -> None:
        """Remember what a main row says now that it was written."""
        state = {**self.stored[row.key].state, **written.state}
        present = {name: value for name, value in state.items() if value is not None}
        stored = StoredOrder(written.version + 1, present, written.frequent)
        self.stored[row.key] = stored
        self.known.remember(row.key, stored, self.clock())

    @property
    def _reader(self) -> OrderReader:
        return OrderReader(self.client, self.table)

    @property
    def _counter(self) -> ValueCounter:
        return ValueCounter(self.client, self.table, self.clock)

    def _load(self, rows: Iterable[RowChange]) -> list[Outcome]:
        now = self.clock()
        unknown: list[RowChange] = []
        for row in rows:
            known = self.known.get(row.key, now)
            if known is None:
                unknown.append(row)
            else:
                self.stored[row.key] = known
        return self.run(partial(self._load_part, part) for part in batched(unknown, MAX_KEYS_PER_READ, strict=False))

    def _load_part(self, rows: Sequence[RowChange]) -> list[Outcome]:
        try:
            self.stored.update(self._reader.stored(rows))
        except Transient as error:
            return [Failed(row.first, row.key, error) for row in rows]
        return []

    def _needed(self, row: RowChange) -> list[RowChange]:
        """Return the touched value rows whose numbers of items are needed: counted, or ranked among known ones."""
        aggregate = row.layout.aggregate
        known = self.stored.get(row.key, StoredOrder()).frequent
        ranked = [layout for layout, kind in frequent_kinds(aggregate).items() if kind.name in known]
        return [value for value in row.value_changes.values() if value.layout in (*aggregate.counted, *ranked)]

    def _read_again(self, values: Iterable[RowChange]) -> None:
        for part in batched(values, MAX_KEYS_PER_READ, strict=False):
            self.values.update(self._counter.read(part))

    def _read(self, values: Sequence[RowChange]) -> list[Outcome]:
        try:
            self.values.update(self._counter.read(values))
        except Transient as error:
            return [Failed(value.first, value.key, error) for value in values]
        return []

    def _count(self, row: RowChange, values: Sequence[RowChange], *, expire_empty: bool) -> list[Outcome]:
        try:
            transactions = self._counter.count(row, values, self.values, expire_empty=expire_empty)
        except Transient as error:
            return [Failed(row.first, row.key, error)]
        stored = self.stored.get(row.key)
        if stored is not None:
            self.stored[row.key] = replace(stored, version=stored.version + transactions)
        return []
