"""The updates that New York's airlines would have sent, in time order. Pure: no I/O, no clock.

A day's timetable is published a week ahead. A flight then changes when it departs and when it lands, or is cancelled at
its scheduled departure. The same flights give the same timeline.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct

from local.demo.flights import NEW_YORK, Flight

type Item = dict[str, Any]
type Entrance = Literal["file", "table", "queue", "api"]

_MIN_MILES_PER_MINUTE = 8
_HOUR_MINUTES = 60
_PUBLICATION_LEAD = timedelta(days=7)

DEFECTS: tuple[Mapping[str, Any], ...] = tuple(
    MappingProxyType(defect)
    for defect in (
        {"carrier": None},
        {"dep_delay": "late"},
        {"status": "lost", "distance": -1},
        {"gate#~/": "B 12"},
        {"dest": "Atlanta " * 2_000},
        {"scheduled_departure": "tomorrow, early"},
    )
)
"""Changes that break the schema or the transform, used in turn; None drops the field."""


class Timetable(Struct, frozen=True):
    """A day's scheduled flights as ``(id, item)``; the last ``broken`` of them are invalid."""

    at: datetime
    day: date
    items: tuple[tuple[str, Item], ...]
    broken: int


class Change(Struct, frozen=True):
    """One change of a flight: the whole item after it, and the changed fields."""

    at: datetime
    day: date
    kind: Literal["departed", "landed", "cancelled"]
    id: str
    item: Item
    patch: Item


class BrokenItem(Struct, frozen=True):
    """An item that must be rejected or quarantined, and the entrance that it uses."""

    at: datetime
    day: date
    entrance: Entrance
    id: str
    item: Item


type Event = Timetable | Change | BrokenItem


def timeline(flights: Iterable[Flight]) -> Iterator[Event]:
    """Yield all events of these flights in time order; only a few days are in memory at once."""
    ordered = sorted(flights, key=lambda flight: (flight.day, flight.departure, flight.id))
    pending: list[Event] = []
    for number, (day, members) in enumerate(groupby(ordered, lambda flight: flight.day)):
        published = _published(day)
        yield from (event for event in pending if event.at < published)
        pending = [event for event in pending if event.at >= published]
        pending.extend(_events_of(number, day, list(members)))
        pending.sort(key=_order)
    yield from pending


def _events_of(number: int, day: date, scheduled: list[Flight]) -> Iterator[Event]:
    broken = broken_items(number, scheduled[0])
    in_file = [(one.id, one.item) for one in broken if one.entrance == "file"]
    items = (*((flight.id, scheduled_item(flight)) for flight in scheduled), *in_file)
    yield Timetable(_published(day), day, items, len(in_file))
    yield from (one for one in broken if one.entrance != "file")
    for flight in scheduled:
        yield from changes(flight)


def _published(day: date) -> datetime:
    return datetime.combine(day - _PUBLICATION_LEAD, time(), NEW_YORK).astimezone(UTC)


def _order(event: Event) -> tuple[datetime, str, str]:
    if isinstance(event, Timetable):
        return event.at, "", event.day.isoformat()
    # for a flight that lands in the minute of its departure: "departed" sorts before "landed"
    return event.at, event.kind if isinstance(event, Change) else "", event.id


def scheduled_item(flight: Flight) -> Item:
    """Return the flight's item in the timetable."""
    item = {
        "carrier": flight.carrier,
        "flight": flight.number,
        "origin": flight.origin,
        "dest": flight.dest,
        "distance": flight.distance,
        "scheduled_departure": flight.departure.isoformat(),
        "sched_arr_time": flight.sched_arr_time,
        "status": "scheduled",
    }
    return item if flight.tailnum is None else item | {"tailnum": flight.tailnum}


def changes(flight: Flight) -> list[Change]:
    """Return a flight's changes after the timetable, in order: one or two."""
    item = scheduled_item(flight)
    if flight.dep_delay is None:
        return [_change(flight, flight.departure, "cancelled", item, {})]
    departed = _change(
        flight,
        flight.departure + timedelta(minutes=flight.dep_delay),
        "departed",
        item,
        {"dep_time": flight.dep_time, "dep_delay": flight.dep_delay},
    )
    if flight.arr_time is None:
        return [departed]
    arrival = {"arr_time": flight.arr_time, "arr_delay": flight.arr_delay, "air_time": flight.air_time}
    known = {name: value for name, value in arrival.items() if value is not None}
    return [
        departed,
        _change(flight, departed.at + timedelta(minutes=gate_to_gate_minutes(flight)), "landed", departed.item, known),
    ]


def _change(
    flight: Flight, at: datetime, kind: Literal["departed", "landed", "cancelled"], item: Item, new: Item
) -> Change:
    patch = {"status": kind} | new
    # no change precedes the timetable, whatever the delays say
    at = max(at.astimezone(UTC), _published(flight.day))
    return Change(at, flight.day, kind, flight.id, item | patch, patch)


def gate_to_gate_minutes(flight: Flight) -> int:
    """Return the minutes from gate to gate.

    The arrival may be in another time zone, but zones differ by whole hours. So the clocks give the minutes past the
    hour, and the time in the air (or the distance, if that is unknown) gives the hours.
    """
    airborne = flight.air_time if flight.air_time is not None else flight.distance // _MIN_MILES_PER_MINUTE
    past_the_hour = (flight.arr_time or 0) % 100 - (flight.dep_time or 0) % 100
    return airborne + (past_the_hour - airborne) % _HOUR_MINUTES


def broken_items(number: int, first: Flight) -> list[BrokenItem]:
    """Return the broken items of the ``number``-th day: around noon, one per entrance, each with another defect."""
    noon = datetime.combine(first.day, time(12), NEW_YORK).astimezone(UTC)
    entrances: tuple[Entrance, ...] = ("file", "table", "queue", "api")
    broken = []
    for index, entrance in enumerate(entrances):
        defect = DEFECTS[(number + index) % len(DEFECTS)]
        item = {name: value for name, value in (scheduled_item(first) | dict(defect)).items() if value is not None}
        at = noon + timedelta(minutes=index)
        broken.append(BrokenItem(at, first.day, entrance, f"{first.day.isoformat()}-broken-{entrance}", item))
    return broken
