"""The health of the stages: what is waiting, what failed, and how far the stream readers are behind.

It reads only what is cheap and what the api's role allows: queue attributes, the first page of listings, and the
progress table, where stages record their throughput. CloudWatch has the age of the oldest message, the readers' lag in
milliseconds, and the alarms.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from tailrace.aws.monitoring.freshness import CachedProgress
from tailrace.aws.monitoring.throughput import StageCounts, route_stage
from tailrace.aws.runtime.clients import impatient_client
from tailrace.aws.runtime.deadlines import no_deadline
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.recency import is_recent
from tailrace.aws.runtime.settings import ApiSettings, RouteQueue, route_queues
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

_LONGEST_CALL_MS = 10_000
"""The time of a call without a response, and a little more: no call begins later, so that the others are reported."""

DISCARDED_PREFIX, QUARANTINE_PREFIX = "aws/lambda/", "quarantine/"
UNKNOWN_COLLECTION = "unknown"
"""The quarantine folder of items without a known collection."""

_REPORTED_COUNTS: Mapping[str, Mapping[str, str]] = {
    "api": {"changes": "changes", "failed": "failed"},
    "load": {"changes": "changes", "refused": "failed", "waited_s": "waited_s"},
    "ingest": {"changes": "changes"},
    "archive": {"changes": "changes"},
    "catalog": {"changes": "changes", "retried": "failed", "waited_s": "waited_s"},
}
"""The reported counts of each stage that is not a stream reader, and the names of these counts in its rows."""

_ENTRANCES = {"file": "load", "queue": "ingest", "stream": FANOUT}
"""The stage that refuses an item, by the entrance with which the name of a quarantine report begins."""


class Sources(Struct, frozen=True):
    """Where health comes from: queues by stage or route, with their dead-letter queues, and the failures bucket.

    ``writes_items`` tells whether the entrances may write to the items table.
    """

    queues: Mapping[str, tuple[str, str]]
    routes: Mapping[str, RouteQueue]
    files_failed: str
    failures_bucket: str
    collections: Sequence[str]
    writes_items: bool


def sources(settings: ApiSettings, pipeline: Pipeline) -> Sources:
    """Return the sources of a stack.

    Raises:
        SettingsError: the stack has no queue for a route.
    """
    return Sources(
        {
            "ingest": (settings.intake_queue, settings.intake_dead_letter_queue),
            "archive": (settings.archive_queue, settings.archive_dead_letter_queue),
        },
        route_queues(settings, [route.name for route in pipeline.routes]),
        settings.async_failures_queue,
        settings.failures_bucket,
        [collection.name for collection in pipeline.collections],
        settings.writes_items,
    )


class HealthMonitor(Struct):
    """Reports the health of the stages; responses are cached for two seconds, listings for half a minute."""

    sources: Callable[[], Sources]
    progress: CachedProgress
    clock: Callable[[], datetime]
    sqs: Callable[[], "SQSClient"] = lambda: impatient_client("sqs")
    s3: Callable[[], "S3Client"] = lambda: impatient_client("s3")
    _cache: dict[str, tuple[datetime, Any]] = field(default_factory=dict)
    _remaining_ms: Callable[[], int] = no_deadline

    def document(self, remaining_ms: Callable[[], int] = no_deadline) -> Json:
        """Return the health document; None stands for a value that is not available now, or not in time.

        Raises:
            Permanent: AWS rejects a request, or the stack lacks a route's queue.
        """
        self._remaining_ms = remaining_ms
        return self._cached("all", _QUEUE_TTL, lambda: self._collect(self.sources()))

    def _collect(self, sources: Sources) -> Json:
        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            queues = {name: pool.submit(self._queue_status, *both) for name, both in sources.queues.items()}
            routes = {
                name: (
                    pool.submit(self._queue_status, *both),
                    pool.submit(self._stage_counts, route_stage(name), {"changes": "changes"}),
                )
                for name, both in sources.routes.items()
            }
            counts = {name: pool.submit(self._stage_counts, name, names) for name, names in _REPORTED_COUNTS.items()}
            files = pool.submit(self._or_none, lambda: self._message_counts(sources.files_failed))
            failure_counts = pool.submit(self._cached, "listed", _LISTING_TTL, lambda: self._failure_counts(sources))
            readers = pool.submit(self._or_none, self._stream_readers)
        discarded, quarantined = failure_counts.result()
        stages = _stages(queues, counts, readers.result(), quarantined)
        refused, given_up = next(one["refused"] for one in stages if one["name"] == "load"), _sum(files.result())
        return {
            "stages": stages,
            "routes": [{"name": name} | queue.result() | sent.result() for name, (queue, sent) in routes.items()],
            "files_failed": None if given_up is None or refused is None else given_up + refused,
            "quarantined_today": quarantined["all"],
            "given_up": discarded,
            "write_entrances": "on" if sources.writes_items else "off",
        }

    def _queue_status(self, queue_url: str, dead_letter_queue: str) -> Json:
        """Return the number of messages that wait in a queue, are in flight, and failed."""
        waiting = self._or_none(lambda: self._message_counts(queue_url))
        failed = self._or_none(lambda: self._message_counts(dead_letter_queue))
        return {
            "waiting": None if waiting is None else waiting[0],
            "in_work": None if waiting is None else waiting[1],
            "failed": _sum(failed),
        }

    def _stage_counts(self, stage: str, names: Mapping[str, str]) -> Json:
        """Return counts of a stage, summed over its processes; ``names`` in the rows by name in the document."""
        found: StageCounts | None = self._or_none(lambda: self.progress.counts_of(stage))
        return {name: None if found is None else getattr(found, stored) for name, stored in names.items()}

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

    def _failure_counts(self, sources: Sources) -> tuple[int | None, Mapping[str, int | None]]:
        """Return the number of discarded batches, and of today's quarantine reports, in all and by stage."""
        today = self.clock().date().isoformat()
        # a collection may have the name of the folder of items without one
        names = dict.fromkeys((*sources.collections, UNKNOWN_COLLECTION))
        folders = [f"{QUARANTINE_PREFIX}{name}/date={today}/" for name in names]

        def list_names(prefix: str) -> Listing | None:
            return self._or_none(lambda: self._object_names(sources.failures_bucket, prefix))

        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            *quarantined, discarded = pool.map(list_names, [*folders, DISCARDED_PREFIX])
        by_stage = {stage: _count_named(quarantined, f"{entrance}-") for entrance, stage in _ENTRANCES.items()}
        return None if discarded is None else len(discarded.names), by_stage | {"all": _count_named(quarantined, "")}

    def _object_names(self, bucket: str, prefix: str) -> "Listing":
        """Return the names of the first 1,000 objects under a prefix."""
        with map_aws_errors():
            listed = self.s3().list_objects_v2(Bucket=bucket, Prefix=prefix)
        return Listing([one["Key"].removeprefix(prefix) for one in listed.get("Contents", ())], listed["IsTruncated"])

    def _or_none[T](self, ask: Callable[[], T]) -> T | None:
        """Return the result of a call; None if it fails now, so that the other values are still reported."""
        if self._remaining_ms() < _LONGEST_CALL_MS:
            logger().warning("health value not available", extra={"error": "no time is left"})
            return None
        try:
            return ask()
        except Transient as error:
            logger().warning("health value not available", extra={"error": str(error)})
            return None

    def _cached[T](self, name: str, max_age: timedelta, ask: Callable[[], T]) -> T:
        now = self.clock()
        known = self._cache.get(name)
        if known is None or not is_recent(known[0], now, max_age):
            known = self._cache[name] = (now, ask())
        found: T = known[1]
        return found


class Listing(Struct, frozen=True):
    """The names of the first objects under a prefix, and whether there are more."""

    names: Sequence[str]
    truncated: bool


def _count_named(listings: Sequence[Listing | None], start: str) -> int | None:
    """Return how many names have a prefix; None if a listing is unknown, or ends before it has reached them."""
    total = 0
    for listing in listings:
        found = 0 if listing is None else sum(name.startswith(start) for name in listing.names)
        if listing is None or (listing.truncated and found == 0):
            return None
        total += found
    return total


def _stages(
    queues: Mapping[str, "Future[Json]"],
    counts: Mapping[str, "Future[Json]"],
    readers: Mapping[str, tuple[Freshness, int]] | None,
    quarantined: Mapping[str, int | None],
) -> list[Json]:
    """Return the stages in the order in which changes pass through them."""
    stages: list[Json] = []
    for name in ("api", "load", "ingest", FANOUT, AGGREGATE, "archive", "catalog"):
        stage: Json = {"name": name}
        if name in counts:
            stage |= (queues[name].result() if name in queues else {}) | counts[name].result()
        elif readers is None:
            stage |= {"newest_change": None, "age_s": None, "behind_s": None, "changes": None}
        else:
            fresh, changes = readers[name]
            stage |= fresh.document() | {"changes": changes}
        stages.append(stage | ({"quarantined_today": quarantined[name]} if name in quarantined else {}))
    return stages


def _sum(counts: tuple[int, int] | None) -> int | None:
    return None if counts is None else sum(counts)
