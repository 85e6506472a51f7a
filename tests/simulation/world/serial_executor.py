"""An executor without threads: sequential calls in a reproducible order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from random import Random
from typing import Any


class SerialExecutor(Executor):
    """Runs the submitted calls at shutdown, shuffled with the seed ``order``.

    Exceptions end up in the futures, as with threads, except those that are not an ``Exception`` (the simulated death
    of the process), which propagate.
    """

    def __init__(self, order: int) -> None:
        self._order = order
        self._waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Keep a call for later."""
        future: Future[Any] = Future()
        self._waiting.append((future, lambda: fn(*args, **kwargs)))
        return future

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_options: Any) -> Iterator[Any]:
        """Make calls immediately, in their order."""
        return map(fn, *iterables)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Run all calls."""
        waiting, self._waiting = self._waiting, []
        if self._order and len(waiting) > 1:
            Random(self._order).shuffle(waiting)  # noqa: S311 - not a secret
        for future, call in waiting:
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001 - as a pool of threads does
                future.set_exception(error)
