"""The simulation detects every broken safeguard; otherwise its silence would mean little."""

import pytest

from tests.simulation.broken_safeguards.carrying import BROKEN_CARRYING
from tests.simulation.broken_safeguards.safeguards import BROKEN_SAFEGUARDS
from tests.simulation.invariants import find_violations
from tests.simulation.world.isolation import isolated
from tests.simulation.world.steps import History, generate_history

WITHIN = 3000
RICH = (1213, 1011, 643, 442, 1694, 1757, 405, 232, 121, 600, 31, 51, 55, 84, 116, 139, 155, 353, 458, 759, 944, 288827)
RICH_CARRYING = (1474, 40, 34, 19, 33)
"""Seeds to try first: each detects what hundreds of others do not. A stale list only makes the test slower."""


def first_failure(*, carries: bool) -> History | None:
    seeds = (*(RICH_CARRYING if carries else RICH), *range(WITHIN))
    histories = (generate_history(seed, carries=carries) for seed in seeds)
    return next((history for history in histories if find_violations(history)), None)


@pytest.mark.parametrize("name", BROKEN_SAFEGUARDS, ids=lambda name: name.replace(" ", "-"))
def test_a_broken_safeguard_is_detected(name: str) -> None:
    with isolated(), BROKEN_SAFEGUARDS[name]():
        found = first_failure(carries=name in BROKEN_CARRYING)
    assert found is not None
    with isolated():
        assert not find_violations(found)
