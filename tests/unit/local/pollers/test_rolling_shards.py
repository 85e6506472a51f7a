"""The stream's poller reads all shards, a parent to its end before its children.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.mapping import Failed, InvocationResult, Returned
from local.pollers.emulator_client import CallFailed
from local.pollers.stream import DESCRIBE_INTERVAL_S, StreamPoller
from tests.unit.local.pollers.rolling_stream import START, RollingStream, poller

NOW = START + 1.0


def delivered(
    one: StreamPoller, answer: Callable[[], InvocationResult] = lambda: Returned({"state": {}})
) -> list[tuple[str, list[int]]]:
    """Poll once and answer each invocation. Returns their shards, if the events name any, and records."""
    one.poll()
    calls = []
    for call, body in one.due_invocations(NOW):
        event: dict[str, Any] = json.loads(body)
        calls.append((event.get("shardId", ""), [int(record["eventID"]) for record in event["Records"]]))
        one.handle_result(call, answer(), NOW)
    return calls


def numbers(calls: list[tuple[str, list[int]]]) -> list[int]:
    return [number for _, records in calls for number in records]


def test_a_closed_shard_is_read_to_its_end_and_then_its_successor() -> None:
    stream = RollingStream(most=2)
    (first,) = stream.shards
    for item in (0, 1, 2):
        stream.write(item)
    (second,) = stream.roll(first)
    stream.write(0)
    one = poller(stream, TumblingWindowInSeconds=900)
    calls = [call for _ in range(4) for call in delivered(one)]
    assert calls == [(first, [1, 2]), (first, [3]), (first, []), (second, [4])]  # [] is the end of the first's window


def test_children_wait_until_all_records_of_their_parent_are_settled() -> None:
    stream = RollingStream()
    (first,) = stream.shards
    stream.write(0)
    stream.roll(first, parts=2)
    stream.write(0)
    stream.write(1)
    one = poller(stream)
    assert numbers(delivered(one, lambda: Failed("boom"))) == [1]
    assert numbers(delivered(one)) == []  # the retry is not due yet
    assert one.pending() > 0
    ((call, _),) = one.due_invocations(NOW + 1)
    one.handle_result(call, Returned(None), NOW + 1)
    assert one.pending() > 0  # the parent is done, but its children have not been opened
    assert numbers(delivered(one)) == [2, 3]
    assert one.pending() == 0


def test_shards_that_have_no_common_parent_are_read_side_by_side() -> None:
    stream = RollingStream(page=2)
    (first,) = stream.shards
    left, right = stream.roll(first, parts=2)
    stream.write(0)
    stream.write(1)
    one = poller(stream)
    delivered(one)
    assert sorted(numbers(delivered(one))) == [1, 2]
    assert sorted(one._shards.reading) == [left, right]


def test_shards_take_turns_and_what_waits_for_its_turn_goes_into_one_batch() -> None:
    stream = RollingStream()
    one = poller(stream, shards=4, TumblingWindowInSeconds=900)
    rounds: list[list[tuple[str, list[int]]]] = []
    for _ in range(4):
        for item in range(8):
            stream.write(item)
        rounds.append(delivered(one))
    first, second, third, fourth = ([shard for shard, _ in calls] for calls in rounds)
    assert len({*first, *second}) == 4
    assert (third, fourth) == (first, second)
    assert len(numbers(rounds[1])) + len(numbers(rounds[2])) == 2 * 8


def test_no_more_calls_are_made_than_may_run() -> None:
    stream = RollingStream()
    one = poller(stream, shards=4)
    for item in range(8):
        stream.write(item)
    one.poll()
    one._in_flight = 1
    assert len(one.due_invocations(NOW)) == 1
    one._in_flight = 2
    assert one.due_invocations(NOW) == []


@pytest.mark.parametrize("page", [1, 2, 100])
def test_every_page_of_the_description_is_read(page: int) -> None:
    stream = RollingStream(page=page)
    (name,) = stream.shards
    for _ in range(5):
        stream.write(0)
        (name,) = stream.roll(name)
    one = poller(stream)
    assert numbers([call for _ in range(7) for call in delivered(one)]) == [1, 2, 3, 4, 5]
    assert list(one._shards.reading) == [name]


def test_a_shard_whose_parent_is_no_longer_listed_is_read() -> None:
    stream = RollingStream()
    (first,) = stream.shards
    (second,) = stream.roll(first)
    del stream.shards[first]
    stream.write(0)
    one = poller(stream)
    assert numbers(delivered(one)) == [1]
    assert list(one._shards.reading) == [second]


def test_a_child_waits_for_a_parent_that_the_stream_drops_while_it_is_read() -> None:
    stream = RollingStream()
    (first,) = stream.shards
    stream.write(0)
    stream.roll(first)
    stream.write(0)
    one = poller(stream)
    assert numbers(delivered(one, lambda: Failed("boom"))) == [1]
    del stream.shards[first]
    one._described_at -= DESCRIBE_INTERVAL_S
    assert numbers(delivered(one)) == []
    ((call, _),) = one.due_invocations(NOW + 1)
    one.handle_result(call, Returned(None), NOW + 1)
    assert numbers(delivered(one)) == [2]


def test_a_part_of_a_split_that_is_listed_late_is_read() -> None:
    stream = RollingStream(page=100)
    (first,) = stream.shards
    _, late = stream.roll(first, parts=2)
    stream.write(0)
    stream.write(1)
    hidden = stream.shards.pop(late)
    one = poller(stream)
    delivered(one)
    assert numbers(delivered(one)) == [1]
    stream.shards[late] = hidden
    assert numbers(delivered(one)) == []
    one._described_at -= DESCRIBE_INTERVAL_S
    assert numbers(delivered(one)) == [2]


def test_a_shard_that_cannot_be_read_does_not_hold_up_the_others() -> None:
    stream = RollingStream(page=2)
    (first,) = stream.shards
    left, _ = stream.roll(first, parts=2)
    one = poller(stream)
    one.poll()
    stream.write(0)
    stream.write(1)
    stream.unreadable = {left}
    with pytest.raises(CallFailed):
        one.poll()
    ((_, body),) = one.due_invocations(NOW)
    assert [record["eventID"] for record in json.loads(body)["Records"]] == ["2"]


def test_what_was_read_is_delivered_in_the_round_in_which_a_shard_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    stream = RollingStream(page=2)
    (first,) = stream.shards
    left, _ = stream.roll(first, parts=2)
    one = poller(stream)
    one.poll()
    stream.write(1)
    stream.unreadable = {left}
    with pytest.raises(CallFailed):
        one._poll_once()
    assert one.statistics.invocations == 1
    assert not one.idle_since(0)


def test_records_that_the_stream_has_deleted_are_passed_over() -> None:
    stream = RollingStream(most=1)
    (first,) = stream.shards
    for item in range(4):
        stream.write(item)
    one = poller(stream)
    assert numbers(delivered(one)) == [1]
    stream.trim(first, 3)
    with pytest.raises(CallFailed, match="Trimmed"):
        one.poll()
    assert numbers(delivered(one)) == [4]


def test_from_the_latest_record_on_closed_shards_are_left_out_and_later_ones_read_whole() -> None:
    stream = RollingStream(page=2)
    (first,) = stream.shards
    stream.write(0)
    (second,) = stream.roll(first)
    stream.write(0)
    one = poller(stream, StartingPosition="LATEST")
    assert numbers(delivered(one)) == []
    assert list(one._shards.reading) == [second]
    stream.write(0)
    stream.roll(second)
    stream.write(0)
    assert numbers(delivered(one)) == [3]
    assert numbers(delivered(one)) == [4]


def test_a_single_virtual_shard_has_the_shards_own_id_and_several_differ_between_shards() -> None:
    stream = RollingStream()
    (first,) = stream.shards
    (second,) = stream.roll(first)
    for shards, expected in ((1, 1), (3, 3)):
        one = poller(stream, shards=shards)
        one.poll()
        before = {part.shard_id for part in one._shards.parts}
        one.poll()
        after = {part.shard_id for part in one._shards.parts}
        assert (len(before), len(after), len(before | after)) == (expected, expected, 2 * expected)
        assert (before | after == {first, second}) is (shards == 1)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 7)),
        st.tuples(st.just("roll"), st.integers(0, 7)),
        st.tuples(st.just("split"), st.integers(0, 7)),
        st.tuples(st.just("poll"), st.integers(0, 2)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.sampled_from([0, 900]))
def test_every_change_is_delivered_in_the_order_of_its_item_however_shards_roll(
    steps: list[tuple[str, int]], page: int, most: int, shards: int, window: int
) -> None:
    stream = RollingStream(page=page, most=most)
    one = poller(stream, shards=shards, TumblingWindowInSeconds=window)
    written: dict[int, int] = {}
    done: list[int] = []
    now = NOW

    def deliver(failures: int) -> None:
        nonlocal now
        now += 60
        one.poll()
        for number, (call, body) in enumerate(one.due_invocations(now)):
            good = number >= failures
            one.handle_result(call, Returned({"state": {}}) if good else Failed("boom"), now)
            done.extend(int(record["eventID"]) for record in json.loads(body)["Records"] if good)

    for action, value in steps:
        if action == "poll":
            deliver(value)
        elif action == "write":
            written[stream.write(value)] = value
        else:
            name = next(name for name, shard in stream.shards.items() if not shard.closed and value in shard.items)
            stream.roll(name, parts=2 if action == "split" and len(stream.shards[name].items) > 1 else 1)
    rounds = 0
    while rounds < 3:  # nothing left to read, three times in a row
        before = len(done)
        deliver(0)
        rounds = rounds + 1 if len(done) == before and not one.pending() else 0
    assert Counter(done) == Counter(list(written))
    for item in range(8):
        mine = [number for number in done if written[number] == item]
        assert mine == sorted(mine)
