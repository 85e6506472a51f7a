"""The order measures of a main row, read back from its value rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from tailrace.aggregation.row_changes import RowChange
from tailrace.aggregation.values.counted_values import ValueState
from tailrace.aggregation.values.frequent_values import FrequentValues, frequent_kinds, max_bytes, parse
from tailrace.aggregation.values.known_ends import start_key
from tailrace.aggregation.values.ranks import NoSuchValue, Rows, counts_at_ranks
from tailrace.aws.aggregates.batch_reads import rows_by_key
from tailrace.aws.aggregates.update_expressions import ORDER_VERSION, RESERVE, RESERVE_VERSION, OrderState
from tailrace.aws.runtime.pages import partition_rows
from tailrace.definition.aggregate import Aggregate, ValueRows
from tailrace.definition.measures.value_rows import VALUE, ValueCount, ValueRange
from tailrace.definition.row_attributes import ITEM_COUNT
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.json_types import Json
from tailrace.encoding.keys import RowKey, value_rows_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type States = Mapping[RowKey, ValueState]

# What is read is usually near the end of the range; rows before it are empty and not deleted yet.
_FIRST_PAGE_LIMIT = 10


class StoredOrder(Struct, frozen=True):
    """What a main row says about its order measures.

    Attributes:
        version: how often they were written.
        state: the attributes of those that are read back.
        frequent: its candidates for the most frequent values, by kind of value rows.
    """

    version: int = 0
    state: Mapping[str, Any] = field(default_factory=dict)
    frequent: Mapping[str, FrequentValues] = field(default_factory=dict)


def stored_order(aggregate: Aggregate, row: Mapping[str, Any]) -> StoredOrder:
    """Return what a main row, as it was read, says about its order measures; if there is no row, nothing.

    The reserve counts only if it was written at the row's version: a process of an earlier release, which still runs
    while a new one is deployed, writes the measures and leaves the reserve as it was.
    """
    version = int(row.get(ORDER_VERSION, 0))
    reserve = row.get(RESERVE, {}) if _is_current(row) else {}
    frequent = frequent_kinds(aggregate).values()
    measures = [pair for kind in aggregate.read_back for pair in kind.measures.items()]
    return StoredOrder(
        version,
        {one: row[one] for name, measure in measures for one in measure.attributes(name) if one in row},
        {kind.name: parse(kind, row, reserve[kind.name]) for kind in frequent if kind.name in reserve},
    )


def wrong_candidates(stored: StoredOrder, values: Iterable[tuple[ValueRows, Json]]) -> int:
    """Return the number of values about which a main row's candidates are wrong, given all its value rows.

    Which values are candidates depends on the row's history, so they are checked and not compared.
    """
    present = [(kind.name, row) for kind, row in values if row[ITEM_COUNT] > 0]
    return sum(
        frequent.wrong(ValueCount((row[VALUE],), row[ITEM_COUNT]) for kind, row in present if kind == name)
        for name, frequent in stored.frequent.items()
    )


def _is_current(row: Mapping[str, Any]) -> bool:
    return ORDER_VERSION in row and row.get(RESERVE_VERSION) == row[ORDER_VERSION]


def order_attributes(aggregate: Aggregate) -> list[str]:
    """Return the attributes of a main row that are read back from value rows; those that are counted stay."""
    measures = chain.from_iterable(kind.measures.items() for kind in aggregate.read_back)
    names = [one for name, measure in measures if not measure.is_counted for one in measure.attributes(name)]
    return [*names, RESERVE] if names else []


class OrderReader(Struct, frozen=True):
    """Reads main rows and value rows, strongly consistent.

    Raises (each method):
        Transient: the table cannot be read now.
        Permanent: the table rejects the request.
    """

    client: "DynamoDBClient"
    table: str

    def stored(self, rows: Iterable[RowChange]) -> dict[RowKey, StoredOrder]:
        """Return what up to 100 main rows say about their order measures."""
        aggregates = {row.key: row.layout.aggregate for row in rows}
        found = dict.fromkeys(aggregates, StoredOrder())
        for image in rows_by_key(self.client, self.table, aggregates):
            row = decode_item(image)
            key = row["pk"], row["sk"]
            found[key] = stored_order(aggregates[key], row)
        return found

    def state(self, row: RowChange, stored: StoredOrder, values: States) -> OrderState:
        """Return the order measures of the kinds of value rows that a change of a main row touches.

        ``stored`` must have been read before ``values``, the touched value rows of those kinds whose frequent values
        it holds; and these before this call.
        """
        kinds: list[ValueRows] = []
        touched: dict[str, list[str]] = {}
        known: dict[str, FrequentValues] = {}
        for kind in row.layout.aggregate.read_back:
            changes = [value for value in row.value_changes.values() if value.layout is kind.layout]
            if changes:
                kinds.append(kind)
                touched[kind.name] = [value.key[1] for value in changes]
            if changes and kind.name in stored.frequent:
                seen = [ValueCount(value.labels, values[value.key].items) for value in changes]
                shown = kind.value_ranges["frequent"]
                merged = stored.frequent[kind.name].merged(seen, shown)
                if not merged.is_short(shown):
                    known[kind.name] = merged
        return self._state(row, kinds, stored, known, touched)

    def recomputed(self, row: RowChange, version: int) -> OrderState:
        """Return all order measures that are read back; ``version`` must have been read before this call."""
        return self._state(row, row.layout.aggregate.read_back, StoredOrder(version), {}, {})

    def _state(
        self,
        row: RowChange,
        kinds: Sequence[ValueRows],
        stored: StoredOrder,
        known: Mapping[str, FrequentValues],
        touched: Mapping[str, Sequence[str]],
    ) -> OrderState:
        """Read what is not known; ``touched`` are the sort keys of touched value rows, by kind, none for all."""
        state: dict[str, Any] = {}
        frequent, reserve = dict(stored.frequent), {}
        for kind in kinds:
            pk = value_rows_key(row.key, kind.name)
            counts: dict[ValueRange, Sequence[ValueCount]] = {}
            for value_range, most in kind.value_ranges.items():
                if value_range == "frequent":
                    found = known.get(kind.name) or FrequentValues.of(self._counts(kind, pk), most)
                    counts[value_range] = found.counts()
                    frequent[kind.name] = found
                elif value_range == "ranks":
                    counts[value_range] = self._ranks(row.key, kind)
                elif not touched:
                    counts[value_range] = self._end(kind, pk, value_range, most)
                else:
                    start = start_key(kind, value_range, stored.state, touched[kind.name])
                    if start is not None:
                        counts[value_range] = self._end(kind, pk, value_range, most, start)
            state |= kind.state(counts)
        listed = frequent_kinds(row.layout.aggregate)
        for kind in listed.values():
            if kind.name in frequent:
                kept = frequent.pop(kind.name).stored(kind.value_ranges["frequent"], max_bytes(len(listed)))
                if kept is not None:
                    frequent[kind.name], reserve[kind.name] = kept
        return OrderState(stored.version, state, reserve if listed else None, frequent)

    def _ranks(self, key: RowKey, kind: ValueRows) -> list[ValueCount]:
        """Return the value rows for quantiles, with nodes in place of those that hold none of them."""
        levels = [*kind.nodes, kind]

        def read(rows: Rows) -> Iterator[ValueCount]:
            condition = ("sk = :sk" if rows.is_whole else "begins_with(sk, :sk)", rows.key) if rows.key else None
            below = levels[rows.level]
            # without a limit, a page has up to a megabyte, and is charged for it
            limit = {} if rows.expected is None else {"Limit": _FIRST_PAGE_LIMIT + rows.expected}
            pk = value_rows_key(key, below.name)
            return self._counts(below, pk, condition, ScanIndexForward=not rows.backward, **limit)

        fractions = [one.fraction for one in kind.measures.values() if one.value_range == "ranks"]
        try:
            return counts_at_ranks(fractions, kind.values.node_lengths, read)
        except NoSuchValue:
            return list(self._counts(kind, value_rows_key(key, kind.name)))

    def _end(
        self, kind: ValueRows, pk: str, value_range: ValueRange, items: int, start: str | None = None
    ) -> list[ValueCount]:
        """Return the value rows with a positive count of the first ``items`` items of one end, in key order.

        ``start`` is the sort key at which the end begins, if it is known.
        """
        found = []
        is_high = value_range == "high"
        condition = None if start is None else ("sk <= :sk" if is_high else "sk >= :sk", start)
        limit = _FIRST_PAGE_LIMIT + items - 1
        for count in self._counts(kind, pk, condition, ScanIndexForward=not is_high, Limit=limit):
            found.append(count)
            items -= int(count.items)
            if items <= 0:
                break
        return found[::-1] if is_high else found

    def _counts(
        self, kind: ValueRows, pk: str, condition: tuple[str, str] | None = None, **options: Any
    ) -> Iterator[ValueCount]:
        labels = kind.values.labels
        names = {f"#{number}": name for number, name in enumerate((*labels, ITEM_COUNT))}
        rows = partition_rows(
            self.client,
            self.table,
            pk,
            condition=condition,
            ProjectionExpression=", ".join(names),
            ExpressionAttributeNames=names,
            **options,
        )
        for row in map(decode_item, rows):
            if row[ITEM_COUNT] > 0:
                yield ValueCount(tuple(row[label] for label in labels), row[ITEM_COUNT])
