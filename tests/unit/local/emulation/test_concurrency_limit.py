"""Requests to HTTP APIs are limited in number; other requests never wait."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.emulation.concurrency_limit import API_PATH_PREFIX, limit_concurrency


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
