"""Deletes rows that have become empty, once no redelivery can reach them any more.

Readers skip an empty row at once. It cannot be deleted at once, because its marks prevent a redelivered change from
being counted again. So it gets an expiry time for DynamoDB's TTL, which any later write removes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aggregation.marks import REDELIVERY_HORIZON
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.batch_reads import rows_by_key
from tailrace.aws.aggregates.update_expressions import expire_request, zero_counters
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, translate
from tailrace.definition.row_attributes import EXPIRES_AT
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_COMPARED = 148
"""Counters that a condition can compare: it may have 300 operators, two for each counter and three for the expiry."""

_MAX_PROJECTED = 500
"""Attributes that a projection can name, in less than the 4 KB of an expression."""


class EmptyRowExpiry(Struct, frozen=True):
    """Finds the rows that a batch has left empty, and sets their expiry."""

    client: "DynamoDBClient"
    table: str

    def expire_empty_rows(self, rows: Sequence[RowChange], now: datetime) -> None:
        """Set the expiry of each empty row among up to 100 rows that would stay longer.

        A lane with more counters than a condition can compare stays, because nothing could show that it is still empty.

        Raises:
            Transient: not all of them could be processed now.
            Permanent: the table rejects the request.
        """
        found, failures = self._read_counters(rows), list[Transient]()
        for row in rows:
            if row.key in found and _is_empty(row, found[row.key]) and not _expires(found[row.key], _expiry(now)):
                try:
                    self.expire(row, now)
                except Transient as error:  # the others are left alone the next time
                    failures.append(error)
        if failures:
            raise failures[0]

    def _read_counters(self, rows: Sequence[RowChange]) -> dict[RowKey, dict[str, Any]]:
        counters = sorted({counter for row in rows for counter in zero_counters(row.layout)})
        # a projection only shortens the response: what is read costs the same
        names = ("pk", "sk", EXPIRES_AT, *counters) if len(counters) <= _MAX_PROJECTED else ()
        found = rows_by_key(self.client, self.table, [row.key for row in rows], names)
        return {(row["pk"], row["sk"]): row for row in map(decode_item, found)}

    def expire(self, row: RowChange, now: datetime) -> None:
        """Set the expiry of a row unless it is not empty any more; raises as :meth:`expire_empty_rows`."""
        try:
            self.client.update_item(**expire_request(self.table, row, _expiry(now)))
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED):
                return  # it was written since, or expires sooner
            raise translate(error) from error


def _expiry(now: datetime) -> int:
    return int((now + REDELIVERY_HORIZON).timestamp())


def _expires(found: dict[str, Any], by: int) -> bool:
    """Tell whether a row is about to go, as an earlier delivery has left it."""
    return EXPIRES_AT in found and found[EXPIRES_AT] <= by


def may_be_empty(row: RowChange) -> bool:
    """Tell whether a row may be empty: it lost an item, or it is a lane, whose items may be in another lane."""
    return row.removes_items or row.layout.aggregate.lanes > 1


def _is_empty(row: RowChange, found: dict[str, Any]) -> bool:
    counters = zero_counters(row.layout)
    return len(counters) <= _MAX_COMPARED and all(not found.get(counter, 0) for counter in counters)
