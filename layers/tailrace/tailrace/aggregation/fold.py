"""The fold: it turns a batch of changes into a list of deltas for each row that the batch touches.

A change adds the contributions of its new item and retracts those of its old one. The fold reads nothing, because the
old item comes with the change. The number of writes depends on the rows touched, not on the changes.
"""

import sys
import zlib
from collections.abc import Iterable, Mapping
from decimal import localcontext
from typing import Any

from msgspec import Struct

from tailrace.aggregation.counted_images import CountedImage, CountedImages
from tailrace.aggregation.evaluator import Evaluator
from tailrace.aggregation.plan import plan_of
from tailrace.aggregation.row_changes import FoldResult, RowAccumulator
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.numbers import EXACT
from tailrace.inputs.changes import UNREADABLE, Change, position_of, read_versions, sequence_of
from tailrace.inputs.effects import Effect
from tailrace.inputs.item_changes import changes_of, is_expiry


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
    of an item are skipped; ``fanout``, the stream's other reader, quarantines them. The fold ends with the record that
    brings the touched rows to ``enough_rows``.

    Raises:
        InvalidMessage: a record has no sequence number.
    """
    images = CountedImages(0) if images is None else images
    fold = _Fold(pipeline, images, RowAccumulator(zlib.crc32(lane_seed.encode())), plan_of(pipeline).cached)
    absorb_record = fold.absorb_plain if pipeline.keys is None else fold.absorb_own
    number = 0
    with localcontext(EXACT):
        for record in records:
            number += 1
            absorb_record(record)
            if fold.rows.touched >= enough_rows:
                break
    return fold.rows.result(number)


class _Fold(Struct, frozen=True):
    pipeline: Pipeline
    images: CountedImages
    rows: RowAccumulator
    evaluators: Mapping[str, Evaluator]

    def absorb_plain(self, record: Mapping[str, Any]) -> None:
        """Absorb a record of a table with the engine's own keys. Only what counts is read from it."""
        sequence = sequence_of(record)
        try:
            collection, _, old, new, expired = read_versions(record, self.images.decode)
        except UNREADABLE:
            return
        if collection in self.evaluators:
            evaluator = self.evaluators[collection]
            expired = new is None and (expired or is_expiry(record, collection, self.pipeline))
            if not (expired and evaluator.collection.on_expiry == "keep"):
                self._absorb(evaluator, str(record.get("eventID", sequence)), sequence, old, new)

    def absorb_own(self, record: Mapping[str, Any]) -> None:
        """Absorb a record of a table with keys of its own: one change, two, or none."""
        for change in changes_of(record, None, position_of(record), self.pipeline, self.images.decode):
            if isinstance(change, Change) and change.collection in self.evaluators:
                evaluator = self.evaluators[change.collection]
                if not (change.expired and evaluator.collection.on_expiry == "keep"):
                    self._absorb(evaluator, change.event_id, change.sequence, change.old, change.new)

    def _absorb(
        self, evaluator: Evaluator, event_id: str, sequence: int, old: CountedImage | None, new: CountedImage | None
    ) -> None:
        before = evaluator.no_contributions if old is None else old.count(evaluator)
        after = evaluator.no_contributions if new is None else new.count(evaluator)
        self.rows.add_contributions(evaluator.aggregates, event_id, sequence, before, after)
        if new is not None:
            self.images.remember(new)


def absorb(rows: RowAccumulator, effect: Effect, evaluators: Mapping[str, Evaluator]) -> None:
    """Add a change to the rows, given the evaluators of a plan by collection."""
    change, collection = effect.change, effect.collection
    if collection is None or (change.expired and collection.on_expiry == "keep"):
        return
    evaluator = evaluators[collection.name]
    contributions = evaluator.contributions_of(effect.old), evaluator.contributions_of(effect.new)
    rows.add_contributions(evaluator.aggregates, change.event_id, change.sequence, *contributions)
