"""The progress rows of the aggregate stage, as jobs and the control of older code read them.

Attribute ``through`` holds up to where everything in the shard is processed, ``changes`` how many changes were
processed, and ``counted`` how many of them by code that journals: where the two differ, older code has run.
``given_up`` is the time up to which discarded or lost changes do not count as waiting.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aggregation.marks import decode_sequence
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, translate
from tailrace.aws.runtime.pages import partition_rows
from tailrace.backfill.boundaries import Position
from tailrace.encoding.dynamodb import decode_item, encode_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

AGGREGATE, FANOUT = "aggregate", "fanout"

_RETENTION = timedelta(days=2)
"""The same as for all progress rows."""


class ProgressRows(Struct, frozen=True):
    """Reads the progress rows of the aggregate stage.

    Raises (each method):
        Transient: the table cannot be used now.
        Permanent: the table rejects the request.
    """

    client: "DynamoDBClient"
    table: str

    def key(self, shard: str) -> Mapping[str, Any]:
        """Return the key of a shard's row, in DynamoDB's JSON."""
        return encode_item({"pk": AGGREGATE, "sk": shard})

    def throughs(self) -> dict[str, Position]:
        """Return how far the stage is in each shard that it has read, strongly consistent."""
        return {row["sk"]: parse_through(row["through"]) for row in self._rows() if "through" in row}

    def give_up(self, stage: str, shard: str, time: str, now: datetime) -> None:
        """Record that a reader's changes up to a time are processed or never will be, so that nobody waits for them."""
        key, times = encode_item({"pk": stage, "sk": shard}), {":time": time}
        condition = "attribute_exists(pk) AND (attribute_not_exists(given_up) OR given_up < :time)"
        if self._update(key, "SET given_up = :time", condition, times):
            return
        # it has read nothing in the shard; without this row, it would look as if it still had to
        values = {**times, ":none": 0, ":expires": int((now + _RETENTION).timestamp())}
        row = "SET given_up = :time, newest = :time, told_at = :time, changes = :none, expires_at = :expires"
        self._update(key, row, "attribute_not_exists(pk)", values)

    def is_miscounted(self) -> bool:
        """Return whether code older than the journal has processed changes since the last :meth:`accept_counts`."""
        return any(row.get("changes", 0) != row.get("counted", 0) for row in self._rows())

    def accept_counts(self) -> None:
        """Let ``counted`` equal ``changes`` in every row, after what older code did has been recorded."""
        for row in list(self._rows()):
            changes = row.get("changes", 0)
            if changes != row.get("counted", 0):
                self._accept(row["sk"], changes)

    def _accept(self, shard: str, changes: int) -> None:
        # where another invocation has counted meanwhile, it is found again
        self._update(self.key(shard), "SET counted = :changes", "changes = :changes", {":changes": changes})

    def _update(self, key: Mapping[str, Any], change: str, condition: str, values: Mapping[str, Any]) -> bool:
        try:
            self.client.update_item(
                TableName=self.table,
                Key=key,
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues=encode_item(values),
            )
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED):
                return False
            raise translate(error) from error
        return True

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        rows = partition_rows(self.client, self.table, AGGREGATE)
        return map(decode_item, rows)


def is_miscounted(image: Mapping[str, Any]) -> bool:
    """Return whether a row, in DynamoDB's JSON, has changes that older code processed."""
    row = decode_item(image)
    return bool(row.get("changes", 0) != row.get("counted", 0))


def parse_through(text: str) -> Position:
    """Read a ``through`` attribute: the sequence number as marks have it, and the second of creation."""
    sequence, _, created = text.partition(":")
    return Position(decode_sequence(sequence), int(created))
