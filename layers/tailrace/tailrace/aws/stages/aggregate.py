"""The aggregate stage: decode, validate, transform, fold, commit."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailrace.aggregation.counted_images import CountedImages
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.row_changes import FoldResult
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.aggregates.outcomes import Failed, LateChanges, Outcome, SumOverflow, checkpoint
from tailrace.aws.backfill.feed import FedRows
from tailrace.aws.backfill.feeder import Feeder
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.runtime.following import log_records
from tailrace.aws.runtime.stream_response import stream_response
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.keys import key_owner
from tailrace.errors import Transient
from tailrace.inputs.changes import RawBatch, parse_raw_batch


@dataclass(frozen=True, slots=True)
class Aggregator:
    """Maintains the aggregates table of a pipeline; ``images`` are those that this process has counted."""

    pipeline: Pipeline
    committer: Committer
    lineages: Lineages
    feeder: Feeder
    progress: ProgressWriter
    images: CountedImages = field(default_factory=CountedImages)

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Absorb one batch of the stream, and report the first change that was not absorbed, if any.

        Raises:
            Permanent: the table rejects the writes; the mapping redelivers the batch until the cause is fixed.
        """
        batch = parse_raw_batch(event)
        if not batch.records:
            return stream_response(event, None)
        try:
            lineage = None if batch.shard is None else self.lineages.find(batch.shard, batch.stream)
            feed = self.feeder.admit(batch, self.pipeline)
            mark = "" if lineage is None else lineage.mark
            folded = fold_records(batch.records, self.pipeline, mark, self.images)
            rows = feed.rows([*folded.rows, *folded.group_list_changes], batch)
            self.feeder.write(feed, batch, mark, rows, self.pipeline)
        except Transient as error:
            logger().warning("nothing was written; the whole batch will be redelivered: %s", error)
            return stream_response(event, batch.positions[0].sequence)
        outcomes = self.committer.commit(rows.live, lineage)
        if rows.building:
            outcomes += self.committer.commit(rows.building, lineage, expire_empty=False)
        _report(batch, folded, rows, outcomes)
        retry_from = checkpoint(outcomes)
        undone = [] if retry_from is None else [one.sequence for one in batch.positions if one.sequence >= retry_from]
        log_records("changes counted", batch.records, undone, batch.shard)
        self.progress.advance(batch.shard, batch.positions, retry_from, always=feed.needs_marks)
        return stream_response(event, retry_from)


def _report(batch: RawBatch, folded: FoldResult, rows: FedRows, outcomes: list[Outcome]) -> None:
    late = Counter[str]()
    for outcome in outcomes:
        if isinstance(outcome, LateChanges):
            late[outcome.aggregate] += outcome.changes
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    overflows = [outcome for outcome in outcomes if isinstance(outcome, SumOverflow)]
    if batch.shard is None:
        logger().warning("the event names no shard: folded without marks, so a redelivery would count twice")
    for poison in folded.poison:
        logger().warning("item not counted", extra={"event": poison.event_id, "aggregate": poison.aggregate})
    for failure in failed[:1]:
        logger().warning(
            "rows not written; their changes will be redelivered",
            extra={"rows": len(failed), "error": str(failure.error)},
        )
    for overflow in overflows:
        where = {"aggregate": key_owner(overflow.key[0]), "sequence": overflow.sequence}  # not the key: it has content
        logger().error("the table cannot hold the sum of a row; the row continues without this change", extra=where)
    for aggregate, changes in late.items():
        logger().warning(
            "changes after keep has passed, not counted", extra={"aggregate": aggregate, "changes": changes}
        )
        count_metrics({"aggregate": aggregate}, ChangesTooLate=changes)
    count_metrics(
        ChangesRead=len(batch.records),
        RowsTouched=sum(1 + len(row.value_changes) for row in (*rows.live, *rows.building)),
        RowsFailed=len(failed),
        RowsRefused=len(overflows),
        ItemsNotCounted=len(folded.poison),
        ChangesWithoutShard=len(batch.records) if batch.shard is None else 0,
    )
