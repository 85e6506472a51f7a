"""Rows out of the aggregates table: by key ranges only, a bounded number of reads for each request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.clients import translate
from tailrace.changes import decode_item, encode_value
from tailrace.envelopes import dumps
from tailrace.queries import KeyRange, Position, RowQuery

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# An answer of Lambda holds 6 MB, in which each quotation mark of the rows takes one more byte than in them; and a
# request should be answered within a second or two.
_MOST_READS = 100
_MOST_BYTES = 3_000_000


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one request, each as JSON, and the cursor for the next one; None when there are no more."""

    rows: tuple[str, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads the aggregates table, strongly consistent: what is committed is seen."""

    client: "DynamoDBClient"
    table: str

    def read(self, query: RowQuery) -> Page:
        """Return the rows of a query, as readers see them.

        A page may hold fewer rows than asked for, even none, and still have a cursor: where many groups are empty.

        Raises:
            Transient: the table cannot be read now.
            Permanent: the table refuses for good.
        """
        rows: list[str] = []
        size = reads = 0
        behind = query.start
        for found in query.ranges():
            start = behind.sk if behind is not None and behind.pk == found.pk else None
            while True:
                if reads == _MOST_READS or len(rows) == query.limit:
                    return Page(tuple(rows), query.cursor(Position(found.pk, start)))
                lanes, more = self._lanes(query.aggregate.lanes, found, start, query.limit - len(rows))
                reads += 1
                for row in lanes:
                    text = _presented(query, row)
                    start = row[-1]["sk"]
                    if text is not None:
                        rows.append(text)
                        size += len(text.encode())
                    if size > _MOST_BYTES or (len(rows) == query.limit and row is not lanes[-1]):
                        return Page(tuple(rows), query.cursor(Position(found.pk, start)))
                if not more:
                    break
        return Page(tuple(rows), None)

    def _lanes(
        self, lanes: int, found: KeyRange, start: str | None, limit: int
    ) -> tuple[list[list[dict[str, Any]]], bool]:
        """Return up to about ``limit`` rows behind ``start``, each with all its lanes, and whether there are more."""
        # one more than all lanes, so that at least one row is certainly whole
        answer = self._query(found, start, limit if lanes == 1 else limit * lanes + 1)
        stored = map(decode_item, answer["Items"])
        if lanes == 1:
            rows = [[row] for row in stored]
        else:
            rows = [list(group) for _, group in groupby(stored, key=lambda row: row["sk"].rpartition("#")[0])]
        more = "LastEvaluatedKey" in answer
        return rows[:-1] if more and lanes > 1 else rows, more

    def _query(self, found: KeyRange, start: str | None, limit: int) -> Mapping[str, Any]:
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
            "Limit": limit,
            "ConsistentRead": True,
        }
        if start is not None:
            request["ExclusiveStartKey"] = {"pk": encode_value(found.pk), "sk": encode_value(start)}
        try:
            return self.client.query(**request)
        except (ClientError, BotoCoreError) as error:
            raise translate(error) from error


def _presented(query: RowQuery, lanes: Sequence[dict[str, Any]]) -> str | None:
    row = query.aggregate.merged(lanes)
    seen = query.aggregate.present(row)
    return None if seen is None or not query.keeps(row) else dumps(seen)
