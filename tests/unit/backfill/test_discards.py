"""Which generations a discarded batch leaves unknown, by where it lies and what a job does meanwhile."""

from copy import replace

import pytest

from tailrace.backfill.boundaries import Boundary, Position
from tailrace.backfill.coverage import GivenUp
from tailrace.backfill.discards import without
from tailrace.backfill.generations import Generation, State, created

NEW = created("shops", 1, "f")
EARLY, LATE = Boundary("early", 100, confirmed=True), Boundary("late", 200, confirmed=True)
FIRSTS = {"early": {"shard": 10}, "late": {"shard": 20}}


def batch(first: int, created_at: int) -> GivenUp:
    """Return a batch of two records."""
    return GivenUp("shard", (Position(first, created_at), Position(first + 1, created_at)))


BETWEEN, BEYOND, BEFORE = batch(15, 150), batch(25, 250), batch(5, 50)


@pytest.mark.parametrize(
    ("generation", "discarded", "exact", "has_job"),
    [
        (NEW, BETWEEN, False, False),
        (replace(NEW, frontier=EARLY), BEFORE, True, False),
        (replace(NEW, frontier=EARLY), BETWEEN, False, False),
        (replace(NEW, frontier=EARLY, floor=LATE), BETWEEN, True, False),  # told again after a repair
        (replace(NEW, frontier=EARLY, floor=LATE), BEYOND, False, False),
        (replace(NEW, floor=LATE), batch(19, 150), False, False),  # its last record is the boundary's first
        (replace(NEW, floor=LATE), GivenUp("shard", ()), False, False),
        (replace(NEW, baseline=LATE), BETWEEN, False, True),  # the job judges it
        (replace(NEW, baseline=LATE), BEYOND, False, False),
        (replace(NEW, floor=LATE, baseline=LATE, repairs=True), BETWEEN, False, True),  # not repaired yet
        (replace(NEW, floor=EARLY, baseline=LATE), BEFORE, True, True),
    ],
)
def test_rows_of_a_live_generation_are_known_to_be_exact_if_they_lack_nothing(
    generation: Generation, discarded: GivenUp, *, exact: bool, has_job: bool
) -> None:
    after = without(generation, discarded, FIRSTS.__getitem__)
    assert (after.exact, after.baseline is not None, after == generation) == (exact, has_job, exact)
    assert exact or after.reason.endswith("run `tailrace verify shops --repair`")


@pytest.mark.parametrize(
    ("state", "discarded", "then"),
    [
        (State.BUILDING, BEFORE, State.BUILDING),
        (State.BUILDING, BETWEEN, State.INTERRUPTED),
        (State.DECLARED, BETWEEN, State.DECLARED),
        (State.INTERRUPTED, BETWEEN, State.INTERRUPTED),
        (State.RETIRED, BETWEEN, State.RETIRED),
    ],
)
def test_a_build_is_interrupted_by_what_it_should_have_added(state: State, discarded: GivenUp, then: State) -> None:
    building = replace(NEW, state=state, verified=False, frontier=EARLY)
    after = without(building, discarded, FIRSTS.__getitem__)
    assert (after.state, after == building) == (then, state is then)
    assert state is then or after.reason.endswith("run `tailrace rebuild shops`")
