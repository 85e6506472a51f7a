"""The transform from a flight as the source system writes it to the one that aggregates, routes and archive see.

Everything here is a pure function of the item, so that the contribution of an old version can be retracted.
"""

from datetime import datetime
from typing import Any

type Item = dict[str, Any]

LATE_MINUTES = 120
"""A flight that departs or arrives later than this is disrupted."""

_RENAMED = {
    "dep_time": "departure_time",
    "dep_delay": "departure_delay",
    "sched_arr_time": "scheduled_arrival_time",
    "arr_time": "arrival_time",
    "arr_delay": "arrival_delay",
}


def normalise(item: Item) -> Item:
    """Expand the source's abbreviations and add the route.

    Raises:
        ValueError: ``scheduled_departure`` is not a time, or has no UTC offset (without one it would be ambiguous
            in the night when clocks go back).
    """
    if datetime.fromisoformat(item["scheduled_departure"]).tzinfo is None:
        raise ValueError("scheduled_departure has no UTC offset")
    flight = {_RENAMED.get(name, name): value for name, value in item.items()}
    flight["route"] = f"{item['origin']}-{item['dest']}"
    return flight


def has_departed(flight: Item) -> bool:
    """Tell whether the flight has departed, including flights that have landed."""
    return flight["status"] in ("departed", "landed")


def has_landed(flight: Item) -> bool:
    """Tell whether the flight has landed, at its destination or elsewhere."""
    return bool(flight["status"] == "landed")


def is_cancelled(flight: Item) -> bool:
    """Tell whether the flight was cancelled."""
    return bool(flight["status"] == "cancelled")


def is_disrupted(flight: Item) -> bool:
    """Tell whether the flight was cancelled, or departed or arrived more than two hours late."""
    late = max(flight.get("departure_delay", 0), flight.get("arrival_delay", 0))
    return is_cancelled(flight) or bool(late > LATE_MINUTES)
