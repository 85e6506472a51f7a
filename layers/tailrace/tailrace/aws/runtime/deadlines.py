"""The remaining time of an invocation, and clients that begin no call without it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from tailrace.errors import Transient

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


def timely[Client](client: Client, has_time: Callable[[], bool]) -> Client:
    """Return a client that raises Transient instead of beginning a call when no time is left.

    A process that is killed during a call forgets what it has written.
    """

    def in_time() -> Client:
        if not has_time():
            raise Transient("no time is left")
        return client

    return chosen(client, in_time)


def chosen[Client](client: Client, choose: Callable[[], Client]) -> Client:
    """Return a client whose calls are each made by the client that ``choose`` returns then; it may also raise."""
    made: Any = _ChosenClient(client, choose)
    return made  # type: ignore[no-any-return]


class _ChosenClient:
    """The methods of a client, which choose the client at each call."""

    def __init__(self, client: Any, choose: Callable[[], Any]) -> None:
        self._client = client
        self._choose = choose

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method

        @wraps(method)
        def called(**request: Any) -> Any:
            return getattr(self._choose(), name)(**request)

        return called
