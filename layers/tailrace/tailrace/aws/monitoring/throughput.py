"""The throughput of a stage: a row for each of its processes in the progress table, written every five seconds at most.

Stream readers record theirs in :mod:`tailrace.aws.monitoring.progress`; this is for the other stages. It is
for people who watch, so it is approximate: what a process has counted and not yet recorded when it ends is lost.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import wraps
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, Concatenate, Self
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, field

from tailrace.aws.runtime.clients import best_effort_client
from tailrace.aws.runtime.errors import translate
from tailrace.aws.runtime.object_reader import REPLACED
from tailrace.aws.runtime.recency import is_recent
from tailrace.aws.runtime.telemetry import logger
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.json_types import Json
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_FLUSH_INTERVAL = timedelta(seconds=5)
_RETENTION = timedelta(days=2)

type Event = Mapping[str, Any]


class StageCounts(Struct, frozen=True):
    """Counts of a stage.

    Attributes:
        changes: messages, lines, objects or requests.
        failed: those that failed, if the stage counts them.
        waited_s: seconds from the arrival of the newest until it was done; None if unknown.
    """

    changes: int = 0
    failed: int = 0
    waited_s: int | None = None

    @classmethod
    def total(cls, rows: Sequence[Mapping[str, Any]]) -> Self:
        """Return the sum of the rows of several processes."""
        waited = [(row["told_at"], int(row["waited_s"])) for row in rows if "waited_s" in row]
        return cls(
            sum(int(row["changes"]) for row in rows),
            sum(int(row["failed"]) for row in rows),
            max(waited, default=("", None))[1],
        )

    def merge(self, later: "StageCounts") -> "StageCounts":
        """Return the sum of these counts and later ones."""
        waited = self.waited_s if later.waited_s is None else later.waited_s
        return StageCounts(self.changes + later.changes, self.failed + later.failed, waited)


_NO_COUNTS = StageCounts()


class ThroughputCounter(Struct):
    """Counts the work of one process of a stage, and records it.

    Attributes:
        client: a DynamoDB client with short timeouts, because the stage waits for it.
        table: the progress table.
        stage: the stage (not a stream reader), the partition key of its rows.
        name: a unique name of the process.
        clock: the current time, in UTC.
    """

    client: "DynamoDBClient"
    table: str
    stage: str
    name: str
    clock: Callable[[], datetime]
    _pending: StageCounts = _NO_COUNTS
    _row: str | None = None
    _flushed_at: datetime | None = None
    _lock: Lock = field(default_factory=Lock)

    def count(self, done: int, failed: int = 0, waited_s: int | None = None, *, at_once: bool = False) -> None:
        """Count, and write the counts unless they were written within the last five seconds.

        ``at_once`` writes them in any case, for rare events that must not wait for the next count.

        Errors of the table are logged, never raised: no stage may fail because of its counts.
        """
        with self._lock:
            self._pending = self._pending.merge(StageCounts(done, failed, waited_s))
            now = self.clock()
            is_early = self._flushed_at is not None and is_recent(self._flushed_at, now, _FLUSH_INTERVAL)
            if self._pending == _NO_COUNTS or (is_early and not at_once):
                return
            # a failed write also starts the interval, so that a busy table gets no more requests than a quiet one
            self._flushed_at = now
            # begins with the start time, so that the newest processes are read first
            self._row = self._row or f"{now.isoformat(timespec='milliseconds')} {self.name}"
            flushing, self._pending = self._pending, _NO_COUNTS
            update = self._update(self._row, flushing, now)
        try:
            self.client.update_item(**update)
        except (ClientError, BotoCoreError) as error:
            with self._lock:
                self._pending = flushing.merge(self._pending)
            failure = translate(error)
            log = logger().warning if isinstance(failure, Transient) else logger().error
            log("throughput not recorded", extra={"error": str(failure)})

    def _update(self, row: str, flushing: StageCounts, now: datetime) -> Json:
        values: dict[str, Any] = {
            ":expires_at": int((now + _RETENTION).timestamp()),
            ":changes": flushing.changes,
            ":failed": flushing.failed,
        }
        waited = ""
        if flushing.waited_s is not None:  # told_at is the time of the wait: what is counted later must not renew it
            values |= {":told_at": now.isoformat(timespec="milliseconds"), ":waited_s": flushing.waited_s}
            waited = ", #told_at = :told_at, #waited_s = :waited_s"
        return {
            "TableName": self.table,
            "Key": encode_item({"pk": self.stage, "sk": row}),
            "UpdateExpression": f"SET #expires_at = :expires_at{waited} ADD #changes :changes, #failed :failed",
            "ExpressionAttributeNames": {f"#{value[1:]}": value[1:] for value in values},
            "ExpressionAttributeValues": encode_item(values),
        }


def for_process(table: str, stage: str, clock: Callable[[], datetime]) -> ThroughputCounter:
    """Return the throughput of this process for a stage, with a best-effort client."""
    return ThroughputCounter(best_effort_client(), table, stage, uuid4().hex, clock)


def route_stage(route: str) -> str:
    """Return the name under which events sent to a route are counted."""
    return f"route/{route}"


def count_messages[**P](
    stage: Callable[Concatenate[Event, P], Json], throughput: ThroughputCounter
) -> Callable[Concatenate[Event, P], Json]:
    """Wrap a stage that reads a queue to count its messages, processed and failed."""

    def counted(event: Event, /, *arguments: P.args, **named: P.kwargs) -> Json:
        response = stage(event, *arguments, **named)
        retried = len(response["batchItemFailures"])
        throughput.count(len(event["Records"]) - retried, retried)
        return response

    return counted


def count_lines[**P](
    stage: Callable[Concatenate[Event, P], list[Json]], throughput: ThroughputCounter
) -> Callable[Concatenate[Event, P], list[Json]]:
    """Wrap the stage that loads files to count those it refuses, and the time from upload to receipt.

    The stage counts the accepted lines itself, while it reads.
    """

    def counted(event: Event, /, *arguments: P.args, **named: P.kwargs) -> list[Json]:
        receipts = stage(event, *arguments, **named)
        if receipts:  # a file that was loaded before has no receipt now; its second notification says nothing about lag
            refused = sum(one.get("failure", REPLACED) != REPLACED for one in receipts)
            throughput.count(0, refused, _waited_s(event, throughput.clock()), at_once=True)
        return receipts

    return counted


def count_objects(stage: Callable[[Event], None], throughput: ThroughputCounter) -> Callable[[Event], None]:
    """Wrap a stage that receives bucket notifications to count the objects, how long they waited, and its failures.

    Lambda invokes a stage that raises again, so an object may count as failed several times.
    """

    def counted(event: Event) -> None:
        try:
            stage(event)
        except Exception:
            throughput.count(0, 1, at_once=True)
            raise
        if objects := len(event.get("Records", ())):
            throughput.count(objects, waited_s=_waited_s(event, throughput.clock()))

    return counted


def count_requests[**P](
    stage: Callable[Concatenate[Event, P], Json], throughput: ThroughputCounter
) -> Callable[Concatenate[Event, P], Json]:
    """Wrap a stage that answers requests to count them; an exception counts as failed, like a 5xx response."""

    @wraps(stage, updated=())  # keeps the stage itself accessible
    def counted(event: Event, /, *arguments: P.args, **named: P.kwargs) -> Json:
        failed = True
        try:
            response = stage(event, *arguments, **named)
            failed = response["statusCode"] >= HTTPStatus.INTERNAL_SERVER_ERROR
        finally:
            throughput.count(1, int(failed))
        return response

    return counted


def _waited_s(event: Event, now: datetime) -> int | None:
    """Return the age in seconds of the oldest object in a notification; None if it has no times."""
    stored_at = [datetime.fromisoformat(one["eventTime"]) for one in event["Records"] if "eventTime" in one]
    return max(int((now - min(stored_at)).total_seconds()), 0) if stored_at else None
