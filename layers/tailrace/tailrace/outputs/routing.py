"""Routing: which changes go to the archive, to which routes, and to quarantine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import localcontext
from typing import NamedTuple

from tailrace.aggregation.plan import plan_of
from tailrace.definition.collection import Collection
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import item_key
from tailrace.encoding.numbers import EXACT
from tailrace.errors import InvalidItem, Violation
from tailrace.inputs.changes import Change, RawBatch, UnreadableRecord, is_sentinel, read_record
from tailrace.inputs.effects import change_kind, unknown_collection
from tailrace.outputs.envelopes import EventText, envelope
from tailrace.outputs.prepared_images import ABSENT_TEXT, DecodedImage, PreparedImages, PreparedItem
from tailrace.outputs.quarantine import quarantine_object
from tailrace.outputs.stored_object import StoredObject


class OutgoingEvent(NamedTuple):
    """One event to send to a queue; ``sequence`` is that of its change, for the checkpoint."""

    sequence: int
    event: EventText
    text: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The quarantine report of one change; ``sequence`` is for the checkpoint."""

    sequence: int
    object: StoredObject


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Everything that a batch sends: events for the archive, events by route, and quarantine reports."""

    archive: list[OutgoingEvent] = field(default_factory=list)
    routes: Mapping[str, list[OutgoingEvent]] = field(default_factory=dict)
    quarantine: list[Quarantined] = field(default_factory=list)


def dispatch(batch: RawBatch, pipeline: Pipeline, images: PreparedImages) -> Dispatch:
    """Decide where each change of a batch goes, without sending anything."""
    result = Dispatch(routes={route.name: [] for route in pipeline.routes})
    for record, position in zip(batch.records, batch.positions, strict=True):
        change = read_record(record, batch.shard, position, images.decode)
        if isinstance(change, UnreadableRecord):
            if is_sentinel(record):
                continue
            violations = [Violation("", "record", change.reason)]
            stored = _report(change.event_id, change.time, None, None, record, violations, batch.shard)
        else:
            violations = _dispatch_change(change, pipeline, images, result)
            if not violations:
                continue
            item = None if change.new is None else change.new.fields
            stored = _report(change.event_id, change.time, change.collection, change.id, item, violations, change.shard)
        result.quarantine.append(Quarantined(position.sequence, stored))
    return result


def _dispatch_change(
    change: Change[DecodedImage], pipeline: Pipeline, images: PreparedImages, result: Dispatch
) -> list[Violation]:
    """Add a change's event to the archive and the matching routes; return what is wrong with its new item."""
    collection = pipeline.collections_by_name.get(change.collection)
    if collection is None:
        return [] if change.new is None else list(unknown_collection(change.collection, pipeline).violations)
    old = None if change.old is None else images.prepare(collection, change.old)
    new = None if change.new is None else images.prepare(collection, change.new)
    violations = list(new.violations) if isinstance(new, InvalidItem) else []
    before = old if isinstance(old, PreparedItem) else None
    after = new if isinstance(new, PreparedItem) else None
    kind = change_kind(before is not None, after is not None, expired=change.expired)
    if kind is None:
        return violations
    event = envelope(
        event_id=change.event_id,
        source=change.source or "tailrace",
        collection=change.collection,
        subject=change.id,
        time=change.time,
        kind=kind,
        old=ABSENT_TEXT if before is None else before.text,
        new=ABSENT_TEXT if after is None else after.text,
        shard=change.shard,
        sequence=change.sequence,
    )
    outgoing = OutgoingEvent(change.sequence, event, event.text)
    result.archive.append(outgoing)
    # a route gets the changes for whose old or new item its predicate holds
    for position, route in enumerate(images.routes[collection.name]):
        old_matches = before is not None and before.matches[position] is True
        if old_matches or (after is not None and after.matches[position] is True):
            result.routes[route.name].append(outgoing)
    if after is None or change.new is None:
        return violations
    images.remember(item_key(change.collection, change.id), change.new)
    # a failure on the old item was reported when that item arrived
    failures = [one for one in after.matches if isinstance(one, InvalidItem)]
    failures += _uncountable(after.item, collection, pipeline)
    return [violation for failure in failures for violation in failure.violations]


def _uncountable(item: Item, collection: Collection, pipeline: Pipeline) -> list[InvalidItem]:
    """Return why some aggregates cannot count an item; empty for most items.

    Reported here, not by the aggregate stage, so that counting does not depend on the failures bucket.
    """
    plan = plan_of(pipeline)
    delta_cache = plan.delta_caches.get(collection.name)
    with localcontext(EXACT):  # as in the fold, which may share the cache
        if delta_cache is not None and delta_cache.can_count(item):
            return []
        contributions = plan.evaluators[collection.name].contributions(item)
    return [contribution for contribution in contributions if isinstance(contribution, InvalidItem)]


def _report(  # noqa: PLR0913, PLR0917 - the members of a report
    event_id: str,
    time: str,
    collection: str | None,
    item_id: str | None,
    item: object,
    violations: list[Violation],
    shard: str | None,
) -> StoredObject:
    origin = {"event": event_id} | ({"shard": shard} if shard else {})
    return quarantine_object(
        entrance="stream",
        collection=collection,
        id=item_id,
        item=item,
        violations=violations,
        origin=origin,
        time=time,
    )
