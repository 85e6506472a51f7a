"""Which faults the rounds have."""

from itertools import combinations

from tests.chaos.proxy.calls import Call
from tests.chaos.proxy.faults import CALLERS, KINDS, Plan
from tests.chaos.rounds import COMBINATIONS, USABLE, plan_of


def test_the_first_seeds_play_each_fault_alone_and_then_each_pair() -> None:
    assert [plan_of(seed).kinds for seed in range(len(USABLE))] == [(kind,) for kind in USABLE]
    assert set(COMBINATIONS[len(USABLE) :]) == set(combinations(USABLE, 2))
    assert plan_of(len(COMBINATIONS)).kinds == plan_of(0).kinds


def test_a_single_fault_meets_every_caller_that_it_can_meet() -> None:
    for kind in KINDS:
        assert Plan.of(1, [kind]).targets[kind] == list(KINDS[kind].callers)


def test_a_seed_gives_the_same_faults_to_the_same_calls() -> None:
    calls = [Call(caller, "dynamodb", "UpdateItem") for caller in CALLERS for _ in range(50)]
    for seed in range(len(COMBINATIONS)):
        first, second = plan_of(seed), plan_of(seed)
        assert [_kind(first, call) for call in calls] == [_kind(second, call) for call in calls]
        assert first.met == second.met


def test_faults_end() -> None:
    """Each meets a caller so often and no more, so that every call succeeds in the end."""
    for kind in KINDS:
        plan = Plan.of(2, [kind])
        for _ in range(500):
            plan.decide(Call("aggregate", "dynamodb", "UpdateItem", "tailrace-aggregates"))
        assert plan.met[f"{kind} aggregate"] <= KINDS[kind].budget[1]


def _kind(plan: Plan, call: Call) -> str | None:
    decided = plan.decide(call)
    return None if decided is None else decided[0]
