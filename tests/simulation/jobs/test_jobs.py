"""Jobs beside the stream: rows are exact at the end of every history, and no verification raises a false alarm."""

from collections.abc import Iterable

import pytest

from tests.simulation.jobs.__main__ import play
from tests.simulation.seeds import endings


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_rows_are_exact_and_no_verification_raises_a_false_alarm(first: int) -> None:
    for seed in range(first, first + 10):
        assert play(seed) == []


def test_elements_and_keys_of_their_own_are_counted_exactly() -> None:
    for seed in range(15):
        assert play(seed, baskets=True) == []


def test_rows_that_end_meanwhile_are_no_difference_and_the_others_are_exact() -> None:
    """TTL removes them at any moment, while their items are still there and change."""
    for seed in range(12):
        assert play(seed, keeps=True) == []


def test_parts_that_run_again_after_the_job_has_gone_on_change_nothing() -> None:
    for seed in range(15):
        assert play(seed, late=True) == []


@pytest.mark.parametrize("modes", [{}, {"baskets": True, "attached": True}])
def test_executions_and_jobs_at_the_same_time_do_not_disturb_each_other(modes: dict[str, bool]) -> None:
    """Some executions are stopped for good, or pause for hours, and definitions are deployed while jobs run."""
    for seed in range(4):
        assert play(seed, rivals=True, **modes) == []


def test_an_existing_table_is_counted_exactly_and_never_written_to() -> None:
    """Where the stream shows records later than jobs assume, rows may be wrong, but are not said to be exact."""
    for seed in range(8):
        assert play(seed, attached=True) == []


@pytest.mark.parametrize("first", range(0, 20, 10))
def test_what_is_carried_is_committed_under_whatever_is_fed_then(first: int) -> None:
    """Definitions change and jobs begin while changes are carried, and the states of windows are lost."""
    for seed in range(first, first + 10):
        assert play(seed, carries=True) == []


@pytest.mark.parametrize("seeds", [(90, 229, 250), range(6)])
def test_write_behind_on_an_existing_table_is_exact(seeds: Iterable[int]) -> None:
    """In the first three, the stage never sees some items' expiry: their batches are discarded."""
    for seed in seeds:
        assert play(seed, baskets=True, attached=True, carries=True) == []


def test_a_history_follows_from_its_seed_alone() -> None:
    """A failing seed can be played again: it is the same in a process whose sets have another order."""
    play_one = (
        "from tests.simulation.jobs.history import Player\n"
        "player = Player(1, baskets=True)\n"
        "player.play()\n"
        "print(player.random.random(), player.world.buckets.objects, player.world.database.rows('aggregates'))"
    )
    assert len(endings(play_one)) == 1
