"""The remaining time of an invocation."""

from collections.abc import Callable
from typing import Any

_NO_DEADLINE_MS = 86_400_000


def no_deadline() -> int:
    """Return the milliseconds of a whole day."""
    return _NO_DEADLINE_MS


def remaining_time_ms(context: Any) -> Callable[[], int]:
    """Return a function that returns the milliseconds left; a whole day without a Lambda context.

    The context: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """
    remaining: Callable[[], int] = getattr(context, "get_remaining_time_in_millis", no_deadline)
    return remaining
