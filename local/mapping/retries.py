"""When a failed batch is tried again.

Lambda retries with exponential back-off and does not publish its figures (services-dynamodb-errors), so
they are parameters here.
"""

from dataclasses import dataclass

from local.mapping.settings import StreamSettings


@dataclass(frozen=True, slots=True)
class Backoff:
    """A wait that doubles from `first_s` up to `longest_s`, both in seconds."""

    first_s: float = 0.25
    longest_s: float = 30.0

    def wait(self, failures: int) -> float:
        """Seconds to wait after the n-th failure in a row, n >= 1."""
        doublings = min(failures - 1, 63)  # more would only overflow
        return min(self.first_s * 2.0**doublings, self.longest_s)


@dataclass(frozen=True, slots=True)
class Retry:
    """The batch is to be tried again, whole, not before `at` (seconds since the epoch)."""

    at: float


type Decision = Retry


def decide(settings: StreamSettings, backoff: Backoff, *, failures: int, now: float) -> Decision:  # noqa: ARG001
    """What becomes of a stream's batch that has failed `failures` times in a row.

    The one place where that is decided. Today a batch is tried again until it succeeds, which is what Lambda
    does without limits. Splitting it (`settings.bisect`), giving it up (`settings.maximum_retry_attempts`,
    `settings.maximum_record_age_s`) and where it then goes (`settings.on_failure`) are decisions of this function.
    """
    return Retry(at=now + backoff.wait(failures))
