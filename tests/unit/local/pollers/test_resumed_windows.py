"""A later poller continues open windows: no state is lost, and none counts a record twice."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.mapping import Failed, Returned
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import CallFailed
from local.pollers.stream import StreamPoller
from tests.unit.local.pollers.rolling_stream import START, RollingStream, poller

OVER = START + 3600.0


def later(stream: RollingStream, earlier: StreamPoller, shards: int = 1, window: int = 900) -> StreamPoller:
    """Return a poller that begins where the earlier one was when it was saved."""
    one = poller(stream, shards=shards, TumblingWindowInSeconds=window)
    one.read_from(json.loads(json.dumps(earlier.position)))
    return one


def deliver(one: StreamPoller, now: float, failures: int = 0) -> list[list[int]]:
    """Read and make the calls that are due; the function's state is what it has got. Returns the states of windows."""
    one.poll()
    ended: list[list[int]] = []
    for number, (call, body) in enumerate(one.due_invocations(now)):
        event = json.loads(body)
        seen = event["state"].get("seen", []) + [int(record["eventID"]) for record in event["Records"]]
        if number < failures:
            one.handle_result(call, Failed("boom"), now)
            continue
        if event["isFinalInvokeForWindow"]:
            ended.append(seen)
        one.handle_result(call, Returned({"state": {"seen": seen}}), now)
    return ended


@pytest.mark.parametrize("window", [900, 300])
def test_a_window_goes_on_with_its_state(window: int) -> None:
    """Another length holds for the next window."""
    stream = RollingStream()
    first = poller(stream, TumblingWindowInSeconds=900)
    stream.write(0)
    assert deliver(first, START) == []
    second = later(stream, first, window=window)
    stream.write(0)
    assert deliver(second, START) == []
    third = later(stream, later(stream, second, window=window), window=window)  # one that read nothing lies between
    ended = [deliver(third, OVER), deliver(third, OVER)]
    assert [states for states in ended if states] == [[[1, 2]]]
    assert third.position is not None
    assert "windows" not in third.position


def test_a_mapping_without_windows_passes_over_one_that_it_had() -> None:
    stream = RollingStream()
    first = poller(stream, TumblingWindowInSeconds=900)
    stream.write(0)
    deliver(first, START)
    stream.write(0)
    second = later(stream, first, window=0)
    second.poll()
    ((_, body),) = second.due_invocations(START)
    assert list(json.loads(body)) == ["Records"]


def test_records_that_are_yet_to_be_sent_to_the_destination_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the window has gone on: they are not in its state."""

    def unreachable(*_: object) -> None:
        raise CallFailed("unreachable", "the bucket")

    stream = RollingStream()
    stream.write(0)
    stream.write(0)
    first = poller(stream, TumblingWindowInSeconds=900, BatchSize=1, MaximumRetryAttempts=0)
    deliver(first, START, failures=1)
    monkeypatch.setattr(FailureDestination, "send", unreachable)
    with pytest.raises(CallFailed):
        first.poll()
    for call, _ in first.due_invocations(START):
        first.handle_result(call, Returned({"state": {"seen": [2]}}), START)
    second = later(stream, first)
    second.poll()
    ((_, body),) = second.due_invocations(START)
    event = json.loads(body)
    assert ([int(record["eventID"]) for record in event["Records"]], event["state"]) == ([1, 2], {"seen": [2]})


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 7)),
        st.tuples(st.just("roll"), st.integers(0, 7)),
        st.tuples(st.just("poll"), st.integers(0, 2)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 3), st.integers(1, 3))
def test_the_final_states_hold_every_record_once_however_often_pollers_are_replaced(
    steps: list[tuple[str, int]], most: int, shards: int
) -> None:
    stream = RollingStream(page=100, most=most)
    one = poller(stream, shards=shards, TumblingWindowInSeconds=900)
    written: list[int] = []
    ended: list[list[int]] = []
    now = float(START)
    for action, value in steps:
        now += 1
        if action == "poll":
            ended += deliver(one, now, value)
        elif action == "write":
            written.append(stream.write(value))
        elif action == "restart":
            one = later(stream, one, shards)
        else:
            name = next(name for name, shard in stream.shards.items() if not shard.closed and value in shard.items)
            stream.roll(name, parts=2 if len(stream.shards[name].items) > 1 else 1)
    quiet = 0
    while quiet < 3:
        now += 3600
        before = json.dumps(one.position)
        ended += deliver(one, now)
        quiet = quiet + 1 if before == json.dumps(one.position) and not one.pending() else 0
    assert sorted(number for state in ended for number in state) == written
