"""A poller pauses between two calls, and a later one reads on where everything before was delivered."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from local.deployment.mappings import EventSourceMapping
from local.errors import LocalError
from local.mapping import Failed, Returned, StreamSettings, shard_partition
from local.pollers import source_poller
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import CallFailed, EmulatorClient, InvokeResult
from local.pollers.stream import StreamPoller

SHARD = "shardId-00000001774300000000-00000000"
STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/items/stream/2026-11-23T16:44:08.249"


def sequence(number: int) -> str:
    return f"{number:030d}"


def at(number: int) -> dict[str, Any]:
    return position({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": sequence(number)})


def after(number: int) -> dict[str, Any]:
    return position({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": sequence(number)})


def position(shard: dict[str, str]) -> dict[str, Any]:
    return {"reading": {SHARD: shard}, "done": []}


def kind(position: Any) -> str:
    return str(position["reading"][SHARD]["ShardIteratorType"])


class Emulator:
    """A stream whose records 0 to n are there, and a function that may be held or fail."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.trimmed = 0
        self.delivered: list[int] = []
        self.calls = 0
        self.released = threading.Event()
        self.released.set()
        self.fails: Callable[[list[int]], bool] = lambda _: False

    def call(self, _service: str, action: str, **parameters: Any) -> dict[str, Any]:
        if action == "DescribeStream":
            return {"StreamDescription": {"Shards": [{"ShardId": SHARD}]}}
        if action == "GetShardIterator":
            if parameters["ShardIteratorType"] == "TRIM_HORIZON":
                return {"ShardIterator": str(self.trimmed)}
            number = int(parameters["SequenceNumber"])
            if number < self.trimmed:
                raise CallFailed("TrimmedDataAccessException", "not found on stream")
            return {"ShardIterator": str(number + (parameters["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER"))}
        first = int(parameters["ShardIterator"])
        end = min(first + 5, self.records)
        return {"Records": [record(number) for number in range(first, end)], "NextShardIterator": str(end)}

    def invoke(self, _function: str, payload: bytes, *_: object) -> InvokeResult:
        self.calls += 1
        self.released.wait(10)
        numbers = [int(one["dynamodb"]["SequenceNumber"]) for one in json.loads(payload)["Records"]]
        if self.fails(numbers):
            return InvokeResult(b"{}", "Error: no", throttled=False, request_id="1")
        self.delivered += numbers
        return InvokeResult(b"{}", None, throttled=False, request_id="1")


def record(number: int) -> dict[str, Any]:
    change = {
        "SequenceNumber": sequence(number),
        "ApproximateCreationDateTime": int(time.time()),
        "Keys": {"pk": {"S": f"item {number}"}},
    }
    return {"eventID": str(number), "eventName": "INSERT", "dynamodb": change}


def poller(emulator: Emulator, shards: int = 1, **properties: object) -> StreamPoller:
    settings = {"StartingPosition": "TRIM_HORIZON", "BatchSize": 2, "MaximumRetryAttempts": -1, **properties}
    mapping = EventSourceMapping("M", "uuid", "f", "arn:f", STREAM, 1, settings)
    destination = FailureDestination(mapping, None, lambda _: None)
    typed = cast("EmulatorClient", emulator)
    return StreamPoller(mapping, StreamSettings.parse(settings), typed, destination, shards=shards)


@pytest.fixture
def started() -> Iterator[Callable[..., StreamPoller]]:
    """Return a function that starts a poller; all are stopped in the end."""
    pollers: list[StreamPoller] = []

    def start(emulator: Emulator, position: Any = None, **more: Any) -> StreamPoller:
        made = poller(emulator, **more)
        if position is not None:
            made.read_from(position)
        pollers.append(made)
        made.start()
        return made

    yield start
    for one in pollers:
        one.stop()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


type Start = Callable[..., StreamPoller]


def test_a_poller_that_has_delivered_nothing_begins_at_the_beginning(started: Start) -> None:
    emulator = Emulator(0)
    assert poller(emulator).position is None
    one = started(emulator)
    wait_until(lambda: one.position == position({"ShardIteratorType": "TRIM_HORIZON"}))


def test_a_later_poller_reads_on_after_what_was_delivered(started: Start) -> None:
    emulator = Emulator(12)
    first = started(emulator)
    wait_until(lambda: len(emulator.delivered) == 12)
    wait_until(lambda: first.position == after(11))
    first.stop()
    emulator.records = 15
    started(emulator, first.position)
    wait_until(lambda: len(emulator.delivered) == 15)
    assert emulator.delivered == list(range(15))


@pytest.mark.parametrize("shards", [1, 3])
def test_what_was_read_and_not_delivered_is_delivered_by_a_later_poller(started: Start, shards: int) -> None:
    """One record fails for ever: its shard waits, the others go on."""
    emulator = Emulator(12)
    emulator.fails = lambda numbers: 4 in numbers
    first = started(emulator, shards=shards)
    expected = {1: 4, 3: 12 - 2}[shards]
    wait_until(lambda: len(emulator.delivered) >= expected - (shards - 1) * 2)
    wait_until(lambda: kind(first.position) == "AT_SEQUENCE_NUMBER")
    first.stop()
    assert first.position is not None
    assert int(first.position["reading"][SHARD]["SequenceNumber"]) <= 4
    emulator.fails = lambda _: False
    started(emulator, first.position, shards=shards)
    wait_until(lambda: set(emulator.delivered) == set(range(12)))


def test_a_discarded_batch_that_could_not_be_sent_is_read_again(
    started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise CallFailed("unreachable", "the bucket")

    monkeypatch.setattr(FailureDestination, "send", unreachable)
    emulator = Emulator(4)
    emulator.fails = lambda numbers: 0 in numbers
    first = started(emulator, MaximumRetryAttempts=0)
    wait_until(lambda: first.statistics.discarded == 2)
    wait_until(lambda: first.position == at(0))
    assert first.statistics.failures < 10  # it does not try again without a rest


def test_a_stream_that_cannot_be_read_is_not_read_without_a_rest_while_a_final_call_waits_for_it(
    started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_partition, "IDLE_WAIT_S", -1_000)  # the window is over once the stream has been read
    answer = InvokeResult(b'{"state": {}}', None, throttled=False, request_id="1")
    monkeypatch.setattr(Emulator, "invoke", lambda *_: answer)
    original = Emulator.call

    def call(self: Emulator, service: str, action: str, **parameters: Any) -> dict[str, Any]:
        if action == "GetRecords" and parameters["ShardIterator"] != "0":
            raise CallFailed("unreachable", "the stream")
        return original(self, service, action, **parameters)

    monkeypatch.setattr(Emulator, "call", call)
    one = started(Emulator(1), TumblingWindowInSeconds=1)
    wait_until(lambda: one.statistics.failures > 0)
    time.sleep(0.3)
    assert one.statistics.failures < 5


def test_a_final_call_that_is_discarded_holds_no_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no records."""
    one = poller(Emulator(1), MaximumRetryAttempts=0, TumblingWindowInSeconds=1)
    one.poll()
    ((call, _),) = one.due_invocations(time.time())
    one.handle_result(call, Returned({"state": {}}), time.time())
    later = time.time() + 200
    monkeypatch.setattr(time, "time", lambda: later)
    one.poll()
    ((final, _),) = one.due_invocations(later)
    one.handle_result(final, Failed("boom"), later)
    assert one.pending() == 1  # its record is not at the destination yet
    assert one.position == after(0)


def test_after_a_stop_of_more_than_a_day_reading_begins_at_the_oldest_record(started: Start) -> None:
    emulator = Emulator(12)
    emulator.trimmed = 8
    started(emulator, after(3))
    wait_until(lambda: emulator.delivered == [8, 9, 10, 11])


def test_a_paused_poller_ends_its_call_and_makes_no_other(started: Start) -> None:
    emulator = Emulator(8)
    emulator.released.clear()
    one = started(emulator)
    wait_until(lambda: emulator.calls == 1)
    one.pause()
    threading.Timer(0.3, emulator.released.set).start()
    one.wait_until_paused()
    assert emulator.delivered == [0, 1]  # the call in flight has ended
    time.sleep(0.4)
    assert emulator.calls == 1
    assert one.position == at(2)
    one.resume()
    wait_until(lambda: emulator.delivered == list(range(8)))
    for _ in range(3):  # and again
        one.pause()
        one.wait_until_paused()
        one.resume()
    emulator.records = 10
    wait_until(lambda: emulator.delivered == list(range(10)))


def test_a_call_that_does_not_end_ends_the_pause(started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_poller, "INVOKE_MARGIN_S", -1)
    monkeypatch.setattr(source_poller, "STOP_TIMEOUT_S", 0.2)
    emulator = Emulator(2)
    emulator.released.clear()
    one = started(emulator)
    wait_until(lambda: emulator.calls == 1)
    one.pause()
    with pytest.raises(LocalError, match="A call of f did not end within 0 seconds"):
        one.wait_until_paused()
    emulator.released.set()


def test_a_read_that_outlasts_the_stop_calls_nothing(started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_poller, "STOP_TIMEOUT_S", 0.1)
    reading, answered = threading.Event(), threading.Event()
    original = Emulator.call

    def call(self: Emulator, service: str, action: str, **parameters: Any) -> dict[str, Any]:
        found = original(self, service, action, **parameters)
        if action == "GetRecords":
            reading.set()
            answered.wait()
        return found

    monkeypatch.setattr(Emulator, "call", call)
    emulator = Emulator(4)
    one = started(emulator)
    reading.wait()
    one.stop()
    answered.set()
    wait_until(lambda: f"poll-{one.mapping.name}" not in {thread.name for thread in threading.enumerate()})
    assert one.error is None
    assert emulator.calls == 0


def test_a_later_poller_passes_over_shards_that_are_done(started: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that was delivered to its end is not read again, and its children are read from where they were."""
    child = f"{SHARD[:-1]}1"
    opened: list[tuple[str, dict[str, str]]] = []

    def call(self: Emulator, service: str, action: str, **parameters: Any) -> dict[str, Any]:
        if action == "DescribeStream":
            shards = [{"ShardId": SHARD}, {"ShardId": child, "ParentShardId": SHARD}]
            return {"StreamDescription": {"Shards": shards}}
        if action == "GetShardIterator":
            kept = {
                name: value for name, value in parameters.items() if name in ("ShardIteratorType", "SequenceNumber")
            }
            opened.append((parameters["ShardId"], kept))
        return original(self, service, action, **parameters)

    original = Emulator.call
    monkeypatch.setattr(Emulator, "call", call)
    emulator = Emulator(4)
    earlier: dict[str, Any] = {"reading": {child: after(1)["reading"][SHARD]}, "done": [SHARD]}
    later = started(emulator, earlier)
    wait_until(lambda: emulator.delivered == [2, 3])
    assert opened == [(child, earlier["reading"][child])]
    wait_until(lambda: later.position == {"reading": {child: after(3)["reading"][SHARD]}, "done": [SHARD]})
