"""The archive stage: writes batches of events as one object per collection and hour."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct, field

from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.objects import put_objects
from tailrace.aws.runtime.parallel import run_all
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.aws.runtime.trace_logs import is_following, log_events
from tailrace.errors import InvalidMessage, Permanent, TailraceError, Transient
from tailrace.outputs.archives import DataRef, Event, Partition, archive_object, parse_events

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_THREADS = 8

MAX_HELD_CHARACTERS = 32_000_000
"""How much is read before it is written. The messages of a batch have at most 6 MB, but the data that they refer to may
be hundreds of times larger, and a function that runs out of memory archives nothing, however often it is retried."""


_MIN_TIME_LEFT_MS = 60_000
"""The time for writing the objects, and a call before it. An invocation that times out fails all messages, even
written ones."""

_LONGEST_CALL_MS = 30_000
"""The time of a call without a response, with the SDK's retries, and a little more."""


_MAX_REMEMBERED = 20_000  # references


class HeldMessages(Struct):
    """Events that are read but not yet written, each with its message, and the references they came from."""

    groups: dict[Partition, list[tuple[str, Event]]] = field(default_factory=dict)
    characters: int = 0
    references: dict[str, list[int]] = field(default_factory=dict)

    def add(self, message: str, events: Sequence[Event], references: Iterable[int]) -> None:
        """Add the events of a message."""
        self.references.setdefault(message, []).extend(references)
        for event in events:
            self.groups.setdefault(event.partition, []).append((message, event))
            self.characters += len(event.text)


class ReadPart(NamedTuple):
    """A part of a message: its events, the errors of those that cannot be read, and the references that were read."""

    events: list[Event]
    errors: list[TailraceError]
    references: list[int]


class Archiver(Struct, frozen=True):
    """Archives the messages of the archive queue.

    Attributes:
        s3: an S3 client that waits no longer than those of other services.
        archive_bucket: the bucket of the archive objects.
        failures_bucket: the bucket with the data of oversize events.
        written: by message, the positions of its references whose events are archived; two may refer to equal data.
            A redelivered message, if there was no time for all its references, continues there; another process begins
            it again.
    """

    s3: "S3Client"
    archive_bucket: str
    failures_bucket: str
    written: dict[str, set[int]] = field(default_factory=dict)

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
        received = written = unreadable = 0
        unread, late = list[str](), set[str]()
        ids: dict[str, list[str]] = {}
        for message, body in (messages := _read_messages(event)):
            if remaining_time_ms() < _MIN_TIME_LEFT_MS:
                failed[message] = None
                unread.append(message)
                continue
            count, errors = 0, list[TailraceError]()
            for part in self._read_events(body, self.written.get(message, frozenset()), remaining_time_ms):
                count, errors = count + len(part.events), errors + part.errors
                if is_following():
                    ids.setdefault(message, []).extend(one.id for one in part.events)
                held.add(message, part.events, part.references)
                if held.characters > MAX_HELD_CHARACTERS:
                    written += self._store(held, failed, remaining_time_ms)
                    held = HeldMessages()
            if errors:
                unreadable += any(isinstance(error, Permanent) for error in errors)
                late |= {message} if any(isinstance(error, Transient) for error in errors) else set()
                failed[message] = None
                _log_failure(message, count, errors[0])
            received += count
        if unread:
            logger().warning("no time is left; messages will be redelivered", extra={"messages": len(unread)})
        # objects of messages that fail anyway are written as well: redelivery writes the same objects again
        written += self._store(held, failed, remaining_time_ms)
        self._forget(message for message, _ in messages if message not in late.union(unread))
        log_events("changes archived", (one for message in ids.keys() - failed.keys() for one in ids[message]))
        count_metrics(
            EventsReceived=received, ObjectsWritten=written, MessagesUnreadable=unreadable, MessagesFailed=len(failed)
        )
        return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}

    def _read_events(
        self, body: str, written: AbstractSet[int], remaining_time_ms: Callable[[], int]
    ) -> Iterator[ReadPart]:
        """Yield the events of a message, except those of references that are written.

        In parts: one message may refer to the data of hundreds of events.
        """
        try:
            found = parse_events(body)
        except InvalidMessage as error:
            yield ReadPart([], [error], [])
            return
        errors: list[TailraceError] = [one for one in found if isinstance(one, InvalidMessage)]
        yield ReadPart([one for one in found if isinstance(one, Event)], errors, [])
        places = [place for place, one in enumerate(found) if isinstance(one, DataRef) and place not in written]
        for part in batched(places, _THREADS, strict=False):
            if remaining_time_ms() < _MIN_TIME_LEFT_MS:
                yield ReadPart([], [Transient("no time is left")], [])
                return
            references = [one for one in map(found.__getitem__, part) if isinstance(one, DataRef)]
            fetched = run_all([partial(self._fetch_or_fail, one) for one in references], _THREADS)
            events = [one for one in fetched if isinstance(one, Event)]
            read = [place for place, result in zip(part, fetched, strict=True) if isinstance(result, Event)]
            yield ReadPart(events, [one for one in fetched if isinstance(one, TailraceError)], read)

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

    def _store(self, held: HeldMessages, failed: dict[str, None], remaining_time_ms: Callable[[], int]) -> int:
        """Write an object for each group; return how many were written; the messages of the others have failed."""
        members = list(held.groups.values())
        objects = [archive_object(partition, [event for _, event in found]) for partition, found in held.groups.items()]
        unstored = put_objects(
            self.s3, self.archive_bucket, objects, has_time=lambda: remaining_time_ms() >= _LONGEST_CALL_MS
        )
        if unstored:
            logger().warning(
                "objects not written; their messages will be redelivered", extra={"objects": len(unstored)}
            )
        again = {message: None for position in unstored for message, _ in members[position]}
        for message, references in held.references.items():
            if references and message not in again:
                self.written.setdefault(message, set()).update(references)
        failed |= again
        return len(objects) - len(unstored)

    def _forget(self, messages: Iterable[str]) -> None:
        """Forget messages, and the oldest ones if too many references remain."""
        for message in messages:
            self.written.pop(message, None)
        while sum(map(len, self.written.values())) > _MAX_REMEMBERED:
            del self.written[next(iter(self.written))]


def _log_failure(message: str, events: int, error: TailraceError) -> None:
    logger().error(
        "message not archived, or only in part",
        extra={"message_id": message, "events_read": events, "error": str(error)},
    )


def _read_messages(event: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    try:
        return [(record["messageId"], record["body"]) for record in event["Records"]]
    except (KeyError, TypeError) as error:
        raise InvalidMessage("not a queue event: it has no list of Records with messageId and body") from error
