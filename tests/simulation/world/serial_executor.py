"""An executor without threads: sequential calls in a reproducible order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from random import Random
from typing import Any


class _Outcome:
    """A future without a lock, as there is one thread: what a call has returned or raised."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._error: Exception | None = None

    def settle(self) -> None:
        try:
            self._value = self._call()
        except Exception as error:  # noqa: BLE001 - as a pool of threads does
            self._error = error

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value


class SerialExecutor(Executor):
    """Runs the submitted calls at shutdown, shuffled with the seed ``order``.

    Exceptions end up in the futures, as with threads, except those that are not an ``Exception`` (the simulated death
    of the process), which propagate.
    """

    def __init__(self, order: int) -> None:
        self._order = order
        self._waiting: list[_Outcome] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Keep a call for later."""
        outcome = _Outcome(partial(fn, *args, **kwargs) if args or kwargs else fn)
        self._waiting.append(outcome)
        return outcome

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_options: Any) -> Iterator[Any]:
        """Make calls immediately, in their order."""
        return map(fn, *iterables)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Run all calls."""
        waiting, self._waiting = self._waiting, []
        if self._order and len(waiting) > 1:
            Random(self._order).shuffle(waiting)  # noqa: S311 - not a secret
        for outcome in waiting:
            outcome.settle()
