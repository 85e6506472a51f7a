"""The aggregate stage: decode, validate, transform, fold; then commit, or carry."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Self

from msgspec import Struct, field
from msgspec.structs import replace

from tailrace.aggregation.carried.rows import merged
from tailrace.aggregation.carried.state import CarriedState
from tailrace.aggregation.counted_images import CountedImages
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aggregation.row_changes import MAX_ROWS, PartlyAbsorbed, Poison, RowChange
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.aggregates.outcomes import Failed, LateChanges, Outcome, RowTooLarge, SumOverflow, checkpoint
from tailrace.aws.backfill.feed import FedRows
from tailrace.aws.backfill.feeder import Feeder, View
from tailrace.aws.backfill.outstanding_rows import OutstandingRows
from tailrace.aws.backfill.stream_pages import StreamPages
from tailrace.aws.monitoring.progress import ProgressReader, ProgressWriter
from tailrace.aws.runtime.deadlines import remaining_time_ms, timely
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.aws.runtime.trace_logs import log_records
from tailrace.aws.stages.pace import Pace
from tailrace.aws.stages.stream_response import stream_response
from tailrace.aws.stages.write_behind import Absorb, WriteBehind
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.keys import key_owner
from tailrace.errors import Transient
from tailrace.inputs.changes import RawBatch, StreamPosition, parse_raw_batch

_MIN_TIME_LEFT_MS = 60_000
"""What committing may take: half of the function's time. A batch that takes longer to fold is committed in parts, too,
since as a whole it would time out each time."""

_LONGEST_CALL_MS = 40_000
"""What a call of the table takes that gets no response, with its retries, and a little more: none is begun later."""


_QUICK = 0.875
"""The share of the time left after a part that was committed quickly: the next one may have more rows."""


class _Folded(NamedTuple):
    """What a batch, or the first part of one, does: to which rows, under which mark; the items that cannot be counted.

    ``rest`` are the changes that were not folded, because enough rows are touched or no time is left.
    """

    batch: RawBatch
    rest: RawBatch
    lineage: Lineage | None
    rows: FedRows
    poison: Sequence[Poison]
    needs_marks: bool


class Aggregator(Struct, frozen=True):
    """Maintains the aggregates table of a pipeline.

    Attributes:
        pipeline: what is aggregated.
        write_behind_s: for how long changes may wait in their window's state; 0 commits each batch.
        images: those that this process has counted.
        pace: how many rows it commits at once.
        has_time: whether a write may begin in this invocation.
    """

    pipeline: Pipeline
    committer: Committer
    lineages: Lineages
    feeder: Feeder
    progress: ProgressWriter
    write_behind_s: int = 0
    images: CountedImages = field(default_factory=CountedImages)
    pace: Pace = field(default_factory=Pace)
    has_time: Callable[[], bool] = lambda: True

    def __call__(self, event: Mapping[str, Any], context: object = None) -> dict[str, Any]:
        """Absorb one batch of the stream, and report the first change that was not absorbed, if any.

        ``context`` is Lambda's, which says how much time the invocation has left.

        Raises:
            Transient: what was carried could not be committed when its window ended; Lambda invokes again.
            Permanent: the table rejects the writes; the mapping redelivers the batch until the cause is fixed.
        """
        batch = parse_raw_batch(event)
        if not batch.records and not (batch.shard and (event.get("state") or self.write_behind_s)):
            return stream_response(event, None)
        time_left_ms = remaining_time_ms(context)
        try:
            return self._within(time_left_ms).deliver(event, batch, time_left_ms)
        except Transient as error:
            if not batch.records:
                raise  # such a response could name no change to deliver again
            logger().warning("the whole batch will be redelivered: %s", error)
            return stream_response(event, batch.positions[0].sequence)

    def _within(self, time_left_ms: Callable[[], int]) -> Self:
        """Return the stage for an invocation, which begins no write when little time is left."""
        enough_ms = min(_LONGEST_CALL_MS, time_left_ms() // 3)  # a third of what a function with a shorter timeout has
        has_time = lambda: time_left_ms() >= enough_ms  # noqa: E731
        committer = replace(self.committer, client=timely(self.committer.client, has_time))
        return replace(self, committer=committer, has_time=has_time)

    def deliver(self, event: Mapping[str, Any], batch: RawBatch, time_left_ms: Callable[[], int]) -> dict[str, Any]:
        """Absorb one batch within an invocation's time.

        Raises:
            Transient: the whole batch must be delivered again.
            Permanent: as the call of the stage.
        """
        behind, absorb = self._write_behind(), partial(self._absorb, time_left_ms=time_left_ms)
        if batch.records:
            self._lineage(batch)
        view = behind.doubt_forgotten(event, batch, self.feeder.look(batch.shard, self.pipeline))
        if batch.records and not view.shard.exists:
            view = self._doubt_unread(batch, view)
            behind.settle_ancestors(batch, absorb)
        carried = behind.carried(event, batch, view)
        if carried is not None and not self.pace.allows(carried.rows):
            carried = None  # the changes are read from the stream again, and committed in parts
        if view.shard.outstanding is not None and carried is None:
            return stream_response(event, behind.catch_up(batch, view.shard, absorb), {})
        if not batch.records:
            retry_from = None if carried is None else self._commit_carried(batch, view, carried, None, absorb)
            return stream_response(event, retry_from, {})
        folded = self._fold(batch, view, time_left_ms)
        state = None if folded.rest.records else behind.carry(event, batch, view, carried, folded.rows.live)
        if state is not None:
            _report(batch, folded.poison, (), [])
            log_records("changes carried", batch.records, (), batch.shard)
            return stream_response(event, None, state)
        if carried is not None:
            retry_from = self._commit_carried(folded.batch, view, carried, folded, absorb)
        else:
            # its own number must be known afterwards, so that a late delivery of this batch is not carried
            retry_from = self._commit(folded, time_left_ms, always=self.write_behind_s > 0)
        if retry_from is None and folded.rest.records:
            retry_from = absorb(folded.rest)
        return stream_response(event, retry_from, {})

    def _doubt_unread(self, batch: RawBatch, view: View) -> View:
        """Record what this stage has never read, and return the view then.

        The mapping was disabled for a day, for example. A shard is open for some hours, so the first batch after that
        is the first one of a shard.
        """
        unread = ProgressReader(self.progress.client, self.progress.table).unread(self.feeder.clock())
        if not unread:
            return view
        self.feeder.doubt_unread(unread)
        return self.feeder.look(batch.shard, self.pipeline)

    def _absorb(self, batch: RawBatch, time_left_ms: Callable[[], int]) -> int | None:
        """Commit changes part by part while there is time, as if each part was delivered now.

        They are the rest of a batch, or read from the stream again.
        """
        while batch.records:
            try:
                folded = self._next_part(batch, time_left_ms)
            except Transient as error:
                first = batch.positions[0].sequence
                logger().warning("the rest of the changes will be redelivered: %s", error, extra={"sequence": first})
                self.progress.advance(batch.shard, batch.positions, first)
                return first
            retry_from = self._commit(folded, time_left_ms, always=True)
            if retry_from is not None:
                return retry_from
            batch = folded.rest
        return None

    def _next_part(self, batch: RawBatch, time_left_ms: Callable[[], int]) -> _Folded:
        if time_left_ms() < _MIN_TIME_LEFT_MS:
            raise Transient("no time is left")
        return self._fold(batch, self.feeder.look(batch.shard, self.pipeline), time_left_ms)

    def _fold(self, batch: RawBatch, view: View, time_left_ms: Callable[[], int]) -> _Folded:
        """Fold a batch, or the first part of one, and journal what is about to be committed."""
        lineage = self._lineage(batch)
        feed = self.feeder.feed(view, batch)
        mark = "" if lineage is None else lineage.mark
        records = _in_time(batch.records, time_left_ms)
        folded = fold_records(records, self.pipeline, mark, self.images, min(MAX_ROWS, self.pace.rows))
        part, rest = batch.divided(folded.records)
        rows = feed.rows([*folded.rows, *folded.group_list_changes], part)
        self.feeder.write(feed, part, mark, rows, self.pipeline, self.has_time)
        return _Folded(part, rest, lineage, rows, folded.poison, feed.needs_marks)

    def _commit(self, folded: _Folded, time_left_ms: Callable[[], int], *, always: bool = False) -> int | None:
        """Commit what was folded, and return the first change that was not absorbed, if any."""
        batch, lineage, rows, at_first_ms = folded.batch, folded.lineage, folded.rows, time_left_ms()
        outcomes = self.committer.commit(rows.live, lineage)
        if rows.building:
            outcomes += self.committer.commit(rows.building, lineage, expire_empty=False)
        _report(batch, folded.poison, [*rows.live, *rows.building], outcomes)
        retry_from = checkpoint(outcomes)
        quick, first = time_left_ms() >= _QUICK * at_first_ms, batch.positions[0].sequence
        self.pace.learn(batch.shard, first, [*rows.live, *rows.building], outcomes, quick=quick)
        undone = [] if retry_from is None else [one.sequence for one in batch.positions if one.sequence >= retry_from]
        log_records("changes counted", batch.records, undone, batch.shard)
        self.progress.advance(batch.shard, batch.positions, retry_from, always=always or folded.needs_marks)
        return retry_from

    def _commit_carried(
        self, batch: RawBatch, view: View, carried: CarriedState, folded: _Folded | None, absorb: Absorb
    ) -> int | None:
        """Commit what was carried, and what the batch does, if it has any changes.

        Raises:
            Transient: some row could not be written; the batch must be delivered again, with the same state.
        """
        shard, outstanding = str(batch.shard), carried.outstanding
        rows = merged(carried.rows, () if folded is None else folded.rows.live)
        outcomes = self.committer.commit(rows, self.lineages.find(shard, batch.stream))
        _report(batch, () if folded is None else folded.poison, rows, outcomes)
        errors = [outcome.error for outcome in outcomes if isinstance(outcome, Failed)]
        self.pace.learn(shard, outstanding.start, rows, outcomes)
        behind = self._write_behind()
        if any(isinstance(error, PartlyAbsorbed) for error in errors):
            return behind.catch_up(batch, view.shard, absorb)
        if errors:
            raise Transient(f"{len(errors)} rows were not written") from errors[0]
        log_records("changes counted", batch.records, (), shard)
        positions = batch.positions or [StreamPosition(outstanding.through, carried.newest)]
        earlier = carried.changes if batch.positions else carried.changes - 1
        self.progress.advance(shard, positions, None, always=True, earlier=earlier)
        behind.rows.settle(shard, outstanding, positions[-1].sequence)
        return None

    def _lineage(self, batch: RawBatch) -> Lineage | None:
        return None if batch.shard is None else self.lineages.find(batch.shard, batch.stream)

    def _write_behind(self) -> WriteBehind:
        rows = OutstandingRows(self.feeder.client, self.feeder.progress, self.feeder.clock)
        return WriteBehind(self.write_behind_s, self.pipeline, self.feeder, rows, StreamPages(self.lineages))


def _in_time(records: Iterable[Mapping[str, Any]], time_left_ms: Callable[[], int]) -> Iterator[Mapping[str, Any]]:
    """Yield records while there is time, one at least."""
    enough_ms = min(_MIN_TIME_LEFT_MS, time_left_ms() // 2)  # half of what a function with a shorter timeout has
    for number, record in enumerate(records):
        if number and time_left_ms() < enough_ms:
            logger().warning("no time is left; changes will be redelivered", extra={"folded": number})
            return
        yield record


def _report(batch: RawBatch, poison: Iterable[Poison], rows: Sequence[RowChange], outcomes: list[Outcome]) -> None:
    poison = list(poison)
    late = Counter[str]()
    for outcome in outcomes:
        if isinstance(outcome, LateChanges):
            late[outcome.aggregate] += outcome.changes
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    overflows = [outcome for outcome in outcomes if isinstance(outcome, SumOverflow)]
    if batch.shard is None:
        logger().warning("the event names no shard: folded without marks, so a redelivery would count twice")
    for one in poison:
        logger().warning("item not counted", extra={"event": one.event_id, "aggregate": one.aggregate})
    for failure in failed[:1]:
        logger().warning(
            "rows not written; their changes will be redelivered",
            extra={"rows": len(failed), "error": str(failure.error)},
        )
    for overflow in overflows:
        where = {"aggregate": key_owner(overflow.key[0]), "sequence": overflow.sequence}  # not the key: it has content
        if isinstance(overflow, RowTooLarge):
            logger().error("a row is too large for the table, and loses its order measures", extra=where)
        else:
            logger().error("the table cannot hold the sum of a row; the row continues without this change", extra=where)
    for aggregate, changes in late.items():
        logger().warning(
            "changes after keep has passed, not counted", extra={"aggregate": aggregate, "changes": changes}
        )
        count_metrics({"aggregate": aggregate}, ChangesTooLate=changes)
    count_metrics(
        ChangesRead=len(batch.records),
        RowsTouched=sum(1 + len(row.value_changes) for row in rows),
        RowsFailed=len(failed),
        RowsRefused=len(overflows),
        ItemsNotCounted=len(poison),
        ChangesWithoutShard=len(batch.records) if batch.shard is None else 0,
    )
