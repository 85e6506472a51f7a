"""The handler's own time, told with each answer: https://www.w3.org/TR/server-timing/."""

from collections.abc import Callable, Mapping
from typing import Any

SERVER_TIMING = "Server-Timing"

type Answering = Callable[[Mapping[str, Any], Any], dict[str, Any]]
"""What answers an HTTP API's event and a context."""


def timed(answering: Answering, clock_s: Callable[[], float]) -> Answering:
    """Return the same, with the milliseconds that it took in a header of each answer.

    Args:
        answering: what answers; its answers have headers.
        clock_s: seconds, of a clock that only goes forward.
    """

    def answered(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        began = clock_s()
        answer = answering(event, context)
        answer["headers"][SERVER_TIMING] = f"handler;dur={(clock_s() - began) * 1000:.1f}"
        return answer

    return answered
