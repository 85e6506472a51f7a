"""The timeline: ordered, complete, deterministic, and made of items that the pipeline accepts."""

from collections import Counter
from pathlib import Path

import pytest

from local.demo.flights import COLUMNS, Flight, read_flights
from local.demo.timeline import BrokenItem, Change, Timetable, changes, gate_to_gate_minutes, scheduled_item, timeline
from pipeline.definition import flights as collection
from tailrace.errors import InvalidItem
from tests.unit.local.demo.feed_stream import ROW, SAMPLE_FILE


def flight(tmp_path: Path, **changed: str) -> Flight:
    fields = dict(zip(COLUMNS, ROW.split(","), strict=True)) | changed
    path = tmp_path / "one.csv"
    path.write_text("\n".join((",".join(COLUMNS), ",".join(fields.values()))), encoding="utf-8")
    return read_flights(path).flights[0]


@pytest.fixture(scope="module")
def slice_flights() -> list[Flight]:
    return list(read_flights(SAMPLE_FILE).flights)


def test_events_are_in_time_order(slice_flights: list[Flight]) -> None:
    times = [event.at for event in timeline(slice_flights)]
    assert times == sorted(times)


def test_the_order_of_the_source_does_not_matter(slice_flights: list[Flight]) -> None:
    assert list(timeline(reversed(slice_flights))) == list(timeline(slice_flights))


def test_a_flight_is_scheduled_then_departs_then_lands(slice_flights: list[Flight]) -> None:
    told: dict[str, list[str]] = {}
    for event in timeline(slice_flights):
        if isinstance(event, Timetable):
            for item_id, item in event.items:
                told.setdefault(item_id, []).append(item["status"])
        elif isinstance(event, Change):
            told.setdefault(event.id, []).append(event.item["status"])
    whole = Counter(tuple(statuses) for item_id, statuses in told.items() if "broken" not in item_id)
    assert whole == {
        ("scheduled", "departed", "landed"): 6_061,
        ("scheduled", "departed"): 3,
        ("scheduled", "cancelled"): 35,
    }


def test_every_item_is_valid_and_every_broken_one_is_not(slice_flights: list[Flight]) -> None:
    broken = []
    for event in timeline(slice_flights):
        if isinstance(event, Timetable):
            good = len(event.items) - event.broken
            for _, item in event.items[:good]:
                collection.prepare(item)
            broken += [item for _, item in event.items[good:]]
        elif isinstance(event, BrokenItem):
            broken.append(event.item)
        else:
            collection.prepare(event.item)
    assert len(broken) == 4 * 7
    for item in broken:
        with pytest.raises(InvalidItem):
            collection.prepare(item)


def test_an_arrival_after_midnight_follows_the_departure(tmp_path: Path) -> None:
    late = flight(
        tmp_path, hour="23", minute="59", sched_dep_time="2359", time_hour="2013-01-02T04:00:00Z",
        dep_time="30", dep_delay="31", arr_time="430", air_time="195",
    )  # fmt: skip
    left, landed = changes(late)
    assert left.at.isoformat() == "2013-01-02T05:30:00+00:00"
    assert landed.at.isoformat() == "2013-01-02T09:30:00+00:00"
    assert left.day == landed.day == late.day


def test_no_change_precedes_the_timetable(tmp_path: Path) -> None:
    early = flight(tmp_path, dep_delay="-9999")
    events = list(timeline([early]))
    assert isinstance(events[0], Timetable)
    assert all(event.at >= events[0].at for event in events)


def test_a_flight_that_lands_elsewhere_has_no_arrival_delay(tmp_path: Path) -> None:
    _, landed = changes(flight(tmp_path, arr_delay="NA", air_time="NA"))
    assert landed.item["status"] == "landed"
    assert "arr_delay" not in landed.item


def test_a_flight_without_a_tail_number_has_none(tmp_path: Path) -> None:
    assert "tailnum" not in scheduled_item(flight(tmp_path, tailnum="NA"))


def test_gate_to_gate_is_at_least_the_air_time_and_ends_at_the_minute_of_arrival(
    slice_flights: list[Flight],
) -> None:
    for one in slice_flights:
        if one.air_time is not None and one.arr_time is not None and one.dep_time is not None:
            minutes = gate_to_gate_minutes(one)
            assert 0 <= minutes - one.air_time < 60
            assert (one.dep_time % 100 + minutes - one.arr_time % 100) % 60 == 0
