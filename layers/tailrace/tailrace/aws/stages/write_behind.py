"""Write-behind: folded changes wait in the state of the shard's tumbling window, and are committed when it ends.

An invocation acknowledges what it carries, so that Lambda never delivers it again. Before that, the shard's row says
what is outstanding. A later invocation compares the state that it is handed with the row. Where they differ, it reads
the outstanding changes from the stream and commits them, as if they were delivered now; the marks of the rows skip what
was committed before. So nothing depends on the state: it may be lost, repeated or older. Everything depends on the row:
where a state comes without one, nothing that is fed is known to be exact any more.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from tailrace.aggregation.carried.state import MAX_STATE_BYTES, CarriedState, Outstanding, carried_on
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.backfill.feeder import Feeder, View
from tailrace.aws.backfill.outstanding_rows import OutstandingRows, ShardRow
from tailrace.aws.backfill.stream_pages import ChangesGone, StreamPages
from tailrace.aws.runtime.telemetry import logger
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import Transient
from tailrace.inputs.changes import RawBatch, StreamPosition

type Absorb = Callable[[RawBatch], int | None]
"""Commits a batch, and returns the first change that was not absorbed, if any."""

LOST = "acknowledged changes were not committed while the stream still kept them"
FORGOTTEN = "the progress row that named the acknowledged, uncommitted changes of a shard is gone"


class WriteBehind(Struct, frozen=True):
    """Carries what a shard's batches do to rows, and catches up where that was lost.

    Attributes:
        seconds: how long changes may wait: the length of the mapping's tumbling windows. 0 carries nothing; what was
            carried before is committed nevertheless.
        pipeline: what is aggregated.
        feeder: decides what is fed.
        rows: what each shard has outstanding.
        stream: reads changes again.

    Raises (each method):
        Transient: the batch must be delivered again.
        Permanent: a table or the stream rejects a request.
    """

    seconds: int
    pipeline: Pipeline
    feeder: Feeder
    rows: OutstandingRows
    stream: StreamPages

    def doubt_forgotten(self, event: Mapping[str, Any], batch: RawBatch, view: View) -> View:
        """Record that changes may be lost, if some were carried and the shard's row is gone; return the view then."""
        if batch.shard is None or view.shard.exists or not event.get("state"):
            return view
        self._tell_lost(batch.shard, FORGOTTEN)
        return self.feeder.look(batch.shard, self.pipeline)

    def carried(self, event: Mapping[str, Any], batch: RawBatch, view: View) -> CarriedState | None:
        """Return the event's state, if it holds just what is outstanding and can be added to."""
        outstanding = view.shard.outstanding
        if outstanding is None or view.has_job:
            return None
        if batch.records and batch.positions[0].sequence <= outstanding.through:
            return None  # delivered before: what the batch does is a part of what is carried
        return CarriedState.parse(event.get("state") or {}, outstanding, view.meaning(self.pipeline), self.pipeline)

    def carry(
        self,
        event: Mapping[str, Any],
        batch: RawBatch,
        view: View,
        before: CarriedState | None,
        rows: Iterable[RowChange],
    ) -> dict[str, Any] | None:
        """Return the state that carries a batch's rows and those before; None if they must be committed now."""
        is_final = event.get("isFinalInvokeForWindow") or event.get("isWindowTerminatedEarly")
        shard, first = view.shard, batch.positions[0].sequence
        if not self.seconds or is_final or view.has_job or not shard.exists or first <= shard.committed:
            return None
        after = carried_on(before, view.meaning(self.pipeline), batch.positions, rows)
        state = after.document()
        if len(state["rows"]) > MAX_STATE_BYTES:
            return None
        self.rows.carry(str(batch.shard), shard.outstanding, after.outstanding, after.oldest)
        return state

    def settle_ancestors(self, batch: RawBatch, absorb: Absorb) -> None:
        """Commit what earlier shards have left outstanding: a shard that has no row has just been opened."""
        outstanding = self.rows.read_outstanding()
        if batch.shard is None or not outstanding:
            return
        for shard in self._before(batch.shard, batch.stream, outstanding):
            if shard in outstanding:
                self.catch_up(RawBatch(batch.stream, shard, (), ()), outstanding[shard], absorb)

    def _before(self, shard: str, stream: str, outstanding: Iterable[str]) -> list[str]:
        """Return the shards whose changes may come before those of a new one, the oldest first."""
        lineages = self.feeder.lineages
        shards, mark = lineages.describe_stream(stream), lineages.find(shard, stream).mark
        if shards and shard not in shards:  # not listed yet, so it may come after any other
            return sorted({*outstanding} - {shard})
        found: list[str] = []
        known = shard
        while known in shards:
            parent = shards[known].parent
            if parent is None:
                break
            found.append(parent)
            known = parent
        others = {*outstanding} - {shard, *found}
        # nobody else comes back to a shard that is not listed any more, and its changes may be lost
        gone = {name for name in others if shards and name not in shards}
        # of some ancestors that are not listed, the second part of a split may be one that is listed late
        closed = {name for name in others & shards.keys() if known not in shards and shards[name].last is not None}
        # the description may be older than the one that showed which mark the shard continues
        sharing = {name for name in others if lineages.find(name, stream).mark == mark}
        return [*sorted(gone | closed | sharing), *found[::-1]]

    def catch_up(self, batch: RawBatch, row: ShardRow, absorb: Absorb) -> int | None:
        """Commit what is outstanding before a batch, and the batch; return its first change that was not absorbed.

        The batch may have no records, and it may be one that was delivered before.
        """
        shard, outstanding = batch.shard, row.outstanding
        if shard is None or outstanding is None:
            return absorb(batch)
        logger().warning("what was carried is read from the stream again", extra={"shard": shard})
        first = batch.positions[0].sequence if batch.records else None
        outstanding = self._read_again(batch, outstanding, first, absorb)
        if first is None or first > outstanding.through:
            self.rows.settle(shard, outstanding, outstanding.through)
            return absorb(batch) if batch.records else None
        retry_from = absorb(batch)
        last = _last_done(batch, retry_from)
        if last is not None and last.sequence >= outstanding.through:
            self.rows.settle(shard, outstanding, last.sequence)
        elif last is not None and last.sequence >= outstanding.start:
            self.rows.advance(shard, outstanding, last)
        return retry_from

    def _read_again(self, batch: RawBatch, outstanding: Outstanding, first: int | None, absorb: Absorb) -> Outstanding:
        """Commit the outstanding changes before number ``first``; return what is outstanding then."""
        shard = str(batch.shard)
        if outstanding.is_empty or (first is not None and first <= outstanding.start):
            return outstanding
        try:
            for page in self.stream.read(batch.stream, shard, outstanding, first):
                if self.feeder.is_too_old(page):
                    self._tell_lost(shard)
                retry_from = absorb(page)
                last = _last_done(page, retry_from)
                if last is not None:
                    outstanding = self.rows.advance(shard, outstanding, last)
                if retry_from is not None:
                    raise Transient("what was carried could not be committed")
        except ChangesGone:
            self._tell_lost(shard)
        return outstanding

    def _tell_lost(self, shard: str, reason: str = LOST) -> None:
        logger().error(reason, extra={"shard": shard})
        self.feeder.doubt(self.feeder.look(shard, self.pipeline), reason)


def _last_done(batch: RawBatch, retry_from: int | None) -> StreamPosition | None:
    """Return the last change before the first one that was not absorbed, if any."""
    done = [one for one in batch.positions if retry_from is None or one.sequence < retry_from]
    return done[-1] if done else None
