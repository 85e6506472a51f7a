"""The handler's own time, told with each answer: https://www.w3.org/TR/server-timing/."""

from collections.abc import Callable, Mapping
from typing import Any

SERVER_TIMING = "Server-Timing"

type Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]
"""What answers an HTTP API's event and a context."""


def timed(handler: Handler, clock_s: Callable[[], float]) -> Handler:
    """Return the handler with its duration, in milliseconds, in a header of each response.

    Args:
        handler: a handler whose responses have headers.
        clock_s: a monotonic clock, in seconds.
    """

    def handled(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        began = clock_s()
        answer = handler(event, context)
        answer["headers"][SERVER_TIMING] = f"handler;dur={(clock_s() - began) * 1000:.1f}"
        return answer

    return handled
