"""A short round of chaos against the whole stack: each fault alone, and safeguards that are broken on purpose.

`make chaos` plays pairs of faults as well, and as many rounds as you like.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.chaos.checks import Check
from tests.chaos.proxy.faults import Plan
from tests.chaos.rounds import USABLE, plan_of, play
from tests.chaos.stack import ChaosStack, chaos_stack


@pytest.fixture(scope="module")
def chaos() -> Iterator[ChaosStack]:
    with chaos_stack() as running:
        yield running


@pytest.fixture(scope="module")
def check(chaos: ChaosStack) -> Check:
    return Check(chaos)


@pytest.mark.parametrize("seed", range(len(USABLE)), ids=USABLE)
def test_nothing_is_lost_or_drifts(chaos: ChaosStack, check: Check, seed: int) -> None:
    outcome = play(chaos, check, plan_of(seed))
    assert outcome.violations == []
    assert outcome.met
    assert outcome.acknowledged > 50


@contextmanager
def broken(chaos: ChaosStack, function: str, safeguard: str) -> Iterator[None]:
    chaos.break_safeguard(function, safeguard)
    try:
        yield
    finally:
        chaos.break_safeguard(function, "")


@pytest.mark.parametrize(
    ("function", "safeguard", "fault", "action", "found"),
    [
        ("load", "ignores unprocessed items", "partial", "BatchWriteItem", "item r"),
        ("fanout", "ignores failed entries", "partial", "SendMessageBatch", "route: "),
        ("aggregate", "acknowledges what failed", "error", "UpdateItem", "row "),
        ("aggregate", "adds without a condition", "lost", "UpdateItem", "row "),
    ],
)
def test_a_broken_safeguard_is_found(  # noqa: PLR0917 - two fixtures, and parameters
    chaos: ChaosStack, check: Check, function: str, safeguard: str, fault: str, action: str, found: str
) -> None:
    with broken(chaos, function, safeguard):
        outcome = play(chaos, check, Plan(1, [fault], {fault: [function]}, action))
    assert outcome.met
    assert any(text.startswith(found) for text in outcome.violations), outcome.violations
