"""When everything has been delivered, or a poller is stopped before that."""

import threading
import time
from copy import replace
from typing import Any

import pytest

from local.deployment.mappings import EventSourceMapping
from local.pollers.emulator_client import EmulatorClient
from local.pollers.pollers import Pollers
from local.pollers.source_poller import SourcePoller, Statistics


class Source:
    """A poller that was idle at a moment, and has delivered so much."""

    error = None

    def __init__(self) -> None:
        self.statistics = Statistics("m")
        self.idle_at = 0.0

    def idle_since(self, moment: float) -> bool:
        return self.idle_at >= moment

    def queue_depth(self) -> int:
        return 0

    def deliver(self) -> None:
        self.statistics = replace(self.statistics, delivered=self.statistics.delivered + 1)
        self.idle_at = time.monotonic()


def test_what_a_function_wrote_while_one_waited_is_read_first() -> None:
    """A queue's last message is delivered between two looks; its change is in the stream, which was read before."""
    stream, queue = Source(), Source()
    pollers: Any = object.__new__(Pollers)
    pollers._streams, pollers._queues = [stream], [queue]
    waits: list[int] = []

    def on_wait(_statistics: Any) -> None:
        waits.append(len(waits))
        match len(waits):
            case 1:
                stream.idle_at = time.monotonic()
                queue.deliver()
            case 3:
                stream.deliver()
                queue.idle_at = time.monotonic()
            case count if count > 3:
                stream.idle_at = queue.idle_at = time.monotonic()

    pollers.wait_until_settled(10, on_wait)
    assert stream.statistics.delivered == 1


def test_a_poller_that_ctrl_c_stops_while_it_warms_up_ends_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the process would wait for them when it exits."""
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    mapping = EventSourceMapping("Mapping", "uuid", "function", "arn", "arn", 60, {})
    poller: SourcePoller[object] = SourcePoller(mapping, EmulatorClient("http://127.0.0.1:9"), calls=1, warm_calls=1)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        poller.warm_up()
    poller.stop()
    (thread,) = started
    thread.join(5)
    assert not thread.is_alive()
