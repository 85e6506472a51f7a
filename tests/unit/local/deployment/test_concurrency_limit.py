"""Requests of HTTP APIs take turns before the emulator; nothing else waits for them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.deployment.concurrency_limit import API_PATH_PREFIX, limit_concurrency


def most_at_once(path: str, requests: int, places: int) -> int:
    """Send requests side by side; return how many the application had in work at the same time."""
    here: list[str] = []
    most = 0

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        nonlocal most
        here.append(scope["path"])
        most = max(most, len(here))
        await asyncio.sleep(0.001)
        here.pop()
        if scope.get("fails"):
            raise ConnectionError

    async def play() -> None:
        app = limit_concurrency(application, places)
        scopes = [{"type": "http", "path": path, "fails": number % 3 == 0} for number in range(requests)]
        ended = await asyncio.gather(*(app(scope, None, None) for scope in scopes), return_exceptions=True)
        assert [isinstance(one, ConnectionError) for one in ended] == [scope["fails"] for scope in scopes]

    # in a thread of its own: a browser that an earlier test has opened runs a loop in this one
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(play())).result()
    return most


@pytest.mark.parametrize("places", [1, 3])
def test_so_many_requests_of_an_api_are_let_through_at_a_time(places: int) -> None:
    assert most_at_once(f"{API_PATH_PREFIX}abc/health", 20, places) == places


def test_other_requests_are_let_through_at_once() -> None:
    assert most_at_once("/", 20, 1) == 20
