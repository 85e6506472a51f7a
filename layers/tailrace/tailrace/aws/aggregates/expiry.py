"""Deletes rows that have become empty, once no redelivery can reach them any more.

Readers skip an empty row at once. It cannot be deleted at once, because its marks prevent a redelivered change from
being counted again. So it gets an expiry time for DynamoDB's TTL, which any later write removes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aggregation.marks import REDELIVERY_HORIZON
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.update_expressions import expire_request, zero_counters
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, map_aws_errors, translate
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_KEYS_PER_READ = 100
"""Rows that one BatchGetItem call reads."""


@dataclass(frozen=True, slots=True)
class EmptyRowExpiry:
    """Finds the rows that a batch has left empty, and sets their expiry."""

    client: "DynamoDBClient"
    table: str

    def expire_empty_rows(self, rows: Sequence[RowChange], now: datetime) -> None:
        """Set the expiry of each empty row among up to 100 rows.

        Raises:
            Transient: not all of them could be processed now.
            Permanent: the table rejects the request.
        """
        found = self._read_counters(rows)
        for row in rows:
            if row.key in found and _is_empty(row, found[row.key]):
                self.expire(row, now)

    def _read_counters(self, rows: Sequence[RowChange]) -> dict[RowKey, dict[str, Any]]:
        counters = sorted({counter for row in rows for counter in zero_counters(row.layout)})
        names = {f"#{number}": name for number, name in enumerate(("pk", "sk", *counters))}
        request: Any = {
            self.table: {
                "Keys": [encode_item({"pk": row.key[0], "sk": row.key[1]}) for row in rows],
                "ProjectionExpression": ", ".join(names),
                "ExpressionAttributeNames": names,
                "ConsistentRead": True,
            }
        }
        found: dict[RowKey, dict[str, Any]] = {}
        while request:
            with map_aws_errors():
                response = self.client.batch_get_item(RequestItems=request)
            batch = list(_rows(response.get("Responses", {}).get(self.table, [])))
            found.update(batch)
            request = response.get("UnprocessedKeys")
            if request and not batch:
                raise Transient("the table is too busy to read which rows are empty")
        return found

    def expire(self, row: RowChange, now: datetime) -> None:
        """Set the expiry of a row unless it is not empty any more; raises as :meth:`expire_empty_rows`."""
        try:
            self.client.update_item(**expire_request(self.table, row, int((now + REDELIVERY_HORIZON).timestamp())))
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED):
                return  # it was written since, or expires sooner
            raise translate(error) from error


def may_be_empty(row: RowChange) -> bool:
    """Tell whether a row may be empty: it lost an item, or it is a lane, whose items may be in another lane."""
    return row.removes_items or row.layout.aggregate.lanes > 1


def _rows(images: Sequence[Any]) -> Iterator[tuple[RowKey, dict[str, Any]]]:
    for image in images:
        row = decode_item(image)
        yield (row["pk"], row["sk"]), row


def _is_empty(row: RowChange, found: dict[str, Any]) -> bool:
    return all(not found.get(counter, 0) for counter in zero_counters(row.layout))
