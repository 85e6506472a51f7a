"""The fold: it turns a batch of changes into a list of deltas for each row that the batch touches.

A change adds the contributions of its new item and retracts those of its old one. The fold reads nothing, because the
old item comes with the change. The number of writes depends on the rows touched, not on the changes.
"""

import sys
import zlib
from collections.abc import Iterable, Mapping
from decimal import localcontext
from typing import Any

from tailrace.aggregation.counted_images import CountedImage, CountedImages
from tailrace.aggregation.evaluator import Evaluator
from tailrace.aggregation.plan import plan_of
from tailrace.aggregation.row_changes import FoldResult, RowAccumulator
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.numbers import EXACT
from tailrace.inputs.changes import Change, position_of
from tailrace.inputs.effects import Effect
from tailrace.inputs.item_changes import changes_of


def fold_records(
    records: Iterable[Mapping[str, Any]],
    pipeline: Pipeline,
    lane_seed: str = "",
    images: CountedImages | None = None,
    enough_rows: int = sys.maxsize,
) -> FoldResult:
    """Fold a batch of stream records, in order, into the deltas of each row touched.

    ``lane_seed`` selects the lane of aggregates with several: the same text selects the same lane. ``images`` remembers
    what images contribute, from one batch to the next; without it, each is evaluated anew. Records that are not changes
    of an item are skipped; ``fanout``, the stream's other reader, quarantines them. The fold ends with the record with
    which so many rows are touched as are ``enough_rows``.

    Raises:
        InvalidMessage: a record has no sequence number.
    """
    rows = RowAccumulator(zlib.crc32(lane_seed.encode()))
    images = CountedImages(0) if images is None else images
    evaluators = plan_of(pipeline).cached
    number = 0
    with localcontext(EXACT):
        for record in records:
            number += 1
            for change in changes_of(record, None, position_of(record), pipeline, images.decode):
                if isinstance(change, Change) and change.collection in evaluators:
                    _absorb(rows, change, evaluators[change.collection], images)
            if rows.touched >= enough_rows:
                break
    return rows.result(number)


def _absorb(rows: RowAccumulator, change: Change[CountedImage], evaluator: Evaluator, images: CountedImages) -> None:
    if change.expired and evaluator.collection.on_expiry == "keep":
        return
    old = evaluator.no_contributions if change.old is None else change.old.count(evaluator)
    new = evaluator.no_contributions if change.new is None else change.new.count(evaluator)
    rows.add_contributions(evaluator.aggregates, change.event_id, change.sequence, old, new)
    if change.new is not None:
        images.remember(change.new)


def absorb(rows: RowAccumulator, effect: Effect, evaluators: Mapping[str, Evaluator]) -> None:
    """Add a change to the rows, given the evaluators of a plan by collection."""
    change, collection = effect.change, effect.collection
    if collection is None or (change.expired and collection.on_expiry == "keep"):
        return
    evaluator = evaluators[collection.name]
    contributions = evaluator.contributions_of(effect.old), evaluator.contributions_of(effect.new)
    rows.add_contributions(evaluator.aggregates, change.event_id, change.sequence, *contributions)
