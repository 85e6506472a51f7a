"""Laws of queries: a time range selects exactly the buckets it touches, also across clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from tailrace import Aggregate, count, field
from tailrace.definition.collection import Collection
from tailrace.definition.groups.buckets import bucket
from tailrace.queries.parameters import parse_row_query
from tailrace.queries.rows import Position
from tests import strategies

events = Collection("events", schema={"type": "object"})

# nights on which clocks change, east and west of Greenwich, by an hour and by half an hour
NIGHTS = {
    "Europe/Berlin": ["2024-10-27T00:00", "2024-03-31T00:00"],
    "America/New_York": ["2024-11-03T05:00", "2024-03-10T06:00"],
    "Australia/Lord_Howe": ["2024-04-06T14:00", "2024-10-05T15:00"],
    "America/Sao_Paulo": ["2018-02-18T01:00", "2018-11-04T02:00"],
    "UTC": ["2024-12-31T22:00"],
}
places = st.sampled_from([(zone, start) for zone, starts in NIGHTS.items() for start in starts])
minutes = st.integers(0, 240)


@given(places, st.sampled_from(["minute", "hour", "day", "week", "month"]), minutes, minutes)
@example(("Europe/Berlin", "2024-10-27T00:00"), "minute", 30, 95)
@example(("Australia/Lord_Howe", "2024-04-06T14:00"), "hour", 0, 61)
def test_a_range_selects_the_buckets_it_touches(place: tuple[str, str], unit: str, one: int, other: int) -> None:
    zone, start = place
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    group = bucket(unit, "at", tz=zone, name="bucket")
    aggregate = Aggregate("things", of=events, by=[field("kind"), group], measures={"n": count()})
    instants = [begin + timedelta(minutes=number) for number in range(-60, 301)]
    first, last = begin + timedelta(minutes=min(one, other)), begin + timedelta(minutes=max(one, other))
    touched = {group.label(instant) for instant in instants if first <= instant <= last}
    parameters = [("kind", "a"), ("from", first.isoformat()), ("to", last.astimezone(ZoneInfo(zone)).isoformat())]
    query = parse_row_query(aggregate, parameters)
    (found,) = query.ranges()
    labels = {group.label(instant) for instant in instants}
    assert {label for label in labels if found.contains(label) and query.includes({"bucket": label})} == touched
    # with the bucket as the first group, each bucket is one partition
    reordered = Aggregate("things", of=events, by=[group, field("kind")], measures={"n": count()})
    partitions = [found.pk.partition("#")[2] for found in parse_row_query(reordered, parameters[1:]).ranges()]
    assert set(partitions) == touched
    assert len(partitions) == len(touched)


@given(strategies.awkward_texts.filter(bool), strategies.awkward_texts.filter(bool))
@example("00", "0")  # a number in another notation: of a text or of a number, so in one of two partitions
def test_cursors_round_trip(first: str, second: str) -> None:
    aggregate = Aggregate("things", of=events, by=[field("a"), field("b")], measures={"n": count()})
    query = parse_row_query(aggregate, [("a", first)])
    for found in query.ranges():
        position = Position(found.pk, second)
        again = parse_row_query(aggregate, [("a", first), ("cursor", query.cursor(position))])
        assert again.start == position
