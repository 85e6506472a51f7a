"""What happens to a batch after a failed call: the back-off of streams and queues, and a stream's decision.

Lambda retries with exponential backoff but does not publish the delays (services-dynamodb-errors), so they are
parameters here. How often a stream's batch is retried is a property of the deployed mapping (template.yaml). The first
delays were recorded as 0.19 to 0.27 s and 0.39 s
(https://github.com/radkawar/stackd/blob/9dc356f5e5cc49d2d334178a09c1398dd1c62617/testdata/aws/lambda/dynamodb_source.json).
"""

from msgspec import Struct

from local.mapping.settings import StreamSettings


class Backoff(Struct, frozen=True):
    """A delay that doubles from `initial_s` up to `max_s`, both in seconds."""

    initial_s: float = 0.2
    max_s: float = 30.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after the n-th failure in a row, n >= 1."""
        doublings = min(failures - 1, 63)  # prevents overflow
        return min(self.initial_s * 2.0**doublings, self.max_s)


class Retry(Struct, frozen=True):
    """Retry the whole batch after a delay."""


class Split(Struct, frozen=True):
    """Deliver the batch as two: its first `left` records, then the rest."""

    left: int


class Discard(Struct, frozen=True):
    """Do not retry the batch."""


type Decision = Retry | Split | Discard


def decide(settings: StreamSettings, *, size: int, calls: int) -> Decision:
    """What to do with a batch of `size` records, none of which the function has processed.

    `calls` is how many times the function was called with exactly these records. services-dynamodb-errors: a split does
    not count as a retry, so each half starts with the full number. Throttled calls are not function errors and do not
    get here. A record's age also ends retries, but is checked before a call. `ShardPartition` handles both.
    """
    if settings.bisect and size > 1:
        return Split(left=size // 2)
    if 0 <= settings.maximum_retry_attempts < calls:
        return Discard()
    return Retry()
