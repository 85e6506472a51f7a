"""How long jobs wait."""

import pytest

from tailrace.aws.jobs.timing import MAX_LOOKS, Timing

DAY_S = 86_400
EVENTS_OF_A_LOOK, MOST_EVENTS = 11, 25_000


def test_a_job_may_look_for_a_day_within_the_events_of_one_execution() -> None:
    """An execution that exceeds them ends without a word to the job."""
    waited = sum(map(Timing().pause_s, range(1, MAX_LOOKS + 1)))
    assert DAY_S <= waited < DAY_S + 3600
    assert MAX_LOOKS * EVENTS_OF_A_LOOK < 0.8 * MOST_EVENTS


@pytest.mark.parametrize(
    ("items", "size", "partitions"),
    [(0, 0, 8), (4_000_001, 4_000_000_000, 9), (1_000_000, 400_000_000_000, 800), (400_000, 4_000_000_001, 9)],
)
def test_a_part_works_on_so_many_items_or_bytes_as_it_has_time_for(items: int, size: int, partitions: int) -> None:
    """A million items of 400 KB were eight parts of 50 GB, each of which takes longer than a function may."""
    assert Timing().partitions(items, size) == partitions
