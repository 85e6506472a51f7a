"""Routing: which changes go to the archive, to which routes, and to quarantine."""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from msgspec import Struct, field

from tailrace.aggregation.plan import plan_of
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.keys import item_key
from tailrace.errors import InvalidItem, Violation
from tailrace.inputs.changes import Change, RawBatch, UnreadableRecord, is_sentinel
from tailrace.inputs.effects import change_kind, unknown_collection
from tailrace.inputs.item_changes import UnmatchedItem, changes_of
from tailrace.outputs.envelopes import EventText, envelope
from tailrace.outputs.prepared_images import ABSENT_TEXT, DecodedImage, PreparedImages, PreparedItem
from tailrace.outputs.quarantine_reports import quarantine_object
from tailrace.outputs.stored_object import StoredObject

MAX_HELD_CHARACTERS = 64_000_000
"""How much is decided before it is sent. The changes of a batch have at most 6 MB, but a transform may make more of
them, and so may the reports of violations; a function that runs out of memory sends nothing."""


class OutgoingEvent(NamedTuple):
    """One event to send to a queue; ``sequence`` is that of its change, for the checkpoint."""

    sequence: int
    event: EventText
    text: str


class Quarantined(Struct, frozen=True):
    """The quarantine report of one change; ``sequence`` is for the checkpoint."""

    sequence: int
    object: StoredObject


class Dispatch(Struct):
    """Everything that a batch sends: events for the archive, events by route, and quarantine reports.

    ``unmatched`` counts the new items that no collection matches and that are left alone. ``undecided`` has the
    sequence numbers of the last changes, for which no time or room was left; ``characters`` is the size of all that is
    sent.
    """

    archive: list[OutgoingEvent] = field(default_factory=list)
    routes: Mapping[str, list[OutgoingEvent]] = field(default_factory=dict)
    quarantine: list[Quarantined] = field(default_factory=list)
    unmatched: int = 0
    undecided: Sequence[int] = ()
    characters: int = 0

    def quarantine_report(self, sequence: int, report: StoredObject) -> None:
        """Add the quarantine report of a change."""
        self.quarantine.append(Quarantined(sequence, report))
        self.characters += len(report.body)


class RoutedChange(NamedTuple):
    """Where one change goes: its event, if it has one, the names of the matching routes, and what is wrong with it.

    ``refused`` tells whether the new item is invalid, so that neither archive nor routes get it; ``failed_routes`` are
    those whose predicate failed on a valid one.
    """

    event: EventText | None
    routes: list[str]
    violations: list[Violation]
    refused: bool
    failed_routes: Sequence[str] = ()


def dispatch(
    batch: RawBatch, pipeline: Pipeline, images: PreparedImages, has_time: Callable[[], bool] = lambda: True
) -> Dispatch:
    """Decide where each change of a batch goes, without sending anything.

    The first change is decided in any case, the others as long as ``has_time`` returns true and all that is to be sent
    has at most ``MAX_HELD_CHARACTERS``.
    """
    result = Dispatch(routes={route.name: [] for route in pipeline.routes})
    for index, (record, position) in enumerate(zip(batch.records, batch.positions, strict=True)):
        if index and (result.characters > MAX_HELD_CHARACTERS or not has_time()):
            result.undecided = [one.sequence for one in batch.positions[index:]]
            break
        for change in changes_of(record, batch.shard, position, pipeline, images.decode):
            if isinstance(change, UnmatchedItem):
                result.unmatched += 1
            elif isinstance(change, Change):
                _add(result, change, route_change(change, pipeline, images))
            elif not is_sentinel(record):
                result.quarantine_report(position.sequence, _report_unreadable(change, batch.shard))
    return result


def _add(result: Dispatch, change: Change[DecodedImage], routed: RoutedChange) -> None:
    if routed.event is not None:
        outgoing = OutgoingEvent(change.sequence, routed.event, routed.event.text)
        result.archive.append(outgoing)
        result.characters += len(outgoing.text)
        for name in routed.routes:
            result.routes[name].append(outgoing)
    if routed.violations:
        result.quarantine_report(change.sequence, _report(change, routed))


def route_change(change: Change[DecodedImage], pipeline: Pipeline, images: PreparedImages) -> RoutedChange:
    """Decide where one change goes."""
    collection = pipeline.collections_by_name.get(change.collection)
    if collection is None:
        unknown = [] if change.new is None else list(unknown_collection(change.collection, pipeline).violations)
        return RoutedChange(None, [], unknown, refused=bool(unknown))
    old = None if change.old is None else images.prepare(collection, change.old)
    new = None if change.new is None else images.prepare(collection, change.new)
    before = old if isinstance(old, PreparedItem) else None
    after = new if isinstance(new, PreparedItem) else None
    violations = list(new.violations) if isinstance(new, InvalidItem) else []
    kind = change_kind(before is not None, after is not None, expired=change.expired)
    if kind is None:
        return RoutedChange(None, [], violations, refused=bool(violations))
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
    defined = images.routes[collection.name]
    matches = zip_longest(defined, before.matches if before else (), after.matches if after else ())
    # those whose predicate holds for the old or the new item
    routes = [route.name for route, old_matches, new_matches in matches if old_matches is True or new_matches is True]
    if after is None or change.new is None:
        return RoutedChange(event, routes, violations, refused=bool(violations))
    images.remember(item_key(change.collection, change.id), change.new)
    # a failure on the old item was reported when that item arrived
    tried = zip(defined, after.matches, strict=True)
    failed = {route.name: match for route, match in tried if isinstance(match, InvalidItem)}
    # reported here, not by the aggregate stage, so that counting does not depend on the failures bucket
    failures = [*failed.values(), *plan_of(pipeline).cached[collection.name].uncountable(after.item)]
    partial = [violation for failure in failures for violation in failure.violations]
    return RoutedChange(event, routes, partial, refused=False, failed_routes=list(failed))


def _report(change: Change[DecodedImage], routed: RoutedChange) -> StoredObject:
    return quarantine_object(
        entrance="stream",
        collection=change.collection,
        id=change.id,
        item=None if change.new is None else change.new.fields,
        violations=routed.violations,
        origin=_origin(change.event_id, change.shard),
        time=change.time,
        details={
            "sequence": str(change.sequence),
            "refused": routed.refused,
            "failed_routes": list(routed.failed_routes),
        },
    )


def _report_unreadable(unreadable: UnreadableRecord, shard: str | None) -> StoredObject:
    return quarantine_object(
        entrance="stream",
        collection=None,
        id=None,
        item=unreadable.record,
        violations=[Violation("", "record", unreadable.reason)],
        origin=_origin(unreadable.event_id, shard),
        time=unreadable.time,
        details={"sequence": str(unreadable.sequence), "refused": True},
    )


def _origin(event_id: str, shard: str | None) -> dict[str, str]:
    return {"event": event_id} | ({"shard": shard} if shard else {})
