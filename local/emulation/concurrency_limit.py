"""Limit the concurrent calls of functions in the emulator; the others wait their turn.

When all processes of a function are busy, the emulator starts another for the next call, as Lambda starts environments.
Two cores cannot start 200 of them within the 29 s timeout of an API's request, nor while as many files are uploaded to
the inbox, but a few running ones serve them all in that time.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from typing import Any

API_PATH_PREFIX = "/_aws/execute-api/"
"""The path prefix of every HTTP API."""

MAX_CONCURRENT_REQUESTS = 4

MAX_CONCURRENT_EVENTS = 4
"""Asynchronous calls of one function at a time."""

THROTTLED_WAITS_S = (1.0, 10.0)
"""The first and the longest wait before a throttled asynchronous call is tried again."""

MAX_EVENT_AGE_S = 6 * 3600
"""How long Lambda keeps an event that it cannot pass on (Lambda guide, invocation-async)."""

type Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application: https://asgi.readthedocs.io/en/latest/specs/main.html"""

type Json = dict[str, Any]

_waits = ContextVar("_waits", default=False)
"""Whether a call waits for its turn: an asynchronous one, which has nobody waiting for it."""


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


def limit_events(functions: Json, limit: int = MAX_CONCURRENT_EVENTS) -> None:
    """Let the emulator's module with these names handle at most `limit` asynchronous calls of a function at a time.

    Fewer, if the function reserves fewer. Lambda keeps the others in a queue for up to six hours, and so it does with
    throttled ones (Lambda guide, invocation-async): the emulator would count those as failures, and give an event up
    after three seconds in which another program calls the function.
    """
    begin, execute = functions["invoke_async_with_retry"], functions["_execute_function"]
    slots: dict[tuple[str, int], threading.Semaphore] = {}

    def begin_waiting(function: Json, event: Json) -> None:
        context = copy_context()  # which the emulator copies for the thread of the call
        context.run(_waits.set, True)
        context.run(begin, function, event)

    def execute_in_turn(function: Json, event: Json) -> Json:
        if not _waits.get():
            return dict(execute(function, event))
        name = (function.get("config") or function)["FunctionName"]
        allowed = min(limit, function.get("concurrency") or limit)
        waits = _waits.set(False)  # executing may begin anew within the call, in the scope of the function's account
        try:
            with slots.setdefault((name, allowed), threading.Semaphore(allowed)):
                return _admitted(lambda: dict(execute(function, event)), reserves_none=function.get("concurrency") == 0)
        finally:
            _waits.reset(waits)

    functions["invoke_async_with_retry"] = begin_waiting
    functions["_execute_function"] = execute_in_turn


def _admitted(call: Callable[[], Json], *, reserves_none: bool) -> Json:
    """Make a call that is repeated as long as it is throttled; not if the function reserves none, which refuses all."""
    deadline = time.monotonic() + MAX_EVENT_AGE_S
    wait, longest = THROTTLED_WAITS_S
    while (result := call()).get("throttle") and not reserves_none and time.monotonic() < deadline:
        time.sleep(wait)
        wait = min(2 * wait, longest)
    return result
