"""The freshness of the aggregates, read from the progress table at most once a second."""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct, field

from tailrace.aws.monitoring.progress import ProgressReader, ReaderProgress
from tailrace.aws.monitoring.throughput import StageCounts
from tailrace.aws.runtime.recency import is_recent
from tailrace.queries.freshness import AGGREGATE, FANOUT, Freshness, freshness

_CACHE_TTL = timedelta(seconds=1)


class CachedProgress(Struct):
    """The progress of the stream readers, and the counts of the other stages.

    Progress is cached for a second: it is understated by a second at most, and many readers cost one read.
    """

    progress: ProgressReader
    clock: Callable[[], datetime]
    _cached: dict[str, ReaderProgress] = field(default_factory=dict)
    _cached_at: datetime | None = None

    def aggregate_freshness(self) -> Freshness:
        """Return the freshness of the aggregates.

        Raises:
            Transient: the table cannot be read now.
            Permanent: the table rejects the request.
        """
        by_stage = self.stream_readers()
        return freshness(by_stage[AGGREGATE].shards, by_stage[FANOUT].shards, self.clock())

    def fanout_freshness(self) -> Freshness:
        """Return the freshness of fanout; raises like :meth:`aggregate_freshness`."""
        by_stage = self.stream_readers()
        return freshness(by_stage[FANOUT].shards, by_stage[AGGREGATE].shards, self.clock())

    def counts_of(self, stage: str) -> StageCounts:
        """Return the counts of another stage, uncached; raises like :meth:`aggregate_freshness`."""
        return self.progress.counts_of(stage, self.clock())

    def stream_readers(self) -> dict[str, ReaderProgress]:
        """Return the recorded progress of the stream readers; raises like :meth:`aggregate_freshness`."""
        now = self.clock()
        if self._cached_at is None or not is_recent(self._cached_at, now, _CACHE_TTL):
            self._cached = {stage: self.progress.reader_progress(stage, now) for stage in (AGGREGATE, FANOUT)}
            self._cached_at = now
        return self._cached
