"""Actors that take turns in virtual time: one thread runs at a time, and the seed alone decides which."""

import heapq
import itertools
import threading
from collections.abc import Callable

from msgspec import Struct, field

MAX_EVENTS = 200_000


class _Thread(Struct):
    turn: threading.Semaphore


class Stage(Struct):
    """Virtual time in milliseconds, and what happens at which moment."""

    now: float = 0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _main: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _current: _Thread | None = None
    _failure: BaseException | None = None

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Let something happen after some milliseconds."""
        heapq.heappush(self._events, (self.now + delay, next(self._numbers), action))

    def start(self, work: Callable[[], None]) -> None:
        """Run an actor until it pauses or ends; called by an event."""
        thread = _Thread(threading.Semaphore(0))

        def run() -> None:
            thread.turn.acquire()
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised where the events are run
                self._failure = error
            self._main.release()

        threading.Thread(target=run, daemon=True).start()
        self._switch_to(thread)

    def pause(self, delay: float) -> None:
        """Let an actor, who calls this, wait while others act."""
        thread = self._current
        assert thread is not None
        self.later(delay, lambda: self._switch_to(thread))
        self._main.release()
        thread.turn.acquire()

    def run(self) -> None:
        """Let everything happen, until nothing is left."""
        for _ in range(MAX_EVENTS):
            if not self._events:
                return
            self.now, _, action = heapq.heappop(self._events)
            action()
        raise AssertionError("the history does not end")

    def _switch_to(self, thread: _Thread) -> None:
        before, self._current = self._current, thread
        thread.turn.release()
        self._main.acquire()
        self._current = before
        if self._failure is not None:
            raise self._failure
