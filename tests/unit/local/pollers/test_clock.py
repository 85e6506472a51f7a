"""A clock that is set back, as after a wrong date or by a virtual machine, holds up nothing."""

import json
from typing import Any

from local.mapping import Failed, Returned
from local.pollers.clock import SteadyClock
from tests.unit.local.pollers.rolling_stream import START, RollingStream, poller

HOUR = 3600.0


class SystemClock:
    """A clock that a test sets."""

    def __init__(self, time: float = START) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


def test_time_goes_on_when_the_clock_is_set_back_and_follows_it_when_it_is_set_forward() -> None:
    system = SystemClock(1000)
    clock = SteadyClock(system)
    told = []
    for system.time in (1000, 1005, 400, 401, 399, 2000):
        told.append(clock.now())
    assert told == [1000, 1005, 1005, 1006, 1006, 2607]
    assert clock.ahead == 607


def polled(stream: RollingStream, **properties: object) -> tuple[SystemClock, Any]:
    one, system = poller(stream, **properties), SystemClock()  # type: ignore[arg-type]
    one.clock = SteadyClock(system)
    return system, one


def test_a_batch_is_sent_after_its_window_by_a_clock_that_was_set_back() -> None:
    stream = RollingStream()
    system, one = polled(stream, MaximumBatchingWindowInSeconds=5)
    stream.write(0)
    one.poll()
    assert one.due_invocations(one.clock.now()) == []
    system.time -= HOUR
    one.poll()
    assert one.due_invocations(one.clock.now()) == []
    system.time += 5
    assert len(one.due_invocations(one.clock.now())) == 1


def test_a_failed_batch_is_sent_again_after_its_delay_by_a_clock_that_was_set_back() -> None:
    stream = RollingStream()
    system, one = polled(stream)
    stream.write(0)
    one.poll()
    ((call, _),) = one.due_invocations(one.clock.now())
    one.handle_result(call, Failed("boom"), one.clock.now())
    system.time -= HOUR
    assert one.due_invocations(one.clock.now()) == []
    system.time += 60
    assert len(one.due_invocations(one.clock.now())) == 1


def test_a_window_ends_by_a_clock_that_was_set_back() -> None:
    """Later records have an earlier time than those in the window."""
    stream = RollingStream()
    system, one = polled(stream, TumblingWindowInSeconds=60)
    stream.write(0)
    one.poll()
    ((call, _),) = one.due_invocations(one.clock.now())
    one.handle_result(call, Returned({"state": {"seen": 1}}), one.clock.now())
    system.time -= HOUR
    one.poll()
    system.time += 90
    stream.write(0)
    stream.shards[next(iter(stream.shards))].records[-1]["dynamodb"]["ApproximateCreationDateTime"] = system.time
    one.poll()
    ((_, body),) = one.due_invocations(one.clock.now())
    assert json.loads(body)["isFinalInvokeForWindow"]
