"""The handler's own duration, in a header of each response: https://www.w3.org/TR/server-timing/."""

from collections.abc import Callable, Mapping
from typing import Any

SERVER_TIMING = "Server-Timing"

type Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]
"""A handler of HTTP API events."""


def timed(handler: Handler, clock_s: Callable[[], float]) -> Handler:
    """Return the handler with its duration, in milliseconds, in a header of each response.

    Args:
        handler: a handler whose responses have headers.
        clock_s: a monotonic clock, in seconds.
    """

    def handled(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        started = clock_s()
        response = handler(event, context)
        response["headers"][SERVER_TIMING] = f"handler;dur={(clock_s() - started) * 1000:.1f}"
        return response

    return handled
