"""The simulation detects every broken safeguard; otherwise its silence would mean little."""

from dataclasses import replace
from itertools import chain

import pytest

from tests.simulation.broken_safeguards.carrying import BROKEN_CARRYING
from tests.simulation.broken_safeguards.safeguards import BROKEN_SAFEGUARDS
from tests.simulation.invariants import find_violations
from tests.simulation.world.isolation import isolated
from tests.simulation.world.steps import Deliver, History, generate_history

WITHIN = 3000
RICH = (
    1213,
    643,
    442,
    1011,
    232,
    31,
    84,
    1694,
    1757,
    458,
    107,
    759,
    3,
    121,
    155,
    116,
    139,
    944,
    405,
    600,
    55,
    47,
    403,
    124,
    51,
    109,
    692,
    14,
    3118,
    12587,
)
RICH_CARRYING = (1474, 40, 34, 19, 33)
"""Seeds to try first: each detects what hundreds of others do not. A stale list only makes the test slower."""
RICH_RACES = ((96425, 15),)
"""Seeds of races, each with the call in whose middle the other shard's changes are delivered."""


def first_failure(*, carries: bool) -> History | None:
    seeds = (*(RICH_CARRYING if carries else RICH), *range(WITHIN))
    histories = (generate_history(seed, carries=carries) for seed in seeds)
    races = (race(seed, call) for seed, call in RICH_RACES)
    return next((history for history in chain(races, histories) if detects(history)), None)


def detects(history: History) -> bool:
    violations = find_violations(history)
    assert not any("raised TypeError" in one for one in violations), "the breakage does not fit what it replaces"
    return bool(violations)


def race(seed: int, call: int) -> History:
    """Return the history of a seed whose last step is a race, with the race at another call."""
    history = generate_history(seed)
    *steps, last = history.steps
    assert isinstance(last, Deliver)
    (fault,) = last.run.faults
    return replace(history, steps=(*steps, replace(last, run=replace(last.run, faults=(replace(fault, call=call),)))))


@pytest.mark.parametrize("name", BROKEN_SAFEGUARDS, ids=lambda name: name.replace(" ", "-"))
def test_a_broken_safeguard_is_detected(name: str) -> None:
    with isolated(), BROKEN_SAFEGUARDS[name]():
        found = first_failure(carries=name in BROKEN_CARRYING)
    assert found is not None
    with isolated():
        assert not find_violations(found)
