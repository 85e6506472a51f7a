"""Limit the concurrent requests that the emulator's HTTP APIs pass to the functions; the others wait their turn.

When all function processes are busy, the emulator starts another for the next request, as Lambda starts environments.
Two cores cannot start 200 of them within a request's 29 s timeout, but a few running ones serve 200 clients in that
time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

API_PATH_PREFIX = "/_aws/execute-api/"
"""The path prefix of every HTTP API."""

MAX_CONCURRENT_REQUESTS = 4

type Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application: https://asgi.readthedocs.io/en/latest/specs/main.html"""


def limit_concurrency(application: Application, limit: int = MAX_CONCURRENT_REQUESTS) -> Application:
    """Return an application that handles at most `limit` requests to HTTP APIs at a time, first come, first served."""
    slots = asyncio.Semaphore(limit)

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith(API_PATH_PREFIX):
            async with slots:
                await application(scope, receive, send)
        else:
            await application(scope, receive, send)

    return limited
