"""The fanout stage: decode, validate, transform, route; to the archive's queue, the routes' queues and quarantine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tailrace.aws.monitoring.progress import Progress
from tailrace.aws.monitoring.throughput import Throughput
from tailrace.aws.runtime.objects import put_all
from tailrace.aws.runtime.queues import send
from tailrace.aws.runtime.stream_response import stream_response
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.definition.pipeline import Pipeline
from tailrace.inputs.changes import decode_batch
from tailrace.outputs.packing import claim_check, fits, pack
from tailrace.outputs.routing import Dispatch, OutgoingEvent, dispatch

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where fanout sends to: queue addresses, and the bucket for quarantine and for what no message can hold."""

    archive_queue: str
    route_queues: Mapping[str, str]
    failures_bucket: str


@dataclass(frozen=True, slots=True)
class Fanout:
    """Moves the changes of a stream; ``routed`` counts what goes to a route, where somebody wants to know."""

    pipeline: Pipeline
    sqs: "SQSClient"
    s3: "S3Client"
    to: Destinations
    progress: Progress
    routed: Mapping[str, Throughput] = field(default_factory=dict)

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Send one batch of the stream on and answer with the first change that could not be sent, if there is one.

        What comes after that change may have been sent already and is sent again: subscribers drop repeats by ``id``.

        Raises:
            Permanent: a queue or bucket refuses for good; the mapping's failure destination then gets the whole batch.
        """
        batch = decode_batch(event)
        out = dispatch(batch, self.pipeline)
        failed = self._quarantine(out) + self._archive(out.archive)
        for route, events in out.routes.items():
            unsent = self._route(self.to.route_queues[route], events)
            failed += unsent
            if route in self.routed:
                self.routed[route].count(len(events) - len(unsent))
        if failed:
            logger().warning("changes not sent, to be delivered again", extra={"changes": len(failed)})
        count_metrics(
            ChangesSent=len(out.archive),
            ChangesRouted=sum(len(events) for events in out.routes.values()),
            ItemsQuarantined=len(out.quarantine),
            ChangesFailed=len(failed),
        )
        again_from = min(failed, default=None)
        self.progress.advance(batch.shard, [*batch.changes, *batch.unreadable], again_from)
        return stream_response(event, again_from)

    def _quarantine(self, out: Dispatch) -> list[int]:
        failed = put_all(self.s3, self.to.failures_bucket, [refused.object for refused in out.quarantine])
        return [out.quarantine[position].sequence for position in failed]

    def _archive(self, events: Sequence[OutgoingEvent]) -> list[int]:
        ready, failed = self._with_claim_checks(events)
        messages = pack([text for _, text in ready])
        unsent = send(self.sqs, self.to.archive_queue, [body for body, _ in messages])
        return failed + [ready[position][0] for message in unsent for position in messages[message][1]]

    def _route(self, queue: str, events: Sequence[OutgoingEvent]) -> list[int]:
        ready, failed = self._with_claim_checks(events)
        unsent = send(self.sqs, queue, [text for _, text in ready])
        return failed + [ready[position][0] for position in unsent]

    def _with_claim_checks(self, events: Sequence[OutgoingEvent]) -> tuple[list[tuple[int, str]], list[int]]:
        """Put aside, in the bucket, the data of events that no message can hold.

        Returns each event that can be sent as its change's sequence number and its text, and the sequence numbers of
        those whose data could not be put aside.
        """
        large = [event for event in events if not fits(event.text)]
        if not large:
            return [(event.sequence, event.text) for event in events], []
        checks = {event.sequence: claim_check(event.envelope, self.to.failures_bucket) for event in large}
        unstored = put_all(self.s3, self.to.failures_bucket, [stored for stored, _ in checks.values()])
        failed = {list(checks)[position] for position in unstored}
        texts = {sequence: light for sequence, (_, light) in checks.items()}
        ready = [(e.sequence, texts.get(e.sequence, e.text)) for e in events if e.sequence not in failed]
        return ready, sorted(failed)
