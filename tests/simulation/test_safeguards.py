"""Whatever safeguard is broken, the simulation finds it: it would not tell much if it could not."""

import pytest

from tests.simulation.sabotage.safeguards import SABOTAGES
from tests.simulation.verdict import faults_of
from tests.simulation.world.steps import History, history_of
from tests.simulation.world.surroundings import alone

WITHIN = 3000


def first_failure() -> History | None:
    return next((history for seed in range(WITHIN) if faults_of(history := history_of(seed))), None)


@pytest.mark.parametrize("name", SABOTAGES, ids=lambda name: name.replace(" ", "-"))
def test_a_broken_safeguard_is_found(name: str) -> None:
    with alone(), SABOTAGES[name]():
        found = first_failure()
    assert found is not None
    with alone():
        assert not faults_of(found)
