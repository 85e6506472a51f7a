"""The first record of each shard at or above a boundary, one row for each boundary and shard.

A row's keys are ``~boundary#<id>`` and the shard's id. It is written once, by the first invocation that holds a record
above the boundary, and outlives the records in the stream by a week.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, field

from tailrace.aggregation.marks import decode_sequence, encode_sequence
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, translate
from tailrace.aws.runtime.pages import partition_rows
from tailrace.backfill.boundaries import Boundary, Position, first_in_shard
from tailrace.encoding.dynamodb import decode_item, encode_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BOUNDARIES = "~boundary#"
"""The beginning of the partition key of a boundary's rows."""

_RETENTION = timedelta(days=8)


class BoundaryFirsts(Struct, frozen=True):
    """Reads and writes the first numbers of boundaries.

    Raises (each method):
        Transient: the table cannot be used now.
        Permanent: the table rejects the request.
    """

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], datetime]
    cache: dict[tuple[str, str], int] = field(default_factory=dict)

    def find(
        self,
        boundary: Boundary,
        shard: str,
        positions: Iterable[Position],
        parents: Callable[[], Mapping[str, str | None]],
    ) -> int | None:
        """Return a boundary's first number in a shard, and store it if this batch decides it.

        None means that the batch is below the boundary. ``parents`` returns the parent of each shard that the stream
        lists; it is called only for a shard without a stored number.
        """
        known = self.cache.get((boundary.id, shard))
        if known is None:
            stored = self.stored(boundary.id)
            known = stored.get(shard)
            if known is None:
                first = first_in_shard(boundary, shard, positions, stored, parents())
                if first is None:
                    return None
                known = self._store(boundary, shard, first)
            self.cache[boundary.id, shard] = known
        return known

    def stored(self, boundary: str) -> dict[str, int]:
        """Return a boundary's first number in each shard that has one."""
        rows = partition_rows(self.client, self.table, f"{BOUNDARIES}{boundary}")
        return {row["sk"]: decode_sequence(row["first"]) for row in map(decode_item, rows)}

    def _store(self, boundary: Boundary, shard: str, first: int) -> int:
        row = {
            "pk": f"{BOUNDARIES}{boundary.id}",
            "sk": shard,
            "first": encode_sequence(first),
            "expires_at": int((self.clock() + _RETENTION).timestamp()),
        }
        try:
            self.client.put_item(
                TableName=self.table, Item=encode_item(row), ConditionExpression="attribute_not_exists(pk)"
            )
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED):
                return self.stored(boundary.id)[shard]
            raise translate(error) from error
        return first
