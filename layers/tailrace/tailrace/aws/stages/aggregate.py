"""The aggregate stage: decode, validate, transform, fold, commit."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.row_changes import FoldResult
from tailrace.aws.aggregates.commit import Committer, Failed, LateChanges, Outcome, SumOverflow, checkpoint
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.monitoring.progress import Progress
from tailrace.aws.runtime.stream_response import stream_response
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import Transient
from tailrace.inputs.changes import RawBatch, parse_raw_batch


@dataclass(frozen=True, slots=True)
class Aggregator:
    """Keeps the aggregates table of a pipeline."""

    pipeline: Pipeline
    committer: Committer
    lineages: Lineages
    progress: Progress

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Absorb one batch of the stream and answer with the first change that is not absorbed, if there is one.

        Raises:
            Permanent: the table refuses the writes for good; the mapping delivers the batch again until it is mended.
        """
        batch = parse_raw_batch(event)
        if not batch.records:
            return stream_response(event, None)
        try:
            lineage = None if batch.shard is None else self.lineages.of(batch.shard, batch.stream)
        except Transient as error:
            logger().warning("the shard's lineage cannot be found out, all to be delivered again: %s", error)
            return stream_response(event, batch.positions[0].sequence)
        folded = fold_records(batch.records, self.pipeline, lane_seed="" if lineage is None else lineage.mark)
        outcomes = self.committer.commit([*folded.rows, *folded.group_list_changes], lineage)
        _report(batch, folded, outcomes)
        again_from = checkpoint(outcomes)
        self.progress.advance(batch.shard, batch.positions, again_from)
        return stream_response(event, again_from)


def _report(batch: RawBatch, folded: FoldResult, outcomes: list[Outcome]) -> None:
    late = Counter[str]()
    for outcome in outcomes:
        if isinstance(outcome, LateChanges):
            late[outcome.aggregate] += outcome.changes
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, SumOverflow)]
    if batch.shard is None:
        logger().warning("the event names no shard: folded without marks, so a second delivery would count twice")
    for poison in folded.poison:
        logger().warning("not counted", extra={"event": poison.event_id, "aggregate": poison.aggregate})
    for failure in failed[:1]:
        logger().warning(
            "rows not written, to be delivered again", extra={"rows": len(failed), "error": str(failure.error)}
        )
    for translate_item_error in refused:
        place = {
            "pk": translate_item_error.key[0][:200],
            "sk": translate_item_error.key[1][:200],
            "sequence": translate_item_error.sequence,
        }
        logger().error("the table cannot hold this row's sum; the row goes on without this change", extra=place)
    for aggregate, changes in late.items():
        logger().warning("came after keep had passed, not counted", extra={"aggregate": aggregate, "changes": changes})
        count_metrics({"aggregate": aggregate}, ChangesTooLate=changes)
    count_metrics(
        ChangesRead=len(batch.records),
        RowsTouched=len(folded.group_list_changes) + sum(1 + len(row.value_changes) for row in folded.rows),
        RowsFailed=len(failed),
        RowsRefused=len(refused),
        ItemsNotCounted=len(folded.poison),
        ChangesWithoutShard=len(batch.records) if batch.shard is None else 0,
    )
