"""The ingest stage: applies messages of the intake queue to items, in order for each item."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tailrace.aws.items.operations import apply_operation
from tailrace.aws.items.store import ItemStore
from tailrace.aws.runtime.deadlines import timely
from tailrace.aws.runtime.objects import put_objects
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.aws.runtime.trace_logs import correlate
from tailrace.encoding.tagged_json import loads_foreign
from tailrace.errors import (
    Conflict,
    InvalidItem,
    InvalidMessage,
    NotFound,
    Permanent,
    PreconditionFailed,
    Transient,
    Violation,
    WritesOff,
)
from tailrace.inputs.messages import parse_message
from tailrace.inputs.received_items import stamp_of
from tailrace.outputs.quarantine_reports import quarantine_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# What a call takes that the table or the bucket leaves without a response, with the SDK's retries, and a little more: a
# message that is not started, or not ended, in time is retried alone, not with the whole batch.
_MIN_TIME_LEFT_MS = 30_000


def _time_check(remaining_time_ms: Callable[[], int]) -> Callable[[], bool]:
    return lambda: remaining_time_ms() >= _MIN_TIME_LEFT_MS


class Ingester(Struct, frozen=True):
    """Processes the messages of the intake queue; ``s3`` makes a client when a message goes to quarantine.

    Where the write entrances are off, every message goes there.
    """

    items: ItemStore
    s3: Callable[[], "S3Client"]
    failures_bucket: str

    def __call__(self, event: Mapping[str, Any], remaining_time_ms: Callable[[], int]) -> dict[str, Any]:
        """Process a batch of messages and report those that must be redelivered.

        A message that fails holds up the later ones of its group, and no others: applied messages never come back. A
        message that can never succeed goes to quarantine and counts as done.

        Raises:
            Permanent: the table or bucket rejects a request, and no message of the batch was processed; the whole batch
            is redelivered until it is dead-lettered.
        """
        failed: list[str] = []
        blocked_groups: set[str] = set()
        quarantined = 0
        rejection: Permanent | None = None
        has_time = _time_check(remaining_time_ms)
        items = replace(self.items, client=timely(self.items.client, has_time))
        for record in event["Records"]:
            group = record["attributes"].get("MessageGroupId")
            if (group is not None and group in blocked_groups) or not has_time():
                failed.append(record["messageId"])
                blocked_groups.add(group)
                continue
            try:
                quarantined += self._process(record, items, has_time)
            except (Transient, Conflict) as error:
                reason = "other writers keep changing the item" if isinstance(error, Conflict) else str(error)
                logger().warning(
                    "message will be redelivered", extra={"message_id": record["messageId"], "error": reason}
                )
                failed.append(record["messageId"])
                blocked_groups.add(group)
            except Permanent as error:
                logger().error(
                    "message rejected; it will be redelivered",
                    extra={"message_id": record["messageId"], "error": str(error)},
                )
                failed.append(record["messageId"])
                blocked_groups.add(group)
                rejection = error
        count_metrics(
            MessagesTaken=len(event["Records"]) - len(failed),
            MessagesFailed=len(failed),
            ItemsQuarantined=quarantined,
        )
        if rejection is not None and len(failed) == len(event["Records"]):
            raise rejection  # so that the function's errors show that nothing gets through
        return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}

    def _process(self, record: Mapping[str, Any], items: ItemStore, has_time: Callable[[], bool]) -> bool:
        """Process one message; return True if it went to quarantine."""
        correlate(record["messageId"], sender_trace=record["attributes"].get("AWSTraceHeader", ""))
        try:
            items.require_writes()
            sent_ms = int(record["attributes"].get("SentTimestamp", 0))
            apply_operation(items, parse_message(record["body"]), stamp_of(sent_ms))
        except (InvalidItem, InvalidMessage, NotFound, PreconditionFailed, WritesOff) as error:
            self._quarantine(record, error, has_time)
            return True
        return False

    def _quarantine(self, record: Mapping[str, Any], error: Permanent, has_time: Callable[[], bool]) -> None:
        keyword = "precondition" if isinstance(error, PreconditionFailed) else "message"
        violations = error.violations if isinstance(error, InvalidItem) else (Violation("", keyword, str(error)),)
        message = _parse_json(record["body"])
        sent = datetime.fromtimestamp(int(record["attributes"].get("SentTimestamp", 0)) / 1000, UTC)
        number = record["attributes"].get("SequenceNumber")
        stored = quarantine_object(
            entrance="queue",
            collection=_text_field(message, "collection"),
            id=_text_field(message, "id"),
            item=message,
            violations=violations,
            origin={"message": record["messageId"]},
            time=sent.strftime("%Y-%m-%dT%H:%M:%SZ"),
            details={"sequence": number} if number else {},
        )
        if put_objects(self.s3(), self.failures_bucket, [stored], has_time=has_time):
            raise Transient("quarantine cannot be written now")


def _parse_json(body: str) -> Any:
    try:
        return loads_foreign(body)
    except InvalidMessage:
        return body


def _text_field(message: Any, name: str) -> str | None:
    value = message.get(name) if isinstance(message, dict) else None
    return value if isinstance(value, str) else None
