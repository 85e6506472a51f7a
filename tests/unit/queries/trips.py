"""Aggregates of trips, with groups and time buckets in every order, and queries of their rows."""

from tailrace import Aggregate, count, day, field, hour, month, week
from tailrace.definition.collection import Collection
from tailrace.definition.groups.group import Group
from tailrace.queries.parameters import parse_row_query
from tailrace.queries.rows import RowQuery

trips = Collection("trips", schema={"type": "object"})


def aggregate(*by: Group, name: str = "trips_by") -> Aggregate:
    return Aggregate(name, of=trips, by=by, measures={"n": count()}, version=3)


CARRIER_HOURS = aggregate(field("carrier"), hour("at", tz="America/New_York"))
DAYS = aggregate(day("at", tz="America/New_York"), field("carrier"), field("dest"))
PLACES = aggregate(field("carrier"), field("origin"), day("at"), field("dest"))
CARRIERS = aggregate(field("carrier"))
MONTHS = aggregate(month("at"))
WEEKS = aggregate(week("at"), field("carrier"))


def query(of: Aggregate, *more: tuple[str, str], **given: str) -> RowQuery:
    return parse_row_query(of, [*((name.rstrip("_"), value) for name, value in given.items()), *more])
