"""Reads rows of the aggregates table: by key ranges only, with a bounded number of reads per request."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.encoding.dynamodb import decode_item, encode_value
from tailrace.encoding.json_types import Json
from tailrace.encoding.sort_keys import encode_sort_key
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import QueryTooLarge
from tailrace.queries.rollup import Rollup
from tailrace.queries.rows import KeyRange, Position, RowQuery

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# A Lambda response holds 6 MB, in which every quotation mark of a row is escaped with one more byte; and a request
# should be answered within a second or two.
_MAX_READS = 100
_MAX_BYTES = 3_000_000

type Serializer = Callable[[Json], str]


@dataclass(frozen=True, slots=True)
class Page:
    """The serialized rows of one response, and the cursor for the next page; None on the last page."""

    rows: tuple[str, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class _StoredRow:
    """A stored row, and the position before it."""

    before: Position
    row: Json


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows as readers see them, merged from adjacent stored rows, and the position before those."""

    before: Position
    rows: list[Json]


class _Stream:
    """The stored rows of a query in order, for as many reads as a request may make."""

    def __init__(self, query: RowQuery, read: Callable[[KeyRange, str | None], Mapping[str, Any]]) -> None:
        self.begun: Position | None = None
        self.behind = Position("")
        self.stopped = False
        self._query = query
        self._read = read
        self._reads = 0

    def __iter__(self) -> Iterator[_StoredRow]:
        start = self._query.start
        for found in self._query.ranges():
            self.behind = Position(found.pk, start.sk if start is not None and start.pk == found.pk else None)
            self.begun = self.begun or self.behind
            while True:
                self.stopped = self._reads == _MAX_READS
                if self.stopped:
                    return
                answer = self._read(found, self.behind.sk)
                self._reads += 1
                for row in map(decode_item, answer["Items"]):
                    before, self.behind = self.behind, Position(found.pk, row["sk"])
                    if self._query.includes(row):
                        yield _StoredRow(before, row)
                if "LastEvaluatedKey" not in answer:
                    break
                self.behind = Position(found.pk, answer["LastEvaluatedKey"]["sk"]["S"])


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads the aggregates table, strongly consistent: it sees everything that was committed."""

    client: "DynamoDBClient"
    table: str

    def read(self, query: RowQuery, write: Serializer = dumps) -> Page:
        """Return the rows of a query, as readers see them.

        A page may hold fewer rows than requested, even none, and still have a cursor, if many groups are empty.

        Raises:
            QueryTooLarge: the rollup needs more reads than a request may make.
            Transient: the table cannot be read now.
            Permanent: the table rejects the request.
        """
        rows: list[str] = []
        size = 0
        skip = 0 if query.start is None else query.start.skip
        stream = self._stream(query, query.limit)
        for run in _runs(query, stream):
            for place, row in enumerate(run.rows[skip:], start=skip):
                if len(rows) == query.limit or size > _MAX_BYTES:
                    return Page(tuple(rows), query.cursor(Position(run.before.pk, run.before.sk, place)))
                rows.append(write(row))
                size += len(rows[-1].encode())
            skip = 0
        if stream.stopped and stream.behind == stream.begun:
            raise QueryTooLarge(
                f"the rollup needs more than {_MAX_READS} reads: name more groups, or a shorter time range"
            )
        return Page(tuple(rows), query.cursor(stream.behind) if stream.stopped else None)

    def rank(self, query: RowQuery, by: str, write: Serializer, *, greatest: bool) -> Page:
        """Return the rows of a query that rank first by a measure; ties in key order.

        Raises:
            QueryTooLarge: there are more rows than a request can read.
            Transient, Permanent: as :meth:`read`.
        """
        stream = self._stream(query, None)
        found = (row for run in _runs(query, stream) for row in run.rows if row[by] is not None)
        choose = heapq.nlargest if greatest else heapq.nsmallest
        ranked = choose(query.limit, found, key=lambda row: encode_sort_key(row[by]))
        if stream.stopped:
            raise QueryTooLarge(
                f"the ranking needs more than {_MAX_READS} reads: name more groups, or a shorter time range"
            )
        return Page(tuple(map(write, ranked)))

    def _stream(self, query: RowQuery, limit: int | None) -> _Stream:
        most = None if limit is None else (limit + 1) * query.stored_rows_per_row()
        return _Stream(query, lambda found, start: self._query(query, found, start, most))

    def _query(self, query: RowQuery, found: KeyRange, start: str | None, limit: int | None) -> Mapping[str, Any]:
        condition, values = "#pk = :pk", {":pk": found.pk}
        if found.between is not None:
            condition += " AND #sk BETWEEN :low AND :high"
            values |= {":low": found.between[0], ":high": found.between[1]}
        elif found.prefix:
            condition += " AND begins_with(#sk, :prefix)"
            values |= {":prefix": found.prefix}
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": {"#pk": "pk"} | ({"#sk": "sk"} if "#sk" in condition else {}),
            "ExpressionAttributeValues": {name: encode_value(value) for name, value in values.items()},
            "ScanIndexForward": not query.descending,
            "ConsistentRead": True,
        } | ({} if limit is None else {"Limit": limit})
        if start is not None:
            request["ExclusiveStartKey"] = {"pk": encode_value(found.pk), "sk": encode_value(start)}
        with map_aws_errors():
            return self.client.query(**request)


def _runs(query: RowQuery, stream: _Stream) -> Iterator[_Run]:
    """Yield merged rows, complete runs only.

    If the reads are used up within a run, the run is left to the next request, and the stream is reset to its start.
    """
    for name, members in groupby(stream, key=lambda one: query.merge_key(one.row["pk"], one.row["sk"])):
        before: Position | None = None
        sums = Rollup(query.aggregate, query.interval)
        for found in members:
            before = before or found.before
            sums.add(found.row)
        before = before or stream.behind
        # the next row would end the run; so does a partition of another time
        over = stream.behind.sk is None and query.merge_key(stream.behind.pk, "-")[0] != name[0]
        if stream.stopped and query.stored_rows_per_row() > 1 and not over:
            stream.behind = before
            return
        yield _Run(before, sums.rows(descending=query.descending))
