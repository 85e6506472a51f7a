"""Aggregates with ``keep``, whose rows end and are removed by TTL while histories are played and jobs run."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any

from tailrace import Aggregate, Collection, Pipeline, count, distinct, field, maximum, minutes, quantile, total
from tests.simulation.job_model import definition as model
from tests.simulation.job_model.definition import Code, Item, Rows
from tests.simulation.jobs import definition
from tests.simulation.jobs.definition import values_of

_TRIP = {
    "type": "object",
    "required": ["city", "at"],
    "properties": {"city": {"type": "string"}, "at": {"type": "integer"}, "km": {"type": "integer"}},
    "additionalProperties": False,
}
trips = Collection("trips", schema=_TRIP)
_BUCKET, _KEEP = timedelta(minutes=10), timedelta(minutes=40)
_MEASURES: Any = {
    "orders": count(),
    "revenue": total("km"),
    "most": maximum("km"),
    "sizes": distinct("km"),
    "p50": quantile("km", 0.5),
    "p90": quantile("km", 0.9),
}


def is_long(trip: Item) -> bool:
    """Tell whether a trip is longer than a kilometer."""
    return bool(trip.get("km", 0) > 1)


_BY: Any = [field("city"), minutes(10, "at")]
TRIPS_1 = Aggregate("trips", of=trips, by=_BY, measures=_MEASURES, keep=_KEEP)
TRIPS_2 = Aggregate("trips", of=trips, by=_BY, measures=_MEASURES, keep=_KEEP, where=is_long, version=2)
LEGS_1 = Aggregate(
    "legs", of=trips, by=[minutes(10, "at")], measures={"sum": total("km")}, keep=_KEEP, lanes=2, listed=False
)


@dataclass(frozen=True, eq=False)
class KeptCode(Code):
    """A deployment's definition with trips."""

    @cached_property
    def pipeline(self) -> Pipeline:
        return Pipeline([model.orders, model.visits, trips], self.aggregates)


CODES = {
    "first": KeptCode("first", [*model.CODES["first"].aggregates, TRIPS_1, LEGS_1]),
    "second": KeptCode("second", [*model.CODES["second"].aggregates, TRIPS_1, TRIPS_2, LEGS_1]),
}


def some_trip(random: Random, now: float) -> Item:
    """Return a trip of the last two hours or the next minutes: its row has ended, will end soon, or later."""
    trip: Item = {"city": random.choice("ab"), "at": int(now) - random.randrange(-900, 7200)}
    if random.random() < 0.8:
        trip["km"] = random.randrange(4)
    if random.random() < 0.05:
        trip["km"] = "invalid"
    return trip


def recount(aggregate: Aggregate, items: Iterable[tuple[str, str, Item]]) -> Rows:
    """Return an aggregate's rows, those that have ended among them, without the engine."""
    if aggregate.of is not trips:
        return definition.recount(aggregate, items)
    rows: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    numbers: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    prefix = f"{aggregate.name}@{aggregate.version}"
    for collection, _, trip in items:
        if collection != "trips" or not isinstance(trip.get("km", 0), int):
            continue
        label = _label(trip["at"])
        if aggregate is LEGS_1:
            rows[f"{prefix}#{label}", "-"].update({"~n": 1, "sum": trip.get("km", 0)})
        elif aggregate is TRIPS_1 or is_long(trip):
            main = f"{prefix}#{trip['city']}", label
            rows[main].update({"~n": 1, "orders": 1, "revenue": trip.get("km", 0)})
            rows[f"~groups#{prefix}", trip["city"]]["~n"] += 1
            if "km" in trip:
                numbers[main].append(trip["km"])
    found: Rows = {key: dict(row) for key, row in rows.items()}
    for row, of_row in numbers.items():
        found |= values_of(row, of_row, found[row])
    return found


def _label(at: int) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return (moment - timedelta(minutes=moment.minute % 10)).isoformat(timespec="minutes").replace("Z", "+00:00")


def has_ended(aggregate: Aggregate, key: tuple[str, str], now: float) -> bool:
    """Tell whether TTL may have removed a row, or one that its value row belongs to."""
    if aggregate.keep is None or key[0].startswith("~groups"):
        return False
    label = next(part for part in reversed([*key[0].split("#"), *key[1].split("#")]) if part.endswith("+00:00"))
    return (datetime.fromisoformat(label) + _BUCKET + _KEEP).timestamp() <= now
