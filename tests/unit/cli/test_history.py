"""``tailrace rebuild``, ``verify`` and ``status``, with a history function that answers from a script."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from cli import history, jobs
from cli.__main__ import main

COUNTS = {"rows": 12, "different": 0, "repaired": 0, "not_judged": 0, "inexact": 0}
INEXACT = {"counts": COUNTS | {"inexact": 1, "repaired": 1, "left": 0}}
DONE = {"state": "done", "reason": "", "targets": ["shops@2"], "counts": COUNTS, "report": "reports/j.jsonl"}
RUNNING = {"job": "j", "kind": "build", "state": "running", "phase": "reading the items", "done": 2, "total": 4}
STARTED = {"job": "j", "targets": ["shops@2"], "resumed": False}

type Json = dict[str, Any]


class Stack:
    """A stack whose history function answers from a script, and remembers its tasks."""

    def __init__(self, answers: list[Json | Exception]) -> None:
        self.answers = answers
        self.tasks: list[Json] = []

    def output(self, name: str) -> str:
        return name

    def client(self, _service: str, **_options: Any) -> "Stack":
        return self

    def invoke(self, *, FunctionName: str, Payload: str) -> Json:  # noqa: N803
        assert FunctionName == "HistoryFunction"
        self.tasks.append(json.loads(Payload))
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        answer: Json = {"Payload": io.BytesIO(json.dumps(found).encode())}
        return answer | ({"FunctionError": "Unhandled"} if "errorMessage" in found else {})

    def get_object(self, **_request: Any) -> Json:
        return {"Body": io.BytesIO(b'{"finding":"different"}')}


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stack]:
    """Return a function that sets the script."""

    def script(*answers: Json | Exception) -> Stack:
        stack = Stack(list(answers))
        monkeypatch.setattr(history, "stack_of", lambda _options: stack)
        monkeypatch.setattr("cli.jobs.time.sleep", lambda _seconds: None)
        return stack

    return script


def test_a_rebuild_is_followed_to_its_end(scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str]) -> None:
    stack = scripted(STARTED, RUNNING, RUNNING, DONE)
    assert main(["rebuild", "shops", "--stack", "tailrace"]) == 0
    assert stack.tasks[0] == {"task": "start", "kind": "build", "names": ["shops"]}
    assert stack.tasks[1] == {"task": "job", "job": "j"}
    assert "Live, and shown to readers: shops@2." in capsys.readouterr().out


THROTTLED = ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")
DENIED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "Invoke")


def test_a_call_that_is_not_answered_now_does_not_end_the_display(
    scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job's own parts may use up the account's concurrency."""
    later = [THROTTLED, ConnectTimeoutError(endpoint_url="u"), {"errorType": "Transient", "errorMessage": "m"}]
    scripted(STARTED, *later, RUNNING, *later, DONE)
    assert main(["rebuild", "shops", "--stack", "tailrace"]) == 0
    refused = [DENIED, {"errorType": "KeyError", "errorMessage": "m"}]
    for last in (*refused, *later):
        scripted(STARTED, last, *([DONE] if last in refused else []))
        monkeypatch.setattr("cli.jobs._PATIENCE_S", 900.0 if last in refused else 0.0)
        assert main(["verify", "--stack", "tailrace"]) == 1
        assert capsys.readouterr().err.startswith(
            "The job continues; `tailrace status` shows the progress of j.\ntailrace: "
        )


def test_a_job_to_which_nothing_happens_is_not_followed_for_ever(
    scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its execution was ended, for example by hand, and could not say so."""
    hours = iter(range(100))
    monkeypatch.setattr("cli.jobs.time.monotonic", lambda: 1800.0 * next(hours))
    running = [RUNNING | {"changes": changes} for changes in (1, 2, 3)]
    stack = scripted(STARTED, *running, *[running[-1]] * 9)
    assert main(["rebuild", "shops", "--stack", "tailrace"]) == 1
    assert stack.answers
    assert capsys.readouterr().err.endswith(
        "tailrace: j has made no progress for an hour: run the command again to resume it.\n"
    )


def test_a_start_that_is_not_answered_is_not_repeated(scripted: Callable[..., Stack]) -> None:
    stack = scripted(THROTTLED)
    assert main(["rebuild", "shops", "--stack", "tailrace"]) == 1
    assert len(stack.tasks) == 1


def test_no_wait_only_starts(scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str]) -> None:
    stack = scripted(STARTED | {"resumed": True})
    assert main(["rebuild", "--all", "--no-wait", "--stack", "tailrace"]) == 0
    assert len(stack.tasks) == 1
    assert "Resuming shops@2 (job j)" in capsys.readouterr().out


def test_the_bar_does_not_go_back() -> None:
    waits = "waiting for the stream to pass the snapshot"
    first = [waits, f"{waits} in shards: shardId-1", "reading discarded batches", "reading the journal"]
    phases = [*first, "waiting for invocations from before the repair to end", "reading the journal again"]
    job = RUNNING | {"kind": "verify", "done": 0, "total": 0}
    bars = [jobs._progress(job | {"phase": phase}, 0).count("#") for phase in phases]
    assert bars == sorted(bars)
    assert bars[0]


@pytest.mark.parametrize(
    ("done", "before", "told"),
    [
        (2, 0, "(2 of 4), 1 min 30 s left in this phase"),
        (3, 2, "(3 of 4), 1 min 30 s left in this phase"),  # the first two were done before
        (2, 2, "(2 of 4)"),
        (5, 0, "(4 of 4), 0 min 0 s left in this phase"),  # a part was repeated
    ],
)
def test_the_time_left_follows_from_the_parts_that_were_seen_to_end(done: int, before: int, told: str) -> None:
    assert jobs._progress(RUNNING | {"done": done}, 90, before).endswith(f"reading the items {told}")


def test_nothing_to_build_is_no_error(scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str]) -> None:
    scripted({"job": None, "targets": [], "resumed": False})
    assert main(["rebuild", "--all", "--stack", "tailrace"]) == 0
    assert "nothing to build" in capsys.readouterr().out


@pytest.mark.parametrize("started", [{"job": None, "targets": [], "resumed": False}, STARTED])
def test_what_an_undo_had_hidden_is_named(
    scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str], started: Json
) -> None:
    scripted(started | {"shown": ["pages@2"]}, DONE)
    assert main(["rebuild", "--all", "--stack", "tailrace"]) == 0
    told = capsys.readouterr().out
    assert "Live already, and shown to readers again: pages@2." in told
    assert "nothing to build" not in told


def test_undo_moves_readers_back(scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str]) -> None:
    stack = scripted({"shown": "shops@1", "before": "shops@2"})
    assert main(["rebuild", "shops", "shops", "--undo", "--stack", "tailrace"]) == 0
    assert stack.tasks == [{"task": "undo", "name": "shops"}]
    assert "Readers see shops@1 again." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Name the aggregates to rebuild, or pass --all."),
        (["--undo"], "Name the aggregates to show as before."),
        (["shops", "--all"], "--all and the names of aggregates cannot be combined"),
        (["--all", "--undo"], "--all and --undo cannot be combined"),
    ],
)
def test_a_rebuild_says_which_aggregates(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rebuild", *arguments, "--stack", "tailrace"]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ({}, 0),
        ({"different": 2}, 3),
        ({"different": 2, "repaired": 2}, 0),
        ({"inexact": 1}, 3),
        ({"not_judged": 1}, 4),
        ({"different": 2, "repaired": 2, "left": 0}, 0),
        ({"different": 2, "repaired": 1, "left": 1, "not_judged": 1}, 3),
        ({"different": 2, "repaired": 2, "left": 1, "not_judged": 1}, 3),
        ({"different": 1, "repaired": 1, "left": 0, "not_judged": 1}, 4),
    ],
)
def test_the_status_of_a_verification_says_what_was_found(
    scripted: Callable[..., Stack], found: Json, status: int
) -> None:
    stack = scripted(STARTED, DONE | {"counts": COUNTS | found})
    assert main(["verify", "--repair", "--sample", "0.5", "--stack", "tailrace"]) == status
    assert stack.tasks[0] == {"task": "start", "kind": "verify", "names": [], "repairs": True, "sample": 0.5}


@pytest.mark.parametrize(("sample", "status"), [("1", 0), ("1e-7", 4)])
def test_a_sample_without_a_row_is_no_success(scripted: Callable[..., Stack], sample: str, status: int) -> None:
    scripted(STARTED, DONE | {"counts": COUNTS | {"rows": 0}})
    assert main(["verify", "--sample", sample, "--stack", "tailrace"]) == status


@pytest.mark.parametrize(
    ("found", "status", "told"), [({"not_judged": ["visits@1"]}, 4, "visits@1"), (INEXACT, 0, "measures.\nReport: ")]
)
def test_what_was_found_is_told(
    scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str], found: Json, status: int, told: str
) -> None:
    scripted(STARTED, DONE | found)
    assert main(["verify", "--stack", "tailrace"]) == status
    assert told in capsys.readouterr().out


def test_the_report_is_saved(scripted: Callable[..., Stack], tmp_path: Path) -> None:
    scripted(STARTED, DONE)
    assert main(["verify", "--stack", "tailrace", "--report", str(tmp_path / "r.jsonl")]) == 0
    assert (tmp_path / "r.jsonl").read_bytes() == b'{"finding":"different"}'


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--report", "."], "The report cannot be written to .: "),
        (["--report", "no/such/folder.jsonl"], "The report cannot be written to no/such/folder.jsonl: "),
        (["--report", "found.jsonl", "--no-wait"], "--report and --no-wait cannot be combined"),
    ],
)
def test_a_report_that_cannot_be_saved_starts_nothing(
    scripted: Callable[..., Stack], arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = scripted(STARTED, DONE)
    assert main(["verify", "--stack", "tailrace", *arguments]) == 2
    assert not stack.tasks
    assert told in capsys.readouterr().err


def test_the_verdict_is_said_before_the_report_is_saved(
    scripted: Callable[..., Stack], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(STARTED, DONE)
    (tmp_path / "r.jsonl").symlink_to(tmp_path / "gone" / "r.jsonl")  # is not there, in a folder that is
    assert main(["verify", "--stack", "tailrace", "--report", str(tmp_path / "r.jsonl")]) == 1
    told = capsys.readouterr()
    assert "12 rows compared" in told.out
    assert "The report cannot be written" in told.err


def test_a_failed_job_says_why(scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str]) -> None:
    scripted(STARTED, DONE | {"state": "failed", "reason": "a batch was discarded"})
    assert main(["verify", "--stack", "tailrace"]) == 1
    assert "a batch was discarded" in capsys.readouterr().err
    scripted({"error": "no generation of 'x' is live"})
    assert main(["verify", "x", "--stack", "tailrace"]) == 1
    assert "no generation of 'x' is live" in capsys.readouterr().err


def test_a_function_that_fails_is_reported(scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str]) -> None:
    scripted({"errorMessage": "out of memory"})
    assert main(["status", "--stack", "tailrace"]) == 1
    assert "out of memory" in capsys.readouterr().err


def test_status_says_how_things_stand(scripted: Callable[..., Stack], capsys: pytest.CaptureFixture[str]) -> None:
    generation = {"aggregate": "shops", "version": 1, "exact": True, "reason": "", "shown": True, "defined": True}
    status = {
        "generations": [
            generation | {"state": "live", "frontier": 3600, "floor": 7200},
            generation | {"version": 2, "state": "declared", "exact": False, "shown": False},
            generation | {"aggregate": "old", "state": "interrupted", "defined": False, "reason": "another definition"},
        ],
        "jobs": [
            {"job": "j", "kind": "build", "targets": ["shops@2"], "updated_at": "2020-01-01T00:00:00+00:00"} | RUNNING,
            RUNNING | {"job": "i", "targets": ["old@1"], "updated_at": datetime.now(UTC).isoformat()},
            DONE | {"job": "k", "state": "failed"},
        ],
        "shards": {"s": {"sequence": "1", "created": 0}},
    }
    scripted(status)
    assert main(["status", "--stack", "tailrace"]) == 0
    lines = capsys.readouterr().out.splitlines()
    boundaries = "frontier 1970-01-01T01:00:00+00:00, floor 1970-01-01T02:00:00+00:00"
    assert lines[0] == f"shops@1  live, shown to readers, exact, {boundaries}"
    assert lines[1] == "shops@2  declared, not shown, run `tailrace rebuild shops`"
    assert lines[2] == "old@1  interrupted, not shown, no longer in the definition, another definition"
    stalled = "no progress since 2020-01-01T00:00:00+00:00: run its command again to resume it"
    assert lines[3] == f"j  build of shops@2: reading the items (2 of 4); {stalled}"
    assert lines[4] == "i  build of old@1: reading the items (2 of 4)"
    assert lines[-1] == "1 shard read; newest change 1970-01-01T00:00:00+00:00"
    scripted(status)
    assert main(["status", "--json", "--stack", "tailrace"]) == 0
    assert json.loads(capsys.readouterr().out) == status
