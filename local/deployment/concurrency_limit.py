"""How many requests the emulator's HTTP API lets through to the functions at a time; the others wait their turn.

The emulator starts a process for each request that comes while the others are busy, as Lambda starts environments. Two
cores do not start 200 of them within the 29 s that a request has; a few that are up answer 200 readers in that time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

API_PATH_PREFIX = "/_aws/execute-api/"
"""What the addresses of every HTTP API begin with."""

MAX_CONCURRENT_REQUESTS = 4

type Application = Callable[[Any, Any, Any], Awaitable[None]]
"""As ASGI has it: https://asgi.readthedocs.io/en/latest/specs/main.html"""


def limit_concurrency(application: Application, limit: int = MAX_CONCURRENT_REQUESTS) -> Application:
    """Return an application that takes so many requests of HTTP APIs at a time, in the order in which they come."""
    slots = asyncio.Semaphore(limit)

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith(API_PATH_PREFIX):
            async with slots:
                await application(scope, receive, send)
        else:
            await application(scope, receive, send)

    return limited
