"""The fold: a batch of changes becomes one list of deltas for each row that it touches.

A change adds the contribution of its new item and retracts that of its old one. Nothing is read, because the old item
comes with the change. The number of writes follows the rows touched, not the changes.
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
from tailrace.inputs.changes import Change, decode_record
from tailrace.inputs.effects import Effect, derive_effect


def fold_records(records: Iterable[Mapping[str, Any]], pipeline: Pipeline, lane_seed: str = "") -> FoldResult:
    """Fold a batch of stream records, in their order, into what each touched row has to absorb.

    ``lane_seed`` chooses the lane of aggregates that have several: the same text gives the same lane. A record that is
    not a change of an item is skipped here; ``fanout``, the stream's other reader, quarantines it.

    Raises:
        InvalidMessage: a record has no sequence number.
    """
    rows = RowAccumulator(zlib.crc32(lane_seed.encode()))
    plan = plan_of(pipeline)
    with localcontext(EXACT):
        for record in records:
            change = decode_record(record, None)
            if isinstance(change, Change):
                absorb(rows, derive_effect(change, pipeline), plan, plan.delta_caches.get(change.collection))
    return rows.result()


def absorb(rows: RowAccumulator, effect: Effect, plan: Plan, delta_cache: DeltaCache | None) -> None:
    """Add a change to the rows: through the cache if there is one and it knows the case, else by the reference path."""
    change, collection = effect.change, effect.collection
    if collection is None or (change.expired and collection.on_expiry == "keep"):
        return
    if delta_cache is None or not delta_cache.add(rows, change.sequence, effect.old, effect.new):
        evaluator = plan.evaluators[collection.name]
        contributions = evaluator.contributions_of(effect.old), evaluator.contributions_of(effect.new)
        rows.add_contributions(evaluator.aggregates, change.event_id, change.sequence, *contributions)
