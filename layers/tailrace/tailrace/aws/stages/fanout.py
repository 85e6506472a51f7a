"""The fanout stage: decode, validate, transform; then to the archive queue, route queues or quarantine."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.monitoring.throughput import ThroughputCounter
from tailrace.aws.runtime.deadlines import no_deadline
from tailrace.aws.runtime.objects import put_objects
from tailrace.aws.runtime.queues import send_messages
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.aws.runtime.trace_logs import log_records
from tailrace.aws.stages.pace import Portion
from tailrace.aws.stages.stream_response import stream_response
from tailrace.definition.pipeline import Pipeline
from tailrace.inputs.changes import RawBatch, parse_raw_batch
from tailrace.outputs.packing import claim_check, fits, pack
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import Dispatch, OutgoingEvent, dispatch
from tailrace.outputs.stored_object import StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


_MIN_TIME_LEFT_MS = 60_000
"""What sending may take. An invocation that times out has the whole batch delivered again, in halves."""

_LONGEST_CALL_MS = 40_000
"""What a call of a queue or a bucket takes that gets no response, with its retries, and a little more."""


_QUICK = 0.875
"""The share of the time left after a portion that was sent quickly: the next one may be larger."""

_FIRST_OBJECTS = 8
"""How many objects are stored even if later ones must wait: as many as are stored at once."""


def _always() -> bool:
    return True


class Time(Struct, frozen=True):
    """Whether there is time to begin more work or to store one more object, and to begin a call at all.

    Objects leave time for the queues. Otherwise, a slow bucket would take it all, and each delivery would do the same.
    """

    stores: Callable[[], bool] = _always
    sends: Callable[[], bool] = _always


_AT_LEISURE = Time()


def _is_single(part: RawBatch, batch: RawBatch) -> bool:
    """Tell whether a part is only the first change of a batch: the smallest portion."""
    return len(part.records) == 1 and part.positions[0] == batch.positions[0]


def _time(remaining_time_ms: Callable[[], int], at_first_ms: int) -> Time:
    stores_ms, sends_ms = min(_MIN_TIME_LEFT_MS, at_first_ms // 2), min(_LONGEST_CALL_MS, at_first_ms // 3)
    return Time(lambda: remaining_time_ms() >= stores_ms, lambda: remaining_time_ms() >= sends_ms)


class Destinations(Struct, frozen=True):
    """Destinations of fanout: queue URLs, and the bucket for quarantine and oversize data."""

    archive_queue: str
    route_queues: Mapping[str, str]
    failures_bucket: str


@dataclass(frozen=True, slots=True)
class Fanout:
    """Sends on the changes of a stream; ``route_throughput`` optionally counts the events of each route.

    ``s3`` makes a client, on the first change that needs one: most processes never store an object.
    """

    pipeline: Pipeline
    sqs: "SQSClient"
    s3: Callable[[], "S3Client"]
    destinations: Destinations
    progress: ProgressWriter
    route_throughput: Mapping[str, ThroughputCounter] = field(default_factory=dict)
    portion: Portion = field(default_factory=Portion)
    images: PreparedImages = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", PreparedImages(self.pipeline))

    def __call__(self, event: Mapping[str, Any], remaining_time_ms: Callable[[], int] = no_deadline) -> dict[str, Any]:
        """Send one batch of the stream on, and report the first change that could not be sent in time, if any.

        Changes after that one may have been sent and are then sent again: subscribers drop duplicates by ``id``.

        Raises:
            Permanent: a queue or bucket rejects a request; the mapping's failure destination then gets the batch.
        """
        rest = batch = parse_raw_batch(event)
        done, failed = Counter[str](), set[int]()
        at_first_ms = remaining_time_ms()
        time = _time(remaining_time_ms, at_first_ms)
        while rest.records and not failed:
            part, rest = rest.divided(self.portion.changes)
            failed = self._send(part, _AT_LEISURE if _is_single(part, batch) else time, done)
            sent, quick = part.positions[0].sequence not in failed, remaining_time_ms() >= _QUICK * at_first_ms
            self.portion.learn(len(part.records), sent=sent, quick=quick)
            if rest.records and (failed or not time.stores()):
                failed.update(one.sequence for one in rest.positions)
        if failed:
            logger().warning("changes not sent; they will be redelivered", extra={"changes": len(failed)})
        count_metrics(
            ChangesSent=done["ChangesSent"],
            ChangesRouted=done["ChangesRouted"],
            ItemsQuarantined=done["ItemsQuarantined"],
            ItemsUnmatched=done["ItemsUnmatched"],
            ChangesFailed=len(failed),
        )
        retry_from = min(failed, default=None)
        log_records("changes fanned out", batch.records, failed, batch.shard)
        self.progress.advance(batch.shard, batch.positions, retry_from)
        return stream_response(event, retry_from)

    def _send(self, batch: RawBatch, time: Time, done: Counter[str]) -> set[int]:
        """Send changes to all places, count what was done, and return those that could not be sent in time."""
        dispatched = dispatch(batch, self.pipeline, self.images, time.stores)
        unstored = self._quarantine(dispatched, time)
        unarchived = self.send_to_archive(dispatched.archive, time)
        failed = {*dispatched.undecided, *unstored, *unarchived}  # a change may be sent to several places
        for route, events in dispatched.routes.items():
            unsent = self.send_to_route(route, events, time)
            failed.update(unsent)
            done["ChangesRouted"] += len(events) - len(unsent)
        done["ChangesSent"] += len(dispatched.archive) - len(unarchived)
        done["ItemsQuarantined"] += len(dispatched.quarantine) - len(unstored)
        done["ItemsUnmatched"] += dispatched.unmatched
        return failed

    def _quarantine(self, dispatched: Dispatch, time: Time) -> list[int]:
        if not dispatched.quarantine:
            return []
        reports = [refused.object for refused in dispatched.quarantine]
        return [dispatched.quarantine[position].sequence for position in self._store(reports, time)]

    def _store(self, objects: Sequence[StoredObject], time: Time) -> list[int]:
        """Store objects in the failures bucket; return the positions of those that could not be stored now."""
        first, others = objects[:_FIRST_OBJECTS], objects[_FIRST_OBJECTS:]
        failed = put_objects(self.s3(), self.destinations.failures_bucket, first, has_time=time.sends)
        if failed:
            return [*failed, *range(len(first), len(objects))]
        rest = put_objects(self.s3(), self.destinations.failures_bucket, others, has_time=time.stores)
        return [len(first) + position for position in rest]

    def send_to_archive(self, events: Sequence[OutgoingEvent], time: Time = _AT_LEISURE) -> list[int]:
        """Send events to the archive queue; return the sequence numbers of those that could not be sent now."""
        ready, failed = self._with_claim_checks(events, time)
        messages = pack([text for _, text in ready])
        bodies = [body for body, _ in messages]
        unsent = send_messages(self.sqs, self.destinations.archive_queue, bodies, has_time=time.sends)
        return failed + [ready[position][0] for message in unsent for position in messages[message][1]]

    def send_to_route(self, route: str, events: Sequence[OutgoingEvent], time: Time = _AT_LEISURE) -> list[int]:
        """Send events to a route's queue; return the sequence numbers of those that could not be sent now."""
        queue = self.destinations.route_queues[route]
        ready, failed = self._with_claim_checks(events, time)
        unsent = send_messages(self.sqs, queue, [text for _, text in ready], has_time=time.sends)
        if route in self.route_throughput:
            self.route_throughput[route].count(len(ready) - len(unsent))
        return failed + [ready[position][0] for position in unsent]

    def _with_claim_checks(
        self, events: Sequence[OutgoingEvent], time: Time
    ) -> tuple[list[tuple[int, str]], list[int]]:
        """Store the data of oversize events in the bucket (claim check).

        Returns the sequence number and text of each event that can be sent, and the sequence numbers of events whose
        data could not be stored.
        """
        # by position: a change that moves an item to another collection makes two events with one sequence number
        checks = {
            position: claim_check(event.event, self.destinations.failures_bucket)
            for position, event in enumerate(events)
            if not fits(event.text)
        }
        if not checks:
            return [(event.sequence, event.text) for event in events], []
        places = list(checks)
        stored = [stored_object for stored_object, _ in checks.values()]
        failed = {places[index] for index in self._store(stored, time)}
        ready = [
            (event.sequence, checks[position][1] if position in checks else event.text)
            for position, event in enumerate(events)
            if position not in failed
        ]
        return ready, sorted(events[position].sequence for position in failed)
