"""The health of the stages: what is waiting, what failed, and how far the stream readers are behind.

It reads only what is cheap and what the api's role allows: queue attributes, the first page of listings, and the
progress table, where stages record their throughput. CloudWatch has the age of the oldest message, the readers' lag in
milliseconds, and the alarms.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tailrace.aws.monitoring.freshness import CachedProgress
from tailrace.aws.monitoring.throughput import StageCounts, route_stage
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.settings import ApiSettings, route_dead_letter_queues, route_queues
from tailrace.aws.runtime.telemetry import logger
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Json
from tailrace.errors import Transient
from tailrace.queries.freshness import AGGREGATE, FANOUT, Freshness

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_QUEUE_TTL = timedelta(seconds=2)
_LISTING_TTL = timedelta(seconds=30)
_THREADS = 8

DISCARDED_PREFIX, QUARANTINE_PREFIX = "aws/lambda/", "quarantine/"
UNKNOWN_COLLECTION = "unknown"
"""The quarantine folder of items without a known collection."""

_REPORTED_COUNTS = {
    "api": ("changes", "failed"),
    "load": ("changes", "waited_s"),
    "ingest": ("changes",),
    "archive": ("changes",),
    "catalog": ("changes", "waited_s"),
}
"""The reported counts of each stage that is not a stream reader."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where health comes from: queues by stage or route, with their dead-letter queues, and the failures bucket."""

    queues: Mapping[str, tuple[str, str]]
    routes: Mapping[str, tuple[str, str]]
    files_failed: str
    failures_bucket: str
    collections: Sequence[str]


def sources(settings: ApiSettings, environ: Mapping[str, str], pipeline: Pipeline) -> Sources:
    """Read the sources from the environment.

    Raises:
        SettingsError: the template has no queue for a route.
    """
    routes = [route.name for route in pipeline.routes]
    queues, dead_letter_queues = route_queues(environ, routes), route_dead_letter_queues(environ, routes)
    return Sources(
        {
            "ingest": (settings.intake_queue, settings.intake_dead_letter_queue),
            "archive": (settings.archive_queue, settings.archive_dead_letter_queue),
        },
        {route: (queues[route], dead_letter_queues[route]) for route in routes},
        settings.async_failures_queue,
        settings.failures_bucket,
        [collection.name for collection in pipeline.collections],
    )


@dataclass(slots=True)
class HealthMonitor:
    """Reports the health of the stages; responses are cached for two seconds, listings for half a minute."""

    sources: Callable[[], Sources]
    sqs: Callable[[], "SQSClient"]
    s3: Callable[[], "S3Client"]
    progress: CachedProgress
    clock: Callable[[], datetime]
    _cache: dict[str, tuple[datetime, Any]] = field(default_factory=dict, init=False)

    def document(self) -> Json:
        """Return the health document; None stands for a value that is not available now.

        Raises:
            Permanent: AWS rejects a request, or the environment lacks a route's queue.
        """
        return self._cached("all", _QUEUE_TTL, lambda: self._collect(self.sources()))

    def _collect(self, sources: Sources) -> Json:
        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            queues = {name: pool.submit(self._queue_status, *both) for name, both in sources.queues.items()}
            routes = {
                name: (
                    pool.submit(self._queue_status, *both),
                    pool.submit(self._stage_counts, route_stage(name), ("changes",)),
                )
                for name, both in sources.routes.items()
            }
            counts = {name: pool.submit(self._stage_counts, name, fields) for name, fields in _REPORTED_COUNTS.items()}
            files = pool.submit(self._or_none, lambda: self._message_counts(sources.files_failed))
            failure_counts = pool.submit(self._cached, "listed", _LISTING_TTL, lambda: self._failure_counts(sources))
            readers = pool.submit(self._or_none, self._stream_readers)
        return {
            "stages": _stages(queues, counts, readers.result()),
            "routes": [{"name": name} | queue.result() | sent.result() for name, (queue, sent) in routes.items()],
            "files_failed": _sum(files.result()),
        } | failure_counts.result()

    def _queue_status(self, queue_url: str, dead_letter_queue: str) -> Json:
        """Return the number of messages that wait in a queue, are in flight, and failed."""
        waiting = self._or_none(lambda: self._message_counts(queue_url))
        failed = self._or_none(lambda: self._message_counts(dead_letter_queue))
        return {
            "waiting": None if waiting is None else waiting[0],
            "in_work": None if waiting is None else waiting[1],
            "failed": _sum(failed),
        }

    def _stage_counts(self, stage: str, fields: Sequence[str]) -> Json:
        """Return the given counts of a stage, summed over its processes."""
        found: StageCounts | None = self._or_none(lambda: self.progress.counts_of(stage))
        return {name: None if found is None else getattr(found, name) for name in fields}

    def _message_counts(self, queue_url: str) -> tuple[int, int]:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with map_aws_errors():
            found: Any = self.sqs().get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def _stream_readers(self) -> Mapping[str, tuple[Freshness, int]]:
        changes = {stage: seen.changes for stage, seen in self.progress.stream_readers().items()}
        return {
            FANOUT: (self.progress.fanout_freshness(), changes[FANOUT]),
            AGGREGATE: (self.progress.aggregate_freshness(), changes[AGGREGATE]),
        }

    def _failure_counts(self, sources: Sources) -> Json:
        today = self.clock().date().isoformat()
        folders = [f"{QUARANTINE_PREFIX}{name}/date={today}/" for name in (*sources.collections, UNKNOWN_COLLECTION)]

        def count(prefix: str) -> int | None:
            return self._or_none(lambda: self._object_count(sources.failures_bucket, prefix))

        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            *quarantined, discarded = pool.map(count, [*folders, DISCARDED_PREFIX])
        counts = [found for found in quarantined if found is not None]
        return {
            "quarantined_today": sum(counts) if len(counts) == len(folders) else None,
            "given_up": discarded,
        }

    def _object_count(self, bucket: str, prefix: str) -> int:
        """Return the number of objects under a prefix, at most 1,000."""
        with map_aws_errors():
            return self.s3().list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"]

    def _or_none[T](self, ask: Callable[[], T]) -> T | None:
        """Return the result of a call; None if it fails now, so that the other values are still reported."""
        try:
            return ask()
        except Transient as error:
            logger().warning("health value not available", extra={"error": str(error)})
            return None

    def _cached[T](self, name: str, max_age: timedelta, ask: Callable[[], T]) -> T:
        now = self.clock()
        known = self._cache.get(name)
        if known is None or now - known[0] > max_age:
            known = self._cache[name] = (now, ask())
        found: T = known[1]
        return found


def _stages(
    queues: Mapping[str, "Future[Json]"],
    counts: Mapping[str, "Future[Json]"],
    readers: Mapping[str, tuple[Freshness, int]] | None,
) -> list[Json]:
    """Return the stages in the order in which changes pass through them."""
    stages: list[Json] = []
    for name in ("api", "load", "ingest", FANOUT, AGGREGATE, "archive", "catalog"):
        if name in counts:
            waiting = queues[name].result() if name in queues else {}
            stages.append({"name": name} | waiting | counts[name].result())
        elif readers is None:
            stages.append({"name": name, "newest_change": None, "age_s": None, "behind_s": None, "changes": None})
        else:
            fresh, changes = readers[name]
            stages.append({"name": name} | fresh.document() | {"changes": changes})
    return stages


def _sum(counts: tuple[int, int] | None) -> int | None:
    return None if counts is None else sum(counts)
