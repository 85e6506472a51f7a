"""The fold: a batch of changes becomes, for each row that they touch, what to add to it.

A change adds what its new item is worth and takes back what its old item was worth. Nothing is read: the old
item comes with the change. Writes follow the rows touched, not the changes.
"""

import zlib
from collections.abc import Iterable, Mapping
from decimal import localcontext
from typing import Any

from tailrace.aggregation.delta_cache import DeltaCache
from tailrace.aggregation.plan import Plan, plan_of
from tailrace.aggregation.row_changes import FoldResult, RowAccumulator
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.keys import MAX_ID_CHARACTERS
from tailrace.encoding.numbers import EXACT
from tailrace.inputs.changes import Change, decode_record
from tailrace.inputs.effects import Effect, derive_effect


def fold_records(records: Iterable[Mapping[str, Any]], pipeline: Pipeline, lane_seed: str = "") -> FoldResult:
    """Fold a batch of the stream's records, in their order, into what each touched row has to absorb.

    Collections that have a shortcut take it. ``lane_seed`` says by which lane an aggregate with several is written: the
    same text, the same lane. A record that is no change of an item is passed over: the other reader of the stream puts
    it into quarantine.

    Raises:
        InvalidMessage: a record has no sequence number.
    """
    rows = RowAccumulator(zlib.crc32(lane_seed.encode()))
    plan = plan_of(pipeline)
    delta_caches = plan.delta_caches
    with localcontext(EXACT):
        for record in records:
            try:
                body = record["dynamodb"]
                sequence = int(body["SequenceNumber"])
                name, _, item_id = body["Keys"]["pk"]["S"].partition("#")
                delta_cache = delta_caches.get(name)
                if delta_cache is not None and delta_cache.reads_images and 1 <= len(item_id) <= MAX_ID_CHARACTERS:
                    old, new = body.get("OldImage"), body.get("NewImage")
                    cacheable = new is not None or not delta_cache.keeps_expired
                    if cacheable and delta_cache.add(rows, sequence, old, new):
                        continue
            except (KeyError, TypeError, ValueError, AttributeError):
                delta_cache = None  # what is wrong with it is told by who looks closely
            change = decode_record(record, None)
            if isinstance(change, Change):
                by_items = None if delta_cache is None or delta_cache.reads_images else delta_cache
                absorb(rows, derive_effect(change, pipeline), plan, by_items)
    return rows.result()


def absorb(rows: RowAccumulator, effect: Effect, plan: Plan, delta_cache: DeltaCache | None) -> None:
    """Add a change, by a shortcut for items or the plain words of the definition."""
    change, collection = effect.change, effect.collection
    if collection is None or (change.expired and collection.on_expiry == "keep"):
        return
    if delta_cache is None or not delta_cache.add(rows, change.sequence, effect.old, effect.new):
        evaluator = plan.evaluators[collection.name]
        contributions = evaluator.contributions_of(effect.old), evaluator.contributions_of(effect.new)
        rows.add_contributions(evaluator.aggregates, change.event_id, change.sequence, *contributions)
