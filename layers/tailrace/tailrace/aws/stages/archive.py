"""The archive stage: batches of events become objects by collection and hour."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.objects import put_all
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.errors import InvalidMessage, Permanent, TailraceError
from tailrace.outputs.archives import DataRef, Event, Partition, archive_object, parse_events

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_THREADS = 8

MAX_HELD_CHARACTERS = 32_000_000
"""How much is read before it is written. The messages of a batch have 6 MB at most, but what they refer to may have
hundreds of times as much, and a function that runs out of memory archives nothing however often it is called."""


@dataclass(slots=True)
class HeldMessages:
    """Events that are read and not yet written, each with the message that brought it."""

    groups: dict[Partition, list[tuple[str, Event]]] = field(default_factory=dict)
    characters: int = 0

    def add(self, message: str, events: Sequence[Event]) -> None:
        """Take the events of a message."""
        for event in events:
            self.groups.setdefault(event.partition, []).append((message, event))
            self.characters += len(event.text)


@dataclass(frozen=True, slots=True)
class Archiver:
    """Writes what the archive's queue brings.

    Attributes:
        s3: an S3 client.
        archive_bucket: where the objects go.
        failures_bucket: where the data of events lie that no message could hold.
    """

    s3: "S3Client"
    archive_bucket: str
    failures_bucket: str

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Archive a batch of messages and answer with those that have to come again.

        A message comes again when one of its events could not be stored, or when it cannot be read: the queue puts what
        keeps coming aside. All others are done, and what they hold is in the bucket.

        Raises:
            Permanent: the bucket refuses for good; the whole batch comes again. Or the event is not one of a queue.
        """
        held = HeldMessages()
        failed: dict[str, None] = {}
        received = written = unreadable = 0
        for message, body in _messages(event):
            try:
                events = self._events(body)
            except TailraceError as error:
                unreadable += isinstance(error, Permanent)
                failed[message] = None
                logger().error("message not archived", extra={"message_id": message, "error": str(error)})
                continue
            received += len(events)
            held.add(message, events)
            if held.characters > MAX_HELD_CHARACTERS:
                written += len(held.groups)
                failed |= dict.fromkeys(self._store(held))
                held = HeldMessages()
        written += len(held.groups)
        # an object whose messages fail anyway is written nevertheless: what comes again then writes the same once more
        failed |= dict.fromkeys(self._store(held))
        count_metrics(
            EventsReceived=received,
            ObjectsWritten=written,
            MessagesUnreadable=unreadable,
            MessagesFailed=len(failed),
        )
        return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}

    def _events(self, body: str) -> list[Event]:
        found = parse_events(body)
        references = [one for one in found if isinstance(one, DataRef)]
        events = [one for one in found if isinstance(one, Event)]
        if not references:
            return events
        with ThreadPoolExecutor(max_workers=min(_THREADS, len(references))) as pool:
            return events + list(pool.map(self._fetch, references))

    def _fetch(self, reference: DataRef) -> Event:
        if reference.bucket != self.failures_bucket:
            raise InvalidMessage("a dataref into a bucket that is not this stack's")
        with map_aws_errors():
            data = self.s3.get_object(Bucket=reference.bucket, Key=reference.key)["Body"].read()
        return reference.resolve(data)

    def _store(self, held: HeldMessages) -> list[str]:
        """Write an object for each group; return the messages whose events are not all stored."""
        members = list(held.groups.values())
        objects = [archive_object(partition, [event for _, event in found]) for partition, found in held.groups.items()]
        unstored = put_all(self.s3, self.archive_bucket, objects)
        if unstored:
            logger().warning("objects not written, their messages come again", extra={"objects": len(unstored)})
        return [message for position in unstored for message, _ in members[position]]


def _messages(event: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    try:
        return [(record["messageId"], record["body"]) for record in event["Records"]]
    except (KeyError, TypeError) as error:
        raise InvalidMessage("not an event of a queue: it has no list of Records with messageId and body") from error
