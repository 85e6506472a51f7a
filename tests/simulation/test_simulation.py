"""No history drifts, and a seed always gives the same history."""

import os
import subprocess
import sys
from collections.abc import Iterator
from copy import replace
from typing import Any

import pytest
from rich.console import Console

from tailrace.aws.stages.aggregate import Aggregator
from tailrace.aws.stages.write_behind import WriteBehind
from tests.simulation.__main__ import main
from tests.simulation.describe import describe
from tests.simulation.invariants import find_violations
from tests.simulation.playing import played
from tests.simulation.runner import run
from tests.simulation.shrink import shrink
from tests.simulation.world.generator import generate_history
from tests.simulation.world.isolation import isolated
from tests.simulation.world.steps import Deliver, Fault, History, Redeliver, Run, Write

SEEDS = 2000
CARRYING_SEEDS = 400


@pytest.fixture
def _alone() -> Iterator[None]:
    with isolated():
        yield


def test_no_history_drifts() -> None:
    failed = run(range(SEEDS), "", 2, Console(quiet=True))
    assert failed is None, f"to reproduce: make simulate FIRST={failed} SEEDS=1"


def test_no_history_drifts_with_write_behind() -> None:
    failed = run(range(CARRYING_SEEDS), "", 2, Console(quiet=True), carries=True)
    assert failed is None, f"to reproduce: make simulate FIRST={failed} SEEDS=1 CARRIES=1"


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("seed", range(0, 300, 10))
def test_the_same_seed_gives_the_same_run(seed: int) -> None:
    assert generate_history(seed) == generate_history(seed)
    assert played(generate_history(seed)).trace == played(generate_history(seed)).trace


TRACES = """
from tests.simulation.world.generator import generate_history
from tests.simulation.world.isolation import isolated
from tests.simulation.playing import played
with isolated():
    for seed in range(20):
        print(played(generate_history(seed)).trace)
"""


def test_the_same_seed_gives_the_same_run_in_every_process() -> None:
    path = os.pathsep.join(sys.path)
    runs = [
        subprocess.run(
            [sys.executable, "-c", TRACES],
            env={"PYTHONPATH": path, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        )
        for salt in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert "invoke" in runs[0].stdout


@pytest.mark.usefixtures("_alone")
def test_every_kind_of_event_occurs_in_some_history() -> None:
    operations = {"UpdateItem", "BatchExecuteStatement", "SendMessageBatch", "PutObject", "GetObject"}
    faults = {"throttled", "lost", "unanswered", "again", "delayed", "before", "after", "adrift", "partly", "meanwhile"}
    events = {"arrives", "restarts", "rolls", "times out", "stillborn", "runs", "fanout", "aggregate"}
    missing = {*operations, *faults, *events, "gives up", "RetryAttemptsExhausted", "RecordAgeExceeded"}
    for seed in range(400):
        for entry in played(generate_history(seed)).trace if missing else ():
            missing -= {str(part) for part in entry[1:] if part is None or isinstance(part, str)}
    assert missing == set()


@pytest.mark.usefixtures("_alone")
def test_what_is_carried_is_committed_at_the_end_of_a_window_or_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: set[str] = set()

    def note(owner: type, name: str) -> None:
        method = getattr(owner, name)

        def noting(*arguments: Any, **options: Any) -> Any:
            found = method(*arguments, **options)
            happened.add(name if found is not None else f"{name}: nothing")
            return found

        monkeypatch.setattr(owner, name, noting)

    for owner, name in ((WriteBehind, "carried"), (WriteBehind, "carry"), (WriteBehind, "_read_again")):
        note(owner, name)
    note(Aggregator, "_commit_carried")
    for seed in range(100):
        world = played(generate_history(seed, carries=True))
        happened |= {str(entry[2]) for entry in world.trace if entry[1] == "call"}
        assert not world.functions.outstanding()
    assert {"carried", "carry", "_read_again", "_commit_carried: nothing", "GetRecords"} <= happened


ORDER = {"shop": "a", "amount": 7}


@pytest.mark.usefixtures("_alone")
def test_a_failing_history_is_shrunk_to_the_minimum() -> None:
    noise = (Write("visits", "1", {"page": "/"}), Write("orders", "2", {"shop": "b#1", "amount": 0}))
    delivery = Deliver("aggregate", 0, Run("runs", (Fault(0, "lost"), Fault(1, "before")), 7))
    history = History(1, (*noise, Write("orders", "1", ORDER), *noise, delivery, Redeliver("aggregate", 0, 1, 1)))

    def lost(candidate: History) -> bool:
        orders = {step.id for step in candidate.steps if isinstance(step, Write) and step.item == ORDER}
        faults = [fault for step in candidate.steps if isinstance(step, Deliver) for fault in step.run.faults]
        return bool(orders) and any(fault.kind == "before" for fault in faults)

    simplest = (Write("orders", "1", ORDER), Deliver("aggregate", 0, Run("runs", (Fault(1, "before"),))))
    assert shrink(history, lost) == replace(history, steps=simplest)
    assert not find_violations(history)


def test_a_history_is_described_line_by_line() -> None:
    for seed in range(50):
        history = generate_history(seed)
        lines = describe(history).splitlines()
        assert lines[0].startswith(f"seed {seed}: ")
        assert len(lines) == len(history.steps) + 2


def test_the_command_finds_a_failing_seed_and_shows_its_shortest_history(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "200", "--processes", "1", "--break", "retraction is left out"]) == 1
    out = capsys.readouterr().out
    assert "fails; shrinking its history" in out
    assert "   1. " in out
    assert "  wrong: " in out
    assert main(["--seeds", "100", "--processes", "2"]) == 0
    assert "100 histories without drift" in capsys.readouterr().out


@pytest.mark.parametrize("seeds", ["0", "-5"])
def test_no_history_is_not_reported_as_a_success(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--seeds", seeds])
    assert ended.value.code == 2
    assert "SEEDS is at least 1" in capsys.readouterr().err
