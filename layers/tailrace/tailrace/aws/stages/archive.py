"""The archive stage: writes batches of events as one object per collection and hour."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.objects import put_objects
from tailrace.aws.runtime.parallel import run_all
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.aws.runtime.trace_logs import is_following, log_events
from tailrace.errors import InvalidMessage, Permanent, TailraceError
from tailrace.outputs.archives import DataRef, Event, Partition, archive_object, parse_events

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_THREADS = 8

MAX_HELD_CHARACTERS = 32_000_000
"""How much is read before it is written. The messages of a batch have at most 6 MB, but the data that they refer to may
be hundreds of times larger, and a function that runs out of memory archives nothing, however often it is retried."""


_MIN_TIME_LEFT_MS = 30_000
"""What writing the objects may take. An invocation that times out fails all messages, even those that are written."""


class HeldMessages(Struct):
    """Events that are read but not yet written, each with its message."""

    groups: dict[Partition, list[tuple[str, Event]]] = field(default_factory=dict)
    characters: int = 0

    def add(self, message: str, events: Sequence[Event]) -> None:
        """Add the events of a message."""
        for event in events:
            self.groups.setdefault(event.partition, []).append((message, event))
            self.characters += len(event.text)


class Archiver(Struct, frozen=True):
    """Archives the messages of the archive queue.

    Attributes:
        s3: an S3 client.
        archive_bucket: the bucket of the archive objects.
        failures_bucket: the bucket with the data of oversize events.
    """

    s3: "S3Client"
    archive_bucket: str
    failures_bucket: str

    def __call__(self, event: Mapping[str, Any], remaining_time_ms: Callable[[], int]) -> dict[str, Any]:
        """Archive a batch of messages and report those that must be redelivered.

        A message is redelivered if one of its events could not be read or stored; the queue dead-letters it eventually.
        All other events are in the bucket, including those of such a message. Messages for which no time is left are
        redelivered as well.

        Raises:
            Permanent: the bucket rejects a request and the whole batch is redelivered, or the event is not from a
            queue.
        """
        held = HeldMessages()
        failed: dict[str, None] = {}
        received = written = unreadable = unread = 0
        ids: dict[str, list[str]] = {}
        for message, body in _read_messages(event):
            if remaining_time_ms() < _MIN_TIME_LEFT_MS:
                failed[message] = None
                unread += 1
                continue
            events, errors = self._read_events(body)
            if errors:
                unreadable += any(isinstance(error, Permanent) for error in errors)
                failed[message] = None
                logger().error(
                    "message not archived, or only in part",
                    extra={"message_id": message, "events_read": len(events), "error": str(errors[0])},
                )
            received += len(events)
            if is_following():
                ids[message] = [one.id for one in events]
            held.add(message, events)
            if held.characters > MAX_HELD_CHARACTERS:
                stored, unstored = self._store(held)
                written, failed = written + stored, failed | dict.fromkeys(unstored)
                held = HeldMessages()
        if unread:
            logger().warning("no time is left; messages will be redelivered", extra={"messages": unread})
        # objects of messages that fail anyway are written as well: redelivery writes the same objects again
        stored, unstored = self._store(held)
        written, failed = written + stored, failed | dict.fromkeys(unstored)
        log_events("changes archived", (one for message in ids.keys() - failed.keys() for one in ids[message]))
        count_metrics(
            EventsReceived=received,
            ObjectsWritten=written,
            MessagesUnreadable=unreadable,
            MessagesFailed=len(failed),
        )
        return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}

    def _read_events(self, body: str) -> tuple[list[Event], list[TailraceError]]:
        """Return the events of a message, and why others, or the whole message, cannot be read."""
        try:
            found = parse_events(body)
        except InvalidMessage as error:
            return [], [error]
        references = [one for one in found if isinstance(one, DataRef)]
        fetched = run_all([partial(self._fetch_or_fail, one) for one in references], _THREADS)
        events = [one for one in (*found, *fetched) if isinstance(one, Event)]
        return events, [one for one in fetched if isinstance(one, TailraceError)]

    def _fetch_or_fail(self, reference: DataRef) -> Event | TailraceError:
        try:
            return self._fetch(reference)
        except TailraceError as error:
            return error.without_frames()

    def _fetch(self, reference: DataRef) -> Event:
        if reference.bucket != self.failures_bucket:
            raise InvalidMessage("the dataref points to a bucket outside this stack")
        with map_aws_errors():
            data = self.s3.get_object(Bucket=reference.bucket, Key=reference.key)["Body"].read()
        return reference.resolve(data)

    def _store(self, held: HeldMessages) -> tuple[int, list[str]]:
        """Write an object for each group; return how many were written, and the messages with events that were not."""
        members = list(held.groups.values())
        objects = [archive_object(partition, [event for _, event in found]) for partition, found in held.groups.items()]
        unstored = put_objects(self.s3, self.archive_bucket, objects)
        if unstored:
            logger().warning(
                "objects not written; their messages will be redelivered", extra={"objects": len(unstored)}
            )
        return len(objects) - len(unstored), [message for position in unstored for message, _ in members[position]]


def _read_messages(event: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    try:
        return [(record["messageId"], record["body"]) for record in event["Records"]]
    except (KeyError, TypeError) as error:
        raise InvalidMessage("not a queue event: it has no list of Records with messageId and body") from error
