"""Builds, verifications and repairs leave no drift, and whatever safeguard is broken is found."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tailrace.backfill.comparison import MAX_AGE_S, Difference, StoredRow
from tests.simulation.job_model.__main__ import main
from tests.simulation.job_model.actors.verify import may_repair
from tests.simulation.job_model.found import FOUND
from tests.simulation.job_model.running import shrunk
from tests.simulation.job_model.sabotage import DECISIONS, RULES, SABOTAGES, breaking
from tests.simulation.job_model.scripted import SCRIPTED
from tests.simulation.job_model.steps import history_of
from tests.simulation.job_model.verdict import faults_of, told

SEEDS = 150
ENDED_LINEAGE = 85391  # a value row has the mark of a lineage that ended, and a main row above it is wrong
ROLLED_BACK = 34537  # the definition loses an aggregate while the journal of its verification is listed again


def test_no_history_leaves_a_drift_and_jobs_come_to_their_ends() -> None:
    stats: Counter[str] = Counter()
    for seed in (*range(SEEDS), ROLLED_BACK, ENDED_LINEAGE):
        assert not faults_of(history_of(seed), "", stats), f"seed {seed}"
    assert stats["shops@2 live exact=True"] > SEEDS / 5
    assert stats["verified"] > 2 * SEEDS


@pytest.mark.parametrize("name", SABOTAGES, ids=lambda name: name.replace(" ", "-"))
def test_a_broken_safeguard_is_found(name: str) -> None:
    history = SCRIPTED[name] if name in SCRIPTED else history_of(FOUND[name])
    with breaking(name):
        assert faults_of(history, name)
    assert not faults_of(history)


def test_every_safeguard_is_broken() -> None:
    assert FOUND.keys() | SCRIPTED.keys() == set(SABOTAGES)
    model = Path(__file__).parent / "actors"
    asked = {rule for path in model.glob("*.py") for rule in re.findall(r'holds\(\s*"([^"]+)"', path.read_text())}
    assert all(rule in " & ".join((*RULES, *DECISIONS)) for rule in asked)
    assert {rule for name in RULES for rule in name.split(" & ")} <= asked


@pytest.mark.parametrize("seed", range(0, 60, 10))
def test_the_same_seed_gives_the_same_run(seed: int) -> None:
    assert told(history_of(seed)) == told(history_of(seed))


def test_a_failing_history_is_made_shorter() -> None:
    name = "a boundary's number is set once"
    history = history_of(FOUND[name])
    short = shrunk(history, name)
    assert len(short.steps) < len(history.steps)
    assert faults_of(short, name)


def test_a_difference_is_added_once_and_to_the_row_that_was_read() -> None:
    key = ("shops@1#a", "-")
    read = Difference(key, (1,), StoredRow((2,), repairs=1), read_at=0)
    assert may_repair(read, StoredRow((9,), repairs=1), 10)
    assert not may_repair(read, StoredRow((3,), repairs=2), 10)
    assert not may_repair(read, StoredRow(), 10)
    assert not may_repair(read, StoredRow((2,), repairs=1), MAX_AGE_S + 1)
    absent = Difference(key, (1,), StoredRow(), read_at=0)
    assert may_repair(absent, StoredRow(), 10)
    assert may_repair(absent, StoredRow((1,)), 10)
    assert not may_repair(absent, StoredRow((1,), repairs=1), 10)


def test_the_command_tells_what_it_has_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "10", "--processes", "1"]) == 0
    assert "10 histories, none with drift" in capsys.readouterr().out
