"""The fold: a batch of changes becomes, for each row that they touch, what to add to it.

A change adds what its new item is worth and takes back what its old item was worth. Nothing is read: the old
item comes with the change. Writes follow the rows touched, not the changes.
"""

import zlib
from collections.abc import Iterable, Mapping
from decimal import localcontext
from typing import Any

from tailrace.aggregation.delta_cache import Shortcut
from tailrace.aggregation.plan import Plan, plan_of
from tailrace.aggregation.row_changes import Folded, Rows
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.keys import LONGEST_ID
from tailrace.encoding.numbers import EXACT
from tailrace.inputs.changes import Change, decode_record
from tailrace.inputs.effects import Effect, effect_of


def fold_records(records: Iterable[Mapping[str, Any]], pipeline: Pipeline, lane: str = "") -> Folded:
    """Fold a batch of the stream's records, in their order, into what each touched row has to absorb.

    Collections that have a shortcut take it. ``lane`` says by which lane an aggregate with several is written: the same
    text, the same lane. A record that is no change of an item is passed over: the other reader of the stream puts it
    into quarantine.

    Raises:
        InvalidMessage: a record has no sequence number.
    """
    rows = Rows(zlib.crc32(lane.encode()))
    plan = plan_of(pipeline)
    shortcuts = plan.shortcuts
    with localcontext(EXACT):
        for record in records:
            try:
                body = record["dynamodb"]
                sequence = int(body["SequenceNumber"])
                name, _, item_id = body["Keys"]["pk"]["S"].partition("#")
                shortcut = shortcuts.get(name)
                if shortcut is not None and shortcut.images and 1 <= len(item_id) <= LONGEST_ID:
                    old, new = body.get("OldImage"), body.get("NewImage")
                    certain = new is not None or not shortcut.keeps_expired
                    if certain and shortcut.add(rows, sequence, old, new):
                        continue
            except (KeyError, TypeError, ValueError, AttributeError):
                shortcut = None  # what is wrong with it is told by who looks closely
            change = decode_record(record, None)
            if isinstance(change, Change):
                by_items = None if shortcut is None or shortcut.images else shortcut
                absorb(rows, effect_of(change, pipeline), plan, by_items)
    return rows.folded()


def absorb(rows: Rows, effect: Effect, plan: Plan, shortcut: Shortcut | None) -> None:
    """Add a change, by a shortcut for items or the plain words of the definition."""
    change, collection = effect.change, effect.collection
    if collection is None or (change.expired and collection.on_expiry == "keep"):
        return
    if shortcut is None or not shortcut.add(rows, change.sequence, effect.old, effect.new):
        appraiser = plan.appraisers[collection.name]
        worth = appraiser.worth_of(effect.old), appraiser.worth_of(effect.new)
        rows.count(appraiser.aggregates, change.event_id, change.sequence, *worth)
