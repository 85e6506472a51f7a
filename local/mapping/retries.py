"""What becomes of a stream's batch whose call has failed.

Lambda retries with exponential back-off and does not publish its figures (services-dynamodb-errors), so they are
parameters here.
"""

from dataclasses import dataclass

from local.mapping.settings import StreamSettings


@dataclass(frozen=True, slots=True)
class Backoff:
    """A wait that doubles from `initial_s` up to `max_s`, both in seconds."""

    initial_s: float = 0.25
    max_s: float = 30.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after the n-th failure in a row, n >= 1."""
        doublings = min(failures - 1, 63)  # more would only overflow
        return min(self.initial_s * 2.0**doublings, self.max_s)


@dataclass(frozen=True, slots=True)
class Retry:
    """The batch is to be tried again, whole, after a wait."""


@dataclass(frozen=True, slots=True)
class Split:
    """The batch is to be delivered as two: its first `left` records, then the others."""

    left: int


@dataclass(frozen=True, slots=True)
class Discard:
    """The batch is not tried again."""


type Decision = Retry | Split | Discard


def decide(settings: StreamSettings, *, size: int, calls: int) -> Decision:
    """What becomes of a batch of `size` records of which the function has done none.

    `calls` is how often the function has been called with exactly these records. services-dynamodb-errors: splitting a
    batch uses up no retry, so a half has all of them. Throttled calls are not decided here: they are no errors of the
    function. A record's age ends retries too, but is looked at before a call and not after one. Both: see
    `ShardPartition`.
    """
    if settings.bisect and size > 1:
        return Split(left=size // 2)
    if 0 <= settings.maximum_retry_attempts < calls:
        return Discard()
    return Retry()
