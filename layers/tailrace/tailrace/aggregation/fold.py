"""The fold: it turns a batch of changes into a list of deltas for each row that the batch touches.

A change adds the contributions of its new item and retracts those of its old one. The fold reads nothing, because the
old item comes with the change. The number of writes depends on the rows touched, not on the changes.
"""

import zlib
from collections.abc import Iterable, Mapping
from decimal import localcontext
from typing import Any

from tailrace.aggregation.delta_cache import DeltaCache
from tailrace.aggregation.plan import Plan, plan_of
from tailrace.aggregation.row_changes import FoldResult, RowAccumulator
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.numbers import EXACT
from tailrace.inputs.effects import Effect, derive_effect
from tailrace.inputs.item_changes import decoded_changes


def fold_records(records: Iterable[Mapping[str, Any]], pipeline: Pipeline, lane_seed: str = "") -> FoldResult:
    """Fold a batch of stream records, in order, into the deltas of each row touched.

    ``lane_seed`` selects the lane of aggregates with several: the same text selects the same lane. Records that are not
    changes of an item are skipped; ``fanout``, the stream's other reader, quarantines them.

    Raises:
        InvalidMessage: a record has no sequence number.
    """
    rows = RowAccumulator(zlib.crc32(lane_seed.encode()))
    plan = plan_of(pipeline)
    with localcontext(EXACT):
        for change in decoded_changes(records, pipeline):
            absorb(rows, derive_effect(change, pipeline), plan, plan.delta_caches.get(change.collection))
    return rows.result()


def absorb(rows: RowAccumulator, effect: Effect, plan: Plan, delta_cache: DeltaCache | None) -> None:
    """Add a change to the rows, by the delta cache if there is one and it can handle the change, else by evaluation."""
    change, collection = effect.change, effect.collection
    if collection is None or (change.expired and collection.on_expiry == "keep"):
        return
    if delta_cache is None or not delta_cache.add(rows, change.sequence, effect.old, effect.new):
        evaluator = plan.evaluators[collection.name]
        contributions = evaluator.contributions_of(effect.old), evaluator.contributions_of(effect.new)
        rows.add_contributions(evaluator.aggregates, change.event_id, change.sequence, *contributions)
