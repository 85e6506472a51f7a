"""Requests to HTTP APIs and asynchronous calls are limited in number; others never wait."""

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from local.emulation import concurrency_limit
from local.emulation.concurrency_limit import API_PATH_PREFIX, limit_concurrency, limit_events


def peak_concurrency(path: str, requests: int, limit: int) -> int:
    """Send concurrent requests; return the highest number that the application handled at once."""
    active: list[str] = []
    peak = 0

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        nonlocal peak
        active.append(scope["path"])
        peak = max(peak, len(active))
        await asyncio.sleep(0.001)
        active.pop()
        if scope.get("fails"):
            raise ConnectionError

    async def play() -> None:
        app = limit_concurrency(application, limit)
        scopes = [{"type": "http", "path": path, "fails": number % 3 == 0} for number in range(requests)]
        ended = await asyncio.gather(*(app(scope, None, None) for scope in scopes), return_exceptions=True)
        assert [isinstance(one, ConnectionError) for one in ended] == [scope["fails"] for scope in scopes]

    # in a separate thread: a browser opened by an earlier test runs an event loop in this one
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(play())).result()
    return peak


@pytest.mark.parametrize("limit", [1, 3])
def test_requests_to_an_api_are_limited(limit: int) -> None:
    assert peak_concurrency(f"{API_PATH_PREFIX}abc/health", 20, limit) == limit


def test_other_requests_are_not_limited() -> None:
    assert peak_concurrency("/", 20, 1) == 20


class LambdaModule(dict[str, Any]):
    """What the emulator's module does that is wrapped: each asynchronous call has a thread, and is made again once."""

    def __init__(self) -> None:
        super().__init__(invoke_async_with_retry=self._begin, _execute_function=self._execute)
        self.threads: list[threading.Thread] = []
        self.lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.active: Counter[str] = Counter()
        self.peaks: Counter[str] = Counter()

    def _begin(self, function: dict[str, Any], event: dict[str, Any]) -> None:
        def run() -> None:
            if self["_execute_function"](function, event).get("error"):
                self["_execute_function"](function, event)

        self.threads.append(threading.Thread(target=copy_context().run, args=(run,)))
        self.threads[-1].start()

    def _execute(self, function: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
        if not event.get("in_scope"):
            return dict(self["_execute_function"](function, event | {"in_scope": True}))
        name = function["config"]["FunctionName"]
        with self.lock:
            self.calls[name] += 1
            self.active[name] += 1
            self.peaks[name] = max(self.peaks[name], self.active[name])
        if "meets" in event:
            event["meets"].wait(10)
        else:
            time.sleep(0.001)
        with self.lock:
            self.active[name] -= 1
        if self.calls[name] <= event.get("throttled", 0):
            return {"error": True, "throttle": True}
        return {"error": event.get("fails")}

    def peak(self, name: str, events: list[dict[str, Any]], *, waits: bool, reserved: int | None = None) -> int:
        """Call a function with each event at once, and return how many calls were made at a time at most."""
        function = {"config": {"FunctionName": name}, "concurrency": reserved}
        if waits:
            for event in events:
                self["invoke_async_with_retry"](function, event)
            for thread in self.threads:
                thread.join()
        else:
            with ThreadPoolExecutor(len(events)) as pool:
                list(pool.map(lambda event: self["_execute_function"](function, event), events))
        return self.peaks[name]


def meeting(calls: int) -> list[dict[str, Any]]:
    """Return events whose calls end only when all of them are running."""
    return [{"meets": threading.Barrier(calls)}] * calls


def test_asynchronous_calls_of_a_function_are_limited() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html

    Two hundred files in the inbox at once are two hundred events. The limit holds for retries, too.
    """
    module = LambdaModule()
    limit_events(module, 2)
    failing = [{"fails": number % 3 == 0} for number in range(10)]
    assert module.peak("load", [*meeting(2), *failing], waits=True) == 2
    assert module.calls["load"] == 12 + 4
    assert module.peak("catalog", [{}] * 3, waits=True) <= 2
    assert module.peak("history", [{}] * 6, waits=True, reserved=1) == 1
    assert module.peak("archive", [*meeting(2), *[{}] * 4], waits=True, reserved=100) == 2


def test_other_calls_do_not_wait() -> None:
    module = LambdaModule()
    limit_events(module, 1)
    assert module.peak("fanout", meeting(5), waits=False) == 5


def test_a_throttled_event_waits_and_uses_up_no_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html

    Another program may call the function, which reserves one call at a time. A function that reserves none is never
    called: its events fail at once.
    """
    monkeypatch.setattr(concurrency_limit, "THROTTLED_WAITS_S", (0.001, 0.002))
    module = LambdaModule()
    limit_events(module)
    module.peak("load", [{"throttled": 7}], waits=True, reserved=1)
    assert module.calls["load"] == 8
    module.peak("catalog", [{"throttled": 7, "fails": True}], waits=True)
    assert module.calls["catalog"] == 9  # and one retry after its own failure
    module.peak("archive", [{"throttled": 7}], waits=True, reserved=0)
    assert module.calls["archive"] == 2
    monkeypatch.setattr(concurrency_limit, "MAX_EVENT_AGE_S", 0)
    module.peak("fanout", [{"throttled": 7}], waits=True, reserved=1)
    assert module.calls["fanout"] == 2
