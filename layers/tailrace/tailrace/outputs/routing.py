"""Routing: which changes go to the archive, to which routes, and to quarantine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tailrace.aggregation.plan import plan_of
from tailrace.definition.failures import describe_failure
from tailrace.definition.pipeline import Pipeline, Route
from tailrace.encoding.json_types import Item, Json
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import InvalidItem, Violation
from tailrace.inputs.changes import ChangeBatch, is_sentinel
from tailrace.inputs.effects import Effect, derive_effect
from tailrace.outputs.envelopes import envelope
from tailrace.outputs.quarantine import quarantine_object
from tailrace.outputs.stored_object import StoredObject


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """One event to send to a queue; ``sequence`` is that of its change, for the checkpoint."""

    sequence: int
    envelope: Json
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


def dispatch(batch: ChangeBatch, pipeline: Pipeline) -> Dispatch:
    """Decide where each change of a batch goes, without sending anything."""
    result = Dispatch(routes={route.name: [] for route in pipeline.routes})
    for unreadable in batch.unreadable:
        if is_sentinel(unreadable.record):
            continue
        violations = [Violation("", "record", unreadable.reason)]
        details = {"sequence": str(unreadable.sequence), "refused": True}
        origin = _origin(unreadable.event_id, batch.shard)
        stored = quarantine_object(
            entrance="stream",
            collection=None,
            id=None,
            item=unreadable.record,
            violations=violations,
            origin=origin,
            time=unreadable.time,
            details=details,
        )
        result.quarantine.append(Quarantined(unreadable.sequence, stored))
    for change in batch.changes:
        effect = derive_effect(change, pipeline)
        violations = [] if effect.rejection is None else list(effect.rejection.violations)
        event = envelope_for(effect)
        if event is not None:
            outgoing = OutgoingEvent(change.sequence, event, dumps(event))
            result.archive.append(outgoing)
            matching, failures = matching_routes(effect, pipeline.routes)
            for route in matching:
                result.routes[route.name].append(outgoing)
            violations += failures + uncountable_violations(effect, pipeline)
        if violations:
            result.quarantine.append(Quarantined(change.sequence, _report(effect, violations)))
    return result


def envelope_for(effect: Effect) -> Json | None:
    """Return the event of a change; None if neither version of its item is valid."""
    change, kind = effect.change, effect.kind
    if kind is None:
        return None
    data = {"old": effect.old, "new": effect.new, "shard": change.shard, "sequence": str(change.sequence)}
    return envelope(
        event_id=change.event_id,
        source=change.source or "tailrace",
        collection=change.collection,
        subject=change.id,
        time=change.time,
        kind=kind,
        data=data,
    )


def matching_routes(effect: Effect, routes: Iterable[Route]) -> tuple[list[Route], list[Violation]]:
    """Return the routes of a change, whose predicate holds for the old or the new item, and predicate failures."""
    matching: list[Route] = []
    failures: list[Violation] = []
    for route in routes:
        if route.of.name != effect.change.collection:
            continue
        matches = [route_matches(route, item) for item in (effect.old, effect.new) if item is not None]
        if any(matched is True for matched in matches):
            matching.append(route)
        # a failure on the old item was reported when that item arrived
        if effect.new is not None and isinstance(matches[-1], InvalidItem):
            failures.extend(matches[-1].violations)
    return matching, failures


def uncountable_violations(effect: Effect, pipeline: Pipeline) -> list[Violation]:
    """Return why some aggregates cannot count the new item; empty for most items.

    Reported here, not by the aggregate stage, so that counting does not depend on the failures bucket.
    """
    if effect.collection is None:
        return []
    contributions = plan_of(pipeline).evaluators[effect.collection.name].contributions_of(effect.new)
    return [
        violation
        for contribution in contributions
        if isinstance(contribution, InvalidItem)
        for violation in contribution.violations
    ]


def route_matches(route: Route, item: Item) -> bool | InvalidItem:
    """Return whether an item satisfies a route's predicate, or why the predicate failed."""
    try:
        return bool(route.when(item))
    except Exception as error:  # noqa: BLE001 - a user's predicate may raise anything; other routes are not affected
        return InvalidItem([Violation("", "when", f"route {route.name!r}: {describe_failure(error, route.when)}")])


def _report(effect: Effect, violations: list[Violation]) -> StoredObject:
    change = effect.change
    return quarantine_object(
        entrance="stream",
        collection=change.collection,
        id=change.id,
        item=change.new,
        violations=violations,
        origin=_origin(change.event_id, change.shard),
        time=change.time,
        details={"sequence": str(change.sequence), "refused": effect.rejection is not None},
    )


def _origin(event_id: str, shard: str | None) -> dict[str, str]:
    return {"event": event_id} | ({"shard": shard} if shard else {})
