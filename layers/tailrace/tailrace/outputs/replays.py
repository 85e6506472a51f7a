"""Replays: what is sent again on an operator's request, marked with the extension ``replayed`` of CloudEvents."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from tailrace.definition.pipeline import Pipeline, Route
from tailrace.definition.route_names import resource_name
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import InvalidItem, InvalidMessage, NotFound, Violation
from tailrace.inputs.changes import Change, UnreadableRecord, position_of
from tailrace.inputs.item_changes import UNMATCHED, changes_of
from tailrace.outputs.envelopes import EventText
from tailrace.outputs.prepared_images import DecodedImage, PreparedImages, route_matches
from tailrace.outputs.routing import OutgoingEvent, route_change

REPLAYED = "replayed"
"""The extension attribute of replayed events; its value is true."""

ID_SUFFIX = "-replayed"
"""What the id of a replayed item's event ends in: an event with the id of the change may have been sent before."""


class ReplayedItems(Struct, frozen=True):
    """What a replay of quarantined items sends, and why others are still refused.

    The ``sequence`` of an event is the position of its record. ``violations`` has the positions of items that the
    pipeline still refuses, in whole or in part; those that it refuses in part are sent.
    """

    archive: list[OutgoingEvent] = field(default_factory=list)
    routes: Mapping[str, list[OutgoingEvent]] = field(default_factory=dict)
    violations: dict[int, list[Violation]] = field(default_factory=dict)


def replay_items(records: Sequence[Mapping[str, Any]], pipeline: Pipeline) -> ReplayedItems:
    """Decide what becomes of quarantined items under the present definition.

    Each record is a stream record with a new image only: to archive and subscribers, an item that was refused does not
    exist, so it is inserted now. ``shard`` is the shard of the change. ``routes`` are those that refused an item which
    was not refused as a whole: archive and other routes have its event, so it keeps its id and goes to these only.

    Raises:
        InvalidMessage: a record has no sequence number.
    """
    result = ReplayedItems(routes={route.name: [] for route in pipeline.routes})
    images = PreparedImages(pipeline)
    for position, record in enumerate(records):
        only = record.get("routes")
        change = _change(record, pipeline, images, ID_SUFFIX if only is None else "")
        if isinstance(change, Violation):
            result.violations[position] = [change]
            continue
        routed = route_change(change, pipeline, images)
        if routed.event is None:
            result.violations[position] = routed.violations
            continue
        outgoing = _outgoing(position, routed.event)
        if only is None:
            result.archive.append(outgoing)
        for route in routed.routes:
            if only is None or route in only:
                result.routes[route].append(outgoing)
        if routed.violations:
            result.violations[position] = routed.violations
    return result


class ReplayedEvents(Struct, frozen=True):
    """The archived events that a route gets, in order; ``sequence`` is the position of the event.

    ``violations`` says of other events, by their positions, why the route's predicate cannot tell whether it gets them.
    """

    events: list[OutgoingEvent] = field(default_factory=list)
    violations: dict[int, list[Violation]] = field(default_factory=dict)


def replay_events(texts: Iterable[str], route: Route) -> ReplayedEvents:
    """Decide which of the archived events a route gets under the present definition.

    Raises:
        InvalidMessage: a text is not an archived event.
    """
    result = ReplayedEvents()
    for position, text in enumerate(texts):
        found = loads(text) if isinstance(text, str) else None
        event = found if isinstance(found, dict) else {}
        data = event.get("data")
        versions = [data.get("old"), data.get("new")] if isinstance(data, dict) else [[]]
        if not all(isinstance(item, dict | None) for item in versions) or not isinstance(event.get("type"), str):
            raise InvalidMessage(f"event {position + 1} of the request is not an archived event")
        if event["type"].rpartition(".")[0] != f"tailrace.{route.of.name}":
            continue
        data_text = dumps(data)  # before the route's predicate sees the items
        matches = [route_matches(route, item) for item in versions if item is not None]
        if True in matches:
            attributes = {name: value for name, value in event.items() if name not in ("data", REPLAYED)}
            result.events.append(_outgoing(position, EventText(dumps(attributes).removesuffix("}"), data_text)))
        elif failures := [match for match in matches if isinstance(match, InvalidItem)]:
            result.violations[position] = list(failures[-1].violations)  # of the new item, if it failed there
    return result


def find_route(pipeline: Pipeline, name: str) -> Route:
    """Return the route with this name, in which ``-`` may stand for ``_``: the stack's outputs have neither.

    Raises:
        NotFound: there is none.
    """
    for route in pipeline.routes:
        if resource_name(route.name) == resource_name(name):
            return route
    names = ", ".join(route.name for route in pipeline.routes)
    raise NotFound(f"no route is named {name[:60]!r}; defined: {names or 'none'}")


def _outgoing(position: int, event: EventText) -> OutgoingEvent:
    marked = EventText(f'{event.attributes},"{REPLAYED}":true', event.data)
    return OutgoingEvent(position, marked, marked.text)


def _change(
    record: Mapping[str, Any], pipeline: Pipeline, images: PreparedImages, suffix: str
) -> Change[DecodedImage] | Violation:
    """Return the insertion that a record describes, or why it is not that of an item."""
    (change,) = changes_of(record, record.get("shard"), position_of(record), pipeline, images.decode)
    if isinstance(change, Change):
        return change._replace(event_id=change.event_id.removesuffix(suffix) + suffix)
    return Violation("", "record", change.reason if isinstance(change, UnreadableRecord) else UNMATCHED)
