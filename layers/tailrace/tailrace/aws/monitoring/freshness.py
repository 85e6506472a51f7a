"""How fresh the aggregates are, asked of the progress table at most once a second."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tailrace.aws.monitoring.progress import ProgressReader, ReaderProgress
from tailrace.aws.monitoring.throughput import StageCounts
from tailrace.queries.freshness import AGGREGATE, FANOUT, Freshness, freshness

_CACHE_TTL = timedelta(seconds=1)


@dataclass(slots=True)
class CachedProgress:
    """Tells how far the readers of the stream have come, and what the other stages have counted.

    What is a second old serves once more: it says too little by a second at most, and many readers cost one read.
    """

    progress: ProgressReader
    clock: Callable[[], datetime]
    _seen: dict[str, ReaderProgress] = field(default_factory=dict, init=False)
    _seen_at: datetime | None = field(default=None, init=False)

    def aggregate(self) -> Freshness:
        """Return how fresh the aggregates are.

        Raises:
            Transient: the table cannot be read now.
            Permanent: the table refuses for good.
        """
        seen = self.readers()
        return freshness(seen[AGGREGATE].newest, seen[FANOUT].newest, self.clock())

    def fanout(self) -> Freshness:
        """Return how far fanout has come; it raises as :meth:`aggregate` does."""
        seen = self.readers()
        return freshness(seen[FANOUT].newest, seen[AGGREGATE].newest, self.clock())

    def counts_of(self, stage: str) -> StageCounts:
        """Return what another stage has counted, asked anew each time; it raises as :meth:`aggregate` does."""
        return self.progress.counts_of(stage)

    def readers(self) -> dict[str, ReaderProgress]:
        """Return what the readers have told of themselves; it raises as :meth:`aggregate` does."""
        now = self.clock()
        if self._seen_at is None or now - self._seen_at > _CACHE_TTL:
            self._seen = {stage: self.progress.read(stage) for stage in (AGGREGATE, FANOUT)}
            self._seen_at = now
        return self._seen
