"""Where a later poller goes on: with LATEST, after a pause of the mapping, and in the stream that it had."""

import json
from typing import Any

import pytest

from local.deployment.mappings import EventSourceMapping
from local.mapping import Failed, Returned
from local.pollers import pollers
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import CallFailed
from local.pollers.stream import StreamPoller
from tests.unit.local.pollers.rolling_stream import START, STREAM, RollingStream, poller

LATEST: dict[str, Any] = {"StartingPosition": "LATEST"}
NOW = START + 10.0


def delivered(one: StreamPoller) -> list[int]:
    """Read a page and deliver what it holds."""
    one.poll()
    found: list[int] = []
    for call, body in one.due_invocations(NOW):
        one.handle_result(call, Returned({}), NOW)
        found += [int(record["eventID"]) for record in json.loads(body)["Records"]]
    return found


def later(stream: RollingStream, earlier: StreamPoller) -> StreamPoller:
    one = poller(stream, **LATEST)
    one.read_from(earlier.position)
    return one


@pytest.mark.parametrize("before", [0, 1, 7])
@pytest.mark.parametrize("most", [1, 3, 1000])
def test_what_is_written_between_two_pollers_that_begin_with_the_latest_record_is_delivered(
    before: int, most: int
) -> None:
    """The first one found nothing to deliver, and left no number to read on from."""
    stream = RollingStream(most=most)
    for _ in range(before):
        stream.write(0)
    first = poller(stream, **LATEST)
    assert delivered(first) == []
    written = [stream.write(0) for _ in range(3)]
    second = later(stream, first)
    assert [number for _ in range(4) for number in delivered(second)] == written


def test_what_is_written_while_the_newest_record_is_looked_for_is_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = RollingStream()
    stream.write(0)
    original = RollingStream.call
    written: list[int] = []

    def call(self: RollingStream, service: str, action: str, **parameters: Any) -> dict[str, Any]:
        if parameters.get("ShardIteratorType") == "TRIM_HORIZON":
            written.append(stream.write(0))
        return original(self, service, action, **parameters)

    monkeypatch.setattr(RollingStream, "call", call)
    assert delivered(poller(stream, **LATEST)) == written == [2]


def test_a_stream_that_cannot_be_read_at_first_is_read_from_its_latest_record_later() -> None:
    stream = RollingStream()
    stream.write(0)
    (name,) = stream.shards
    stream.unreadable.add(name)
    one = poller(stream, **LATEST)
    with pytest.raises(CallFailed, match="try again"):
        one.poll()
    stream.unreadable.clear()
    assert delivered(one) == []
    stream.write(0)
    assert delivered(one) == [2]


def test_the_first_of_the_batches_that_could_not_be_sent_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The partitions of a shard discard independently: a later record may be discarded first."""

    def unreachable(*_: object) -> None:
        raise CallFailed("unreachable", "the bucket")

    monkeypatch.setattr(FailureDestination, "send", unreachable)
    stream = RollingStream()
    for item in range(8):
        stream.write(item)
    one = poller(stream, ParallelizationFactor=2, MaximumRetryAttempts=0)
    one.poll()
    calls = [call for call, _ in one.due_invocations(NOW)]
    assert len(calls) == 2
    for call in sorted(calls, key=lambda call: call[1].records[0].sequence, reverse=True):
        one.handle_result(call, Failed("boom"), NOW)
    assert one.position is not None
    (where,) = one.position["reading"].values()
    assert (where["ShardIteratorType"], int(where["SequenceNumber"])) == ("AT_SEQUENCE_NUMBER", 1)


# --- of a mapping ---------------------------------------------------------------------------------------------------

POSITION = {"reading": {"shardId-1": {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": "7"}}, "done": []}


@pytest.fixture
def polled(monkeypatch: pytest.MonkeyPatch) -> list[EventSourceMapping]:
    """Return the mappings that are polled, which a test may change; Paused exists, too, and is disabled."""
    found = [EventSourceMapping("Mapping", "uuid", "f", "arn:f", STREAM, 60, {"StartingPosition": "TRIM_HORIZON"})]
    monkeypatch.setattr(pollers, "list_mappings", lambda _: [*found])
    monkeypatch.setattr(pollers, "resources", lambda *_: {"Mapping": "uuid", "Paused": "uuid 2"})
    return found


def test_a_disabled_mapping_keeps_its_position_and_a_removed_one_does_not(polled: list[EventSourceMapping]) -> None:
    """On AWS, a mapping that is enabled again reads on where it was."""
    known = {"Paused": POSITION, "Removed": POSITION}
    first = pollers.Pollers("http://127.0.0.1:1", positions=known)
    assert first.positions == {"Paused": POSITION, "Mapping": None}
    polled.append(EventSourceMapping("Paused", "uuid 2", "f", "arn:f", STREAM, 60, {"StartingPosition": "LATEST"}))
    again = pollers.Pollers("http://127.0.0.1:1", positions=first.positions)
    assert again.positions == {"Paused": {**POSITION, "source": STREAM}, "Mapping": None}


def test_a_position_in_another_stream_is_not_used(polled: list[EventSourceMapping]) -> None:
    """All streams of the emulator have a shard of the same name."""
    earlier = pollers.Pollers("http://127.0.0.1:1", positions={"Mapping": POSITION}).positions
    assert earlier == {"Mapping": {**POSITION, "source": STREAM}}
    other = STREAM.replace("items", "orders")
    polled[:] = [EventSourceMapping("Mapping", "uuid", "f", "arn:f", other, 60, {"StartingPosition": "LATEST"})]
    assert pollers.Pollers("http://127.0.0.1:1", positions=earlier).positions == {"Mapping": None}
