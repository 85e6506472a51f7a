"""The time of an invocation of load: when it writes a checkpoint, and when it passes the file on."""

from collections.abc import Callable

from msgspec import Struct

MIN_TIME_LEFT_MS = 60_000  # what a busy table may take for all the lines that are held
LAST_CALL_MS = 40_000  # what a call without a response takes, with its retries, and passing the file on
CHECKPOINT_EVERY_MS = 5_000  # what a crash costs at most


class OutOfTime(Exception):
    """The invocation ends soon."""


class Clock(Struct):
    """The time of an invocation, as far as one file is concerned."""

    remaining_ms: Callable[[], int]
    checkpoint_at_ms: int = 0

    def require(self) -> None:
        """Raise OutOfTime if there is no time for more lines."""
        if self.remaining_ms() < MIN_TIME_LEFT_MS:
            raise OutOfTime

    def allows_call(self) -> bool:
        """Tell whether a call may begin that writes lines which were read."""
        return self.remaining_ms() >= LAST_CALL_MS

    def is_checkpoint_due(self) -> bool:
        """Tell whether the last checkpoint is old."""
        return self.remaining_ms() <= self.checkpoint_at_ms

    def start_anew(self) -> None:
        """Count the time to the next checkpoint from now on."""
        self.checkpoint_at_ms = self.remaining_ms() - CHECKPOINT_EVERY_MS
