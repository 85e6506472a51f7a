"""Reads rows of the aggregates table: by key ranges only, with a bounded number of reads per request."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from tailrace.aws.runtime.deadlines import remaining_time_ms
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.definition.row_attributes import ITEM_COUNT
from tailrace.encoding.dynamodb import decode_item, encode_value
from tailrace.encoding.json_types import Json
from tailrace.encoding.sort_keys import encode_sort_key
from tailrace.encoding.tagged_json import dumps
from tailrace.encoding.text import utf8_size
from tailrace.errors import QueryTooLarge
from tailrace.queries.rollup import Rollup
from tailrace.queries.rows import KeyRange, Position, RowQuery

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# A Lambda response holds 6 MB, of which a row may take more than one; and a request should be answered within a second
# or two.
MAX_READS = 100
MAX_BYTES = 4_000_000
"""Bounds of a request: its reads, and the size of its response."""

_MIN_TIME_LEFT_MS = 15_000
"""Reserved for merging and writing what was read, of the 29 s that a request has. A read of 1 MB takes a process of
512 MB almost a second, so a request may have time for fewer than :data:`MAX_READS`."""

type Serializer = Callable[[Json], str]


class Page(Struct, frozen=True):
    """The serialized rows of one response, and the cursor for the next page; None on the last page.

    ``left_out`` are the measures that rows of an interval lack, all or some of them.
    """

    rows: tuple[str, ...]
    cursor: str | None = None
    left_out: frozenset[str] = frozenset()


class _StoredRow(Struct, frozen=True):
    """A stored row, and the position before it."""

    before: Position
    row: Json


class _Run(Struct, frozen=True):
    """Rows as readers see them, merged from adjacent stored rows, with their keys, and the position before them."""

    before: Position
    rows: list[tuple[str, Json]]
    left_out: frozenset[str]


class _Scan:
    """The stored rows of a query in order, for as many reads as a request may make, and has time for."""

    def __init__(
        self,
        query: RowQuery,
        read: Callable[[KeyRange, str | None], Mapping[str, Any]],
        max_reads: int,
        has_time: Callable[[], bool],
    ) -> None:
        self.first_position: Position | None = None
        self.last_position = Position("")
        self.out_of_reads = False
        self._query = query
        self._read = read
        self._max_reads = max_reads
        self._has_time = has_time
        self.reads = 0

    def __iter__(self) -> Iterator[_StoredRow]:
        start = self._query.start
        for key_range in self._query.ranges():
            resumes = start is not None and start.pk == key_range.pk and key_range.contains(start.sk or "")
            after = start.sk if start is not None and resumes else None
            if not self._is_before_run(key_range.pk):
                self.last_position = Position(key_range.pk, after)
            self.first_position = self.first_position or self.last_position
            while True:
                self.out_of_reads = self.reads == self._max_reads or (self.reads > 0 and not self._has_time())
                if self.out_of_reads:
                    if self.last_position == self.first_position:
                        self.last_position = Position(key_range.pk, after)  # else the next request would get no further
                    return
                response = self._read(key_range, after)
                self.reads += 1
                for row in map(decode_item, response["Items"]):
                    before, self.last_position = self.last_position, Position(key_range.pk, row["sk"])
                    # a new row may have no more than the counts of its different values yet, and not name its groups
                    if ITEM_COUNT in row and self._query.includes(row):
                        yield _StoredRow(before, row)
                if "LastEvaluatedKey" not in response:
                    break
                after = response["LastEvaluatedKey"]["sk"]["S"]
                self.last_position = Position(key_range.pk, after)

    def _is_before_run(self, pk: str) -> bool:
        """Return whether the last position is in a partition, or before empty ones of the same merged rows.

        Until the next page, these may get stored rows, which have to be added to the merged rows that are left.
        """
        last = self.last_position
        return last.pk == pk or (bool(last.pk) and last.sk is None and self._query.may_share_rows(last.pk, pk))


class RowReader(Struct, frozen=True):
    """Reads the aggregates table, strongly consistent: it sees everything that was committed.

    ``remaining_ms`` is the time that the request has left.
    """

    client: "DynamoDBClient"
    table: str
    remaining_ms: Callable[[], int] = field(default_factory=lambda: remaining_time_ms(None))

    def has_time(self) -> bool:
        """Return whether there is time for another read."""
        return self.remaining_ms() >= _MIN_TIME_LEFT_MS

    def read(self, query: RowQuery, format_row: Serializer = dumps) -> Page:
        """Return the rows of a query, as readers see them.

        A page may hold fewer rows than requested, even none, and still have a cursor, if many groups are empty or the
        time is over.

        Raises:
            QueryTooLarge: the rollup needs more reads than a request may make, or has time for.
            Transient: the table cannot be read now.
            Permanent: the table rejects the request.
        """
        rows: list[str] = []
        left_out: frozenset[str] = frozenset()
        size, here = 0, query.start or Position("")
        scan = self._scan(query, query.limit)
        for run in _runs(query, scan):
            left_out |= run.left_out
            before = _moved(query, here, run.before)
            # a row may yet appear among those of the run before, on both sides of its end: it is read again from there
            here = here if before.after else before
            for key, row in run.rows:
                text = format_row(row)
                size += response_size(text)
                if len(rows) == query.limit or (rows and size > MAX_BYTES):
                    return Page(tuple(rows), query.cursor(here), left_out)
                rows.append(text)
                here = replace(before, after=key)
        if scan.out_of_reads and scan.last_position == scan.first_position:
            raise QueryTooLarge(
                f"the rollup needs more than {MAX_READS} reads, or more time than a request has: name more groups, or "
                "a shorter time range"
            )
        here = _moved(query, here, scan.last_position)
        return Page(tuple(rows), query.cursor(here) if scan.out_of_reads else None, left_out)

    def rank(self, query: RowQuery, by: str, format_row: Serializer, *, greatest: bool) -> Page:
        """Return the rows of a query that rank first by a measure; ties in key order.

        Raises:
            QueryTooLarge: there are more rows than a request can read, or has time for; or those that rank first are
                too long for a response.
            Transient, Permanent: as :meth:`read`.
        """
        scan = self._scan(query, None)
        left_out: set[str] = set()
        candidates = (row for row in _rows_of(_runs(query, scan), left_out) if row[by] is not None)
        choose = heapq.nlargest if greatest else heapq.nsmallest
        ranked = choose(query.limit, candidates, key=lambda row: encode_sort_key(row[by]))
        if scan.out_of_reads:
            raise QueryTooLarge(
                f"the ranking needs more than {MAX_READS} reads, or more time than a request has: name more groups, or "
                "a shorter time range"
            )
        rows = tuple(map(format_row, ranked))
        if len(rows) > 1 and sum(map(response_size, rows)) > MAX_BYTES:
            raise QueryTooLarge(f"the ranked rows have more than {MAX_BYTES:,} bytes: request fewer of them with n")
        return Page(rows, left_out=frozenset(left_out))

    def stored(self, query: RowQuery, max_reads: int) -> tuple[list[Json], int]:
        """Return all stored rows of a query, and the number of reads that they took.

        Raises:
            QueryTooLarge: they take more than ``max_reads``, or more time than the request has.
            Transient, Permanent: as :meth:`read`.
        """
        scan = _Scan(
            query, lambda key_range, start: self._query(query, key_range, start, None), max_reads, self.has_time
        )
        rows = [stored.row for stored in scan]
        if scan.out_of_reads:
            raise QueryTooLarge(
                f"the query needs more than {max_reads} reads, or more time than a request has: give a shorter window, "
                "or a smaller limit"
            )
        return rows, scan.reads

    def _scan(self, query: RowQuery, limit: int | None) -> _Scan:
        per_row = query.stored_rows_per_row()
        # one more shows whether there is another page; of merged rows, the last one of the page before is read again
        max_rows = None if limit is None else per_row * (limit + (1 if per_row == 1 else 2))
        return _Scan(
            query, lambda key_range, start: self._query(query, key_range, start, max_rows), MAX_READS, self.has_time
        )

    def _query(self, query: RowQuery, key_range: KeyRange, start: str | None, limit: int | None) -> Mapping[str, Any]:
        condition, values = "#pk = :pk", {":pk": key_range.pk}
        if key_range.between is not None:
            condition += " AND #sk BETWEEN :low AND :high"
            values |= {":low": key_range.between[0], ":high": key_range.between[1]}
        elif key_range.prefix:
            condition += " AND begins_with(#sk, :prefix)"
            values |= {":prefix": key_range.prefix}
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": {"#pk": "pk"} | ({"#sk": "sk"} if "#sk" in condition else {}),
            "ExpressionAttributeValues": {name: encode_value(value) for name, value in values.items()},
            "ScanIndexForward": not query.descending,
            "ConsistentRead": True,
        } | ({} if limit is None else {"Limit": limit})
        if start is not None:
            request["ExclusiveStartKey"] = {"pk": encode_value(key_range.pk), "sk": encode_value(start)}
        with map_aws_errors():
            return self.client.query(**request)


def response_size(row: str) -> int:
    """Return the size of a row in the function's response: its body is JSON in a text, with some characters escaped."""
    return utf8_size(dumps(row))


def _runs(query: RowQuery, scan: _Scan) -> Iterator[_Run]:
    """Yield merged rows, complete runs only.

    If the reads are used up within a run, the run is left to the next request, and the stream is reset to its start.
    """
    for name, members in groupby(scan, key=lambda stored: query.merge_key(stored.row["pk"], stored.row["sk"])):
        first = next(members)
        sums = Rollup(query.aggregate, query.interval, (stored.row for stored in chain([first], members)))
        # the next row would end the run; so does a partition of another time
        run_ended = scan.last_position.sk is None and not query.may_share_rows(scan.last_position.pk, first.row["pk"])
        if scan.out_of_reads and query.stored_rows_per_row() > 1 and not run_ended:
            scan.last_position = first.before
            return
        rows = [(key, row) for key, row in sums.rows(descending=query.descending) if query.is_left(name, key)]
        yield _Run(first.before, rows, sums.left_out)


def _moved(query: RowQuery, last: Position, position: Position) -> Position:
    """Return a position that still names the last merged row: stored rows may be added to it, behind the position."""
    is_same = query.stored_rows_per_row() > 1 and last.pk == position.pk
    return replace(position, after=last.after if is_same else "")


def _rows_of(runs: Iterator[_Run], left_out: set[str]) -> Iterator[Json]:
    """Yield the rows of all runs, and collect what they leave out."""
    for run in runs:
        left_out |= run.left_out
        yield from (row for _, row in run.rows)
