"""How long an invocation may still run."""

from collections.abc import Callable
from typing import Any

_NO_DEADLINE_MS = 86_400_000


def time_left_ms(context: Any) -> Callable[[], int]:
    """Return a function that tells how many milliseconds are left; a whole day where no Lambda context says otherwise.

    The context: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """
    remaining: Callable[[], int] = getattr(context, "get_remaining_time_in_millis", lambda: _NO_DEADLINE_MS)
    return remaining
