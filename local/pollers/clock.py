"""The time that the pollers go by."""

import threading
import time
from collections.abc import Callable


class SteadyClock:
    """The system's time, but if that is set back, this goes on from where it was: nobody waits until it catches up.

    A monotonic clock would not do: it may stand still while a computer sleeps, and records have the system's time.
    """

    def __init__(self, read: Callable[[], float] | None = None) -> None:
        self.ahead = 0.0
        """By how much the system's clock was set back so far."""
        self._read, self._latest = read or _system_time, 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return seconds since the epoch."""
        with self._lock:
            system = self._read()
            self.ahead = max(self.ahead, self._latest - system)
            self._latest = system + self.ahead
            return self._latest


def _system_time() -> float:
    return time.time()
