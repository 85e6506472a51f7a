"""Routing: which changes go to the archive, to which routes, and to quarantine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tailrace.aggregation.plan import plan_of
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
        stored = _report(unreadable.event_id, unreadable.time, None, None, unreadable.record, violations, batch.shard)
        result.quarantine.append(Quarantined(unreadable.sequence, stored))
    for change in batch.changes:
        effect = derive_effect(change, pipeline)
        violations = [] if effect.rejection is None else list(effect.rejection.violations)
        event = _envelope_for(effect)
        if event is not None:
            outgoing = OutgoingEvent(change.sequence, event, dumps(event))
            result.archive.append(outgoing)
            matching, failures = _matching_routes(effect, pipeline.routes)
            for route in matching:
                result.routes[route.name].append(outgoing)
            violations += failures + _uncountable_violations(effect, pipeline)
        if violations:
            stored = _report(
                change.event_id, change.time, change.collection, change.id, change.new, violations, change.shard
            )
            result.quarantine.append(Quarantined(change.sequence, stored))
    return result


def _envelope_for(effect: Effect) -> Json | None:
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


def _matching_routes(effect: Effect, routes: Iterable[Route]) -> tuple[list[Route], list[Violation]]:
    """Return the routes of a change, whose predicate holds for the old or the new item, and predicate failures."""
    matching: list[Route] = []
    failures: list[Violation] = []
    for route in routes:
        if route.of.name != effect.change.collection:
            continue
        matches = [_route_matches(route, item) for item in (effect.old, effect.new) if item is not None]
        if any(matched is True for matched in matches):
            matching.append(route)
        # a failure on the old item was reported when that item arrived
        if effect.new is not None and isinstance(matches[-1], InvalidItem):
            failures.extend(matches[-1].violations)
    return matching, failures


def _uncountable_violations(effect: Effect, pipeline: Pipeline) -> list[Violation]:
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


def _route_matches(route: Route, item: Item) -> bool | InvalidItem:
    try:
        return bool(route.when(item))
    except Exception as error:  # noqa: BLE001 - a user's predicate may raise anything; other routes are not affected
        return InvalidItem([Violation("", "when", f"{route.name}: {type(error).__name__}: {error}")])


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
