"""The progress of the stream readers: a row for each reader and shard, written at most once for each part of a batch.

How the rows are used: :mod:`tailrace.queries.freshness`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, field
from msgspec.structs import replace

from tailrace.aggregation.marks import encode_sequence
from tailrace.aws.monitoring.throughput import StageCounts
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, map_aws_errors, translate
from tailrace.aws.runtime.pages import partition_rows
from tailrace.aws.runtime.recency import is_recent
from tailrace.aws.runtime.telemetry import logger
from tailrace.encoding.dynamodb import decode_item, encode_item, encode_value
from tailrace.errors import Transient
from tailrace.inputs.changes import StreamPosition
from tailrace.queries.freshness import AGGREGATE, FANOUT, ShardProgress, unread

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# A shard is open for about four hours. Its row outlives the records in the stream by a day.
_RETENTION = timedelta(days=2)

# Stream times are whole seconds: a row without a newer time is written again after that long, for the time of writing.
_FLUSH_INTERVAL = timedelta(seconds=1)

_MAX_ROWS = 1000


class ProgressWriter(Struct, frozen=True):
    """Records the progress of one stream reader.

    Stream times are whole seconds, and a shard's row is written for a newer time, or after a second for the same time:
    the cost does not grow with the number of changes or rows. With ``always``, for jobs and write-behind, each part of
    a batch writes it.

    Attributes:
        client: a DynamoDB client.
        table: the progress table.
        stage: the reader.
        clock: the current time, in UTC.
    """

    client: "DynamoDBClient"
    table: str
    stage: str
    clock: Callable[[], datetime]
    flushed: dict[str, ShardProgress] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    stuck: dict[str, int] = field(default_factory=dict)

    def advance(
        self,
        shard: str | None,
        changes: Sequence[StreamPosition],
        checkpoint: int | None,
        *,
        always: bool = False,
        earlier: int = 0,
    ) -> None:
        """Record that the changes of a batch below the checkpoint are processed; all of them if there is none.

        With ``always``, also without a newer second, because a job waits for the sequence number. ``earlier`` is the
        number of changes of earlier batches that are processed only now. If the table cannot be written now, the row
        understates the progress until the next batch.

        Raises:
            Permanent: the table rejects the request.
        """
        if shard is None or not changes:
            return
        done = [change for change in changes if checkpoint is None or change.sequence < checkpoint]
        if not done:
            self._tell_missing(shard, changes[0])
            return
        self.pending[shard] = self.pending.get(shard, 0) + len(done) + earlier
        rest = [] if checkpoint is None else [change.time for change in changes if change.sequence >= checkpoint]
        newest, told_at = max(change.time for change in done), self.clock().isoformat(timespec="milliseconds")
        reached = ShardProgress(newest, told_at, min(rest, default=None))
        if not _is_news(reached, self.flushed.get(shard)) and not always:
            return
        through = max((change.sequence, _epoch_seconds(change.time)) for change in done)
        if self._write(self._update(shard, reached, through)):
            self.flushed[shard] = reached
            self.pending[shard] = 0

    def _tell_missing(self, shard: str, first: StreamPosition) -> None:
        """Record that a reader is stuck at a change: the other one may be, too, and then nothing else shows it."""
        if self.stuck.get(shard, 0) >= first.sequence:
            return
        values = {":first": _through(first.sequence, first.time), ":missing_since": first.time}
        update = {
            "TableName": self.table,
            "Key": encode_item({"pk": self.stage, "sk": shard}),
            "UpdateExpression": "SET #missing_since = :missing_since",
            # where it was stuck before, the batch may have been discarded
            "ConditionExpression": "attribute_exists(#newest) AND #through < :first "
            "AND (attribute_not_exists(#missing_since) OR #missing_since < :missing_since)",
            "ExpressionAttributeNames": {f"#{name}": name for name in ("missing_since", "newest", "through")},
            "ExpressionAttributeValues": encode_item(values),
        }
        if self._write(update):
            self.stuck[shard] = first.sequence
            if shard in self.flushed:
                self.flushed[shard] = replace(self.flushed[shard], missing_since=first.time)

    def _write(self, update: dict[str, Any]) -> bool:
        """Write to a row unless it already records more; return False if the table cannot be written now."""
        try:
            self.client.update_item(**update)
        except (ClientError, BotoCoreError) as error:
            # a redelivered batch is older than what the row already records
            if not has_code(error, CONDITION_FAILED):
                failure = translate(error)
                if not isinstance(failure, Transient):
                    raise failure from error
                logger().warning("progress not recorded", extra={"error": str(failure)})
                return False
        return True

    def _update(self, shard: str, reached: ShardProgress, through: tuple[int, int]) -> dict[str, Any]:
        values = {
            ":newest": reached.newest,
            ":through": _through(*through),
            ":told_at": reached.told_at,
            ":expires_at": int((datetime.fromisoformat(reached.told_at) + _RETENTION).timestamp()),
            ":changes": self.pending[shard],
            ":counted": self.pending[shard],
        }
        missing = " REMOVE #missing_since"
        if reached.missing_since is not None:
            missing = ", #missing_since = :missing_since"
            values |= {":missing_since": reached.missing_since}
        names = {f"#{value[1:]}": value[1:] for value in values} | {"#missing_since": "missing_since"}
        return {
            "TableName": self.table,
            "Key": encode_item({"pk": self.stage, "sk": shard}),
            "UpdateExpression": "SET #newest = :newest, #through = :through, #told_at = :told_at, "
            f"#expires_at = :expires_at{missing} ADD #changes :changes, #counted :counted",
            # rows that older code wrote have no #through
            "ConditionExpression": "(attribute_not_exists(#through) OR #through < :through) "
            "AND (attribute_not_exists(#newest) OR #newest <= :newest)",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": encode_item(values),
        }


def _is_news(reached: ShardProgress, flushed: ShardProgress | None) -> bool:
    """Return whether to write a shard's row."""
    if flushed is None or reached.newest != flushed.newest:
        return flushed is None or reached.newest > flushed.newest
    written_at, now = (datetime.fromisoformat(one.told_at) for one in (flushed, reached))
    return reached.missing_since != flushed.missing_since or not is_recent(written_at, now, _FLUSH_INTERVAL)


def _through(sequence: int, time: str | int) -> str:
    """Return a change's number and its time in seconds, as a text; later ones are greater."""
    return f"{encode_sequence(sequence)}:{time if isinstance(time, int) else _epoch_seconds(time)}"


@lru_cache(maxsize=1024)
def _epoch_seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


class ReaderProgress(Struct, frozen=True):
    """The progress of a reader by shard, and the number of changes in all shards."""

    shards: dict[str, ShardProgress]
    changes: int


class ProgressReader(Struct, frozen=True):
    """Reads the progress of stream readers, and the counts of the other stages.

    Rows that have expired are left out: TTL deletes them within a few days
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ttl-expired-items.html). Those of shards with
    outstanding changes do not expire.
    """

    client: "DynamoDBClient"
    table: str

    def reader_progress(self, stage: str, now: datetime) -> ReaderProgress:
        """Return the progress in the newest shards, in one read; all open shards are among them.

        Raises:
            Transient: the table cannot be read now.
            Permanent: the table rejects the request.
        """
        rows = self._rows(stage, now)
        return ReaderProgress(_by_shard(rows), sum(row["changes"] for row in rows))

    def unread(self, now: datetime) -> dict[str, str]:
        """Return what the aggregate stage has missed and fanout has not; see :func:`tailrace.queries.freshness.unread`.

        Strongly consistent; raises like :meth:`reader_progress`.
        """
        rows = {stage: partition_rows(self.client, self.table, stage) for stage in (AGGREGATE, FANOUT)}
        found = {stage: _by_shard(_unexpired(map(decode_item, every), now)) for stage, every in rows.items()}
        return unread(found[AGGREGATE], found[FANOUT], now)

    def counts_of(self, stage: str, now: datetime) -> StageCounts:
        """Return the counts of another stage's newest processes, in one read; raises like :meth:`reader_progress`."""
        return StageCounts.total(self._rows(stage, now))

    def _rows(self, stage: str, now: datetime) -> list[dict[str, Any]]:
        with map_aws_errors():
            response = self.client.query(
                TableName=self.table,
                KeyConditionExpression="pk = :stage",
                ExpressionAttributeValues={":stage": encode_value(stage)},
                # shard ids begin with the time of opening, and rows of processes with their start time: newest first
                ScanIndexForward=False,
                Limit=_MAX_ROWS,
            )
        return _unexpired(map(decode_item, response["Items"]), now)


def _unexpired(rows: Iterable[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    return [row for row in rows if row.get("expires_at", inf) > now.timestamp()]


def _by_shard(rows: Iterable[Mapping[str, Any]]) -> dict[str, ShardProgress]:
    return {
        row["sk"]: ShardProgress(row["newest"], row["told_at"], row.get("missing_since"), row.get("given_up"))
        for row in rows
    }
