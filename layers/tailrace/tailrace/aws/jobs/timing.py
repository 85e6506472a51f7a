"""How long jobs wait, and into how many parts they divide their work: on AWS, or on one machine."""

from msgspec import Struct

from tailrace.backfill.boundaries import MARGIN_S
from tailrace.backfill.coverage import LISTING_DELAY_S

_INVOCATION_S = 5  # of the aggregate stage on one machine, where a deployment waits for invocations to end

MAX_LOOKS = 1740
"""How often a job looks whether the stream has passed its snapshot: for a day, with the pauses of :class:`Timing`. Each
look is 11 events of the job's execution, which may have 25,000:
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""

_QUICK_LOOKS = 360  # an hour, at ten seconds each
_LATER_POLLS = 6


class Timing(Struct, frozen=True):
    """Waits in seconds, and sizes of parts.

    Attributes:
        margin_s: by how much clocks may differ.
        listing_s: for how long the stream's description may lack a shard.
        timeout_s: the aggregate function's timeout.
        quiet_s: for how long a shard must have shown nothing but empty pages, where nothing may be written.
        poll_s: between two looks at the same thing.
        min_partitions: the fewest, for items and for rows, since the table's own count of items may be hours old.
        items_per_partition: how many items one part works on.
        bytes_per_partition: how many bytes of items one part works on: of items that are lists of numbers, a processor
            decodes and validates less than a megabyte a second.
        rows_at_once: how many rows, value rows included, a part holds in memory.
    """

    margin_s: int = MARGIN_S
    listing_s: int = LISTING_DELAY_S
    timeout_s: int = 120
    quiet_s: int = LISTING_DELAY_S
    poll_s: int = 10
    min_partitions: int = 8
    items_per_partition: int = 500_000
    bytes_per_partition: int = 500_000_000
    rows_at_once: int = 300_000

    @property
    def longest_s(self) -> int:
        """For how long an invocation of the aggregate stage may run, on one machine, too."""
        return max(self.timeout_s, _INVOCATION_S)

    def pause_s(self, looks: int) -> int:
        """Return how long to wait after this many looks at the same thing: longer once that has taken an hour."""
        return self.poll_s if looks < _QUICK_LOOKS else _LATER_POLLS * self.poll_s

    def is_over(self, since: int, now: int) -> bool:
        """Tell whether a margin has passed since a second of the same clock."""
        return not self.margin_s or now > since + self.margin_s

    def partitions(self, items: int, size: int) -> int:
        """Return the number of partitions for a number of items, and of their bytes."""
        by_number, by_size = -(-items // self.items_per_partition), -(-size // self.bytes_per_partition)
        return max(self.min_partitions, by_number, by_size)


ONE_MACHINE = Timing(margin_s=0, listing_s=0, timeout_s=0, quiet_s=0, poll_s=1, min_partitions=1)
"""On one machine there is one clock, the list of shards is complete, and a deployment waits for invocations to end."""
