"""How far the readers of the stream have come: a row for each reader and shard, written at most once for a batch.

What the rows are good for: :mod:`tailrace.queries.rows.freshness`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.monitoring.throughput import StageCounts
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, map_aws_errors, translate
from tailrace.aws.runtime.telemetry import logger
from tailrace.encoding.dynamodb import decode_item, encode_item, encode_value
from tailrace.errors import Transient
from tailrace.inputs.changes import Change, StreamPosition, UnreadableRecord

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# A shard takes changes for about four hours. Its row stays until all of them have left the stream, and a day more.
_RETENTION = timedelta(days=2)

_MAX_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Progress:
    """Tells how far one reader of the stream has come.

    The stream tells time in whole seconds, so a shard's row is written once a second at most, and not at all where
    nothing newer has come: no price that grows with changes or rows.

    Attributes:
        client: a DynamoDB client.
        table: the progress table.
        stage: the reader.
        clock: the time now, in UTC.
    """

    client: "DynamoDBClient"
    table: str
    stage: str
    clock: Callable[[], datetime]
    flushed: dict[str, str] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)

    def advance(
        self, shard: str | None, changes: Sequence[Change | UnreadableRecord | StreamPosition], checkpoint: int | None
    ) -> None:
        """Tell that the changes of a batch below the checkpoint, or all if there is none, are dealt with.

        Where it cannot be told now, the row says too little, and the next batch tells it.

        Raises:
            Permanent: the table refuses for good.
        """
        done = [change for change in changes if checkpoint is None or change.sequence < checkpoint]
        if shard is None or not done:
            return
        self.pending[shard] = self.pending.get(shard, 0) + len(done)
        newest = max(change.time for change in done)
        if newest <= self.flushed.get(shard, ""):
            return
        try:
            self.client.update_item(**self._update(shard, newest))
        except (ClientError, BotoCoreError) as error:
            # a batch that has come again is older than what the row says already
            if not has_code(error, CONDITION_FAILED):
                failure = translate(error)
                if not isinstance(failure, Transient):
                    raise failure from error
                logger().warning("progress not told", extra={"error": str(failure)})
                return
        self.flushed[shard] = newest
        self.pending[shard] = 0

    def _update(self, shard: str, newest: str) -> dict[str, Any]:
        now = self.clock()
        values = {
            ":newest": newest,
            ":told_at": now.isoformat(timespec="milliseconds"),
            ":expires_at": int((now + _RETENTION).timestamp()),
            ":changes": self.pending[shard],
        }
        return {
            "TableName": self.table,
            "Key": encode_item({"pk": self.stage, "sk": shard}),
            "UpdateExpression": "SET #newest = :newest, #told_at = :told_at, #expires_at = :expires_at "
            "ADD #changes :changes",
            "ConditionExpression": "attribute_not_exists(#newest) OR #newest < :newest",
            "ExpressionAttributeNames": {f"#{value[1:]}": value[1:] for value in values},
            "ExpressionAttributeValues": encode_item(values),
        }


@dataclass(frozen=True, slots=True)
class ReaderProgress:
    """How far a reader has come: by shard the time of the newest change; and how many changes in all of them."""

    newest: dict[str, str]
    changes: int


@dataclass(frozen=True, slots=True)
class ProgressReader:
    """Reads how far a reader of the stream has come, and how much the other stages have done."""

    client: "DynamoDBClient"
    table: str

    def read(self, stage: str) -> ReaderProgress:
        """Return how far it is in the newest shards, in one read: those that are still written to are among them.

        Raises:
            Transient: the table cannot be read now.
            Permanent: the table refuses for good.
        """
        rows = self._rows(stage)
        return ReaderProgress({row["sk"]: row["newest"] for row in rows}, sum(row["changes"] for row in rows))

    def counts_of(self, stage: str) -> StageCounts:
        """Return what the newest processes of another stage, or all that go to a route, have done, in one read.

        It raises as :meth:`read` does.
        """
        return StageCounts.of(self._rows(stage))

    def _rows(self, stage: str) -> list[dict[str, Any]]:
        with map_aws_errors():
            answer = self.client.query(
                TableName=self.table,
                KeyConditionExpression="pk = :stage",
                ExpressionAttributeValues={":stage": encode_value(stage)},
                # a shard's id begins with the time at which it was opened, and a process's row with that of its first
                ScanIndexForward=False,
                Limit=_MAX_ROWS,
            )
        return [decode_item(row) for row in answer["Items"]]
