"""The feed: however its threads interleave, a flight's changes arrive once, in order, after its timetable."""

import gzip
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.demo.feed import Feed, FeedResult, _task
from local.demo.flights import Flight, read_flights
from local.demo.timeline import BrokenItem, Change, Event, Timetable, timeline
from local.demo.writers import FeedError, StackWriter
from tests.unit.local.demo.feed_stream import SAMPLE_FILE


class FakeStack(StackWriter):
    """Accepts everything with random delays; records ``(entrance, id, status)`` in the order of arrival."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, str, Any]] = []
        self.receipts: dict[str, dict[str, int]] = {}
        self.lock = threading.Lock()
        self.broken_table = False

    def upload(self, name: str, body: bytes) -> None:
        lines = [json.loads(line) for line in gzip.decompress(body).splitlines()]
        with self.lock:
            self.arrived += [("file", line["id"], line.get("status")) for line in lines]

        def load() -> None:
            time.sleep(0.05)
            rejected = sum("broken" in line["id"] for line in lines)
            self.receipts[name] = {"accepted": len(lines) - rejected, "rejected": rejected}

        threading.Thread(target=load).start()

    def receipt(self, name: str) -> dict[str, int] | None:
        return self.receipts.get(name)

    def write_items(self, collection: str, items: Mapping[str, Any]) -> None:
        assert collection == "flights"
        assert 1 <= len(items) <= 25
        if self.broken_table:
            raise FeedError("the table is gone")
        time.sleep(0.0005 * (len(items) % 3))
        for day in {item_id[:10] for item_id in items}:
            assert f"flights/{day}.jsonl.gz" in self.receipts
        with self.lock:
            self.arrived += [("table", item_id, item["status"]) for item_id, item in items.items()]

    def send_messages(self, messages: Mapping[str, Any]) -> None:
        assert 1 <= len(messages) <= 10
        with self.lock:
            self.arrived += [
                ("queue", key, message.get("patch", {}).get("status")) for key, message in messages.items()
            ]

    def request(self, collection: str, item_id: str, item: dict[str, Any], patch: dict[str, Any] | None) -> int:
        assert collection == "flights"
        with self.lock:
            self.arrived.append(("api", item_id, item.get("status")))
        return 422 if patch is None else 200


def feed(stack: FakeStack, events: Any) -> FeedResult:
    return Feed(stack, lambda _number: None).run(events)


@pytest.fixture(scope="module")
def flights() -> list[Flight]:
    return [flight for flight in read_flights(SAMPLE_FILE).flights if flight.day.day <= 2]


@pytest.fixture(scope="module")
def fed(flights: list[Flight]) -> tuple[FakeStack, FeedResult]:
    stack = FakeStack()
    return stack, feed(stack, timeline(flights))


def test_the_readme_shows_how_many_changes_come_by_each_entrance(flights: list[Flight]) -> None:
    counts: Counter[str] = Counter()
    for event in timeline([flight for flight in flights if flight.day.day == 1]):
        if isinstance(event, Timetable):
            counts["file"] += len(event.items) - event.broken
        elif isinstance(event, Change):
            counts[_task(event).entrance] += 1
    line = ", ".join(f"{entrance} {number:,}" for entrance, number in sorted(counts.items()))
    shown = (Path(__file__).parents[4] / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"\n  by entrance +{line}\n", shown)
    assert re.search(rf"\nchanges fed +{counts.total():,}\n", shown)


def test_each_flights_changes_arrive_once_and_in_order(
    fed: tuple[FakeStack, FeedResult], flights: list[Flight]
) -> None:
    stack, _ = fed
    arrived: dict[str, list[Any]] = {}
    for _, item_id, status in stack.arrived:
        arrived.setdefault(item_id, []).append(status)
    told: dict[str, list[Any]] = {}
    for event in timeline(flights):
        puts = event.items if isinstance(event, Timetable) else [(event.id, event.item)]
        for item_id, item in puts:
            if "broken" not in item_id:
                told.setdefault(item_id, []).append(item["status"])
    assert {item_id: statuses for item_id, statuses in arrived.items() if "broken" not in item_id} == told


def test_every_entrance_is_used_and_counted(fed: tuple[FakeStack, FeedResult], flights: list[Flight]) -> None:
    stack, told = fed
    arrived = Counter(entrance for entrance, item_id, _ in stack.arrived if "broken" not in item_id)
    assert arrived == told.by_entrance
    assert set(arrived) == {"file", "table", "queue", "api"}
    cancelled = sum(flight.dep_time is None for flight in flights)
    assert arrived["queue"] == cancelled
    assert told.changes == sum(
        1 + (f.dep_time is None) + (f.dep_time is not None) + (f.arr_time is not None) for f in flights
    )


def test_broken_items_are_sent_to_every_entrance(fed: tuple[FakeStack, FeedResult]) -> None:
    stack, told = fed
    assert {
        (entrance, item_id) for entrance, item_id, _ in stack.arrived if "broken" in item_id and entrance != "api"
    } == told.broken
    assert Counter(entrance for entrance, _ in told.broken) == {"file": 2, "table": 2, "queue": 2}
    assert (told.api_broken, told.api_rejected) == (2, 2)
    assert told.receipts == told.expected_receipts


def test_the_same_flights_give_the_same_files_and_entrances(
    fed: tuple[FakeStack, FeedResult], flights: list[Flight]
) -> None:
    again = FakeStack()
    feed(again, timeline(flights))
    assert sorted(map(str, again.arrived)) == sorted(map(str, fed[0].arrived))


def test_a_failing_entrance_stops_the_feed(flights: list[Flight]) -> None:
    stack = FakeStack()
    stack.broken_table = True
    with pytest.raises(FeedError, match="the table is gone"):
        feed(stack, timeline(flights))


def test_a_valid_change_that_the_api_rejects_stops_the_feed(flights: list[Flight]) -> None:
    class Refusing(FakeStack):
        def request(self, collection: str, item_id: str, item: dict[str, Any], patch: dict[str, Any] | None) -> int:
            return 403

    with pytest.raises(FeedError, match=r"rejected flight .* with status 403"):
        feed(Refusing(), timeline(flights))


def test_two_changes_of_one_flight_are_never_in_one_batch(flights: list[Flight]) -> None:
    events: list[Event] = [event for event in timeline(flights[:1]) if not isinstance(event, BrokenItem)]
    landed = [event for event in events if isinstance(event, Change)]
    stack = FakeStack()
    feed(stack, events)
    assert [status for entrance, _, status in stack.arrived if entrance == "table"] == [
        event.item["status"] for event in landed
    ]


def test_an_interrupted_feed_stops_at_once_and_drops_pending_changes(flights: list[Flight]) -> None:
    def interrupted() -> Iterator[Event]:
        yield from timeline(flights[:900])
        raise KeyboardInterrupt

    class Slow(FakeStack):
        def write_items(self, collection: str, items: Mapping[str, Any]) -> None:
            time.sleep(0.2)

    started_at = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        feed(Slow(), interrupted())
    assert time.monotonic() - started_at < 3.0
