"""The commands `redrive`, `quarantine` and `replay`: what they print, and how they end."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cli import __main__ as command
from cli import quarantine, redrive
from cli.failures import places as places_module
from tailrace.testing import record
from tests.unit.cli.failures.fakes import Life
from tests.unit.cli.failures.world import Stack, pipeline_with, put

STACK = ["--stack", "there"]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Return a stack in memory, which the commands find."""
    world = Stack(tmp_path)

    def found(_stack: object, policy: Any) -> Any:
        return list(world.places(Life(), policy).values())

    monkeypatch.setattr(redrive, "places", found)
    monkeypatch.setattr(places_module, "quarantine", lambda stack, policy: found(stack, policy)[-1])
    monkeypatch.setattr(places_module, "report_store", lambda stack: found(stack, None)[-1].store)
    for module in (redrive, quarantine):
        monkeypatch.setattr(module, "stack_of", lambda _options: None)
    return world


@pytest.fixture
def refused(stack: Stack) -> str:
    """Refuse an item by code that is fixed then; return the name of its report."""
    stack.deploy(pipeline_with(transform=lambda item: item | {"half": item["m"] / 2}))
    stack.stream([record(1, "things", ("a", None, {"n": 1, "m": "x"}))])
    stack.deploy(pipeline_with())
    (key,) = stack.s3.keys("quarantine/")
    return key.rpartition("/")[2].removesuffix(".json")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = command.main([*arguments, *STACK])
    captured = capsys.readouterr()
    lines = [line for line in captured.out.splitlines(keepends=True) if not line.startswith('{"_aws"')]
    return status, "".join(lines), captured.err


def test_without_a_place_failures_are_counted(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.dead(put("a", {"n": 1}), put("b", {"n": 1}))
    status, told, _ = run(capsys, "redrive")
    assert status == 0
    assert told.splitlines() == [
        "intake      2 failures",
        "archive     0 failures",
        "even        0 failures",
        "async       0 failures",
        "batches     0 failures",
        "quarantine  0 failures",
    ]


def test_a_message_whose_id_the_definition_makes_stays_unless_it_may_overwrite(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.dead('{"op": "put", "collection": "orders", "item": {"n": 1}}')
    _, printed, _ = run(capsys, "redrive", "intake")
    assert "have no id, which the definition makes" in printed
    assert len(stack.sqs.bodies("intake-dead")) == 1


def test_what_was_done_is_told_by_place_and_reason(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.put_item("same", {"n": 1})
    stack.dead(put("same", {"n": 1}), *(put(f"new-{number}", {"n": 1}) for number in range(7)))
    assert run(capsys, "redrive", "intake", "--dry-run")[1].startswith("intake      0 would be put back\n")
    status, told, _ = run(capsys, "redrive", "intake")
    assert status == 0
    lines = told.splitlines()
    assert lines[:3] == [
        "intake      0 put back",
        "            1 removed: changed nothing: the item is already as requested",
        "            7 left: would create an item that does not exist, and may have been deleted since (--create)",
    ]
    assert lines[3:9] == [*(f"              put things#new-{number}" for number in range(5)), "              …"]
    assert run(capsys, "redrive", "--all", "--create", "--limit", "3")[1].startswith("intake      3 put back\n")
    assert "intake      4 put back" in run(capsys, "redrive", "intake", "--create", "--rate", "1000")[1]
    stack.dead(*(put(f"late-{number}", {"n": 1}) for number in range(4)))
    lines = run(capsys, "redrive", "--all", "--discard", "--limit", "3")[1].splitlines()
    assert (lines[0], lines[1][:23]) == ("intake      0 put back", "            3 removed: ")
    assert all(line.startswith(" ") for line in lines[1:])  # there is no other place


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["redrive", "nowhere"], "There is no place 'nowhere': choose from intake, archive, even, async"),
        (["redrive", "archive", "--all"], "--all and the names of places cannot be combined: omit one of them."),
        (["quarantine", "replay"], "Name the reports to replay, or pass --all or --collection."),
        (["quarantine", "replay", "x", "--all"], "Name the reports to replay"),
        (["replay", "even", "--from", "2026-11-25", "--to", "2026-11-25T00:00Z"], "--from must be before --to."),
    ],
)
def test_unusable_arguments_are_one_sentence(
    stack: Stack, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    status, told, error = run(capsys, *arguments)
    assert (status, told) == (2, "")
    assert error.startswith(f"tailrace: {sentence}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["redrive", "--limit", "0"], "expected a positive whole number, at most 999,999,999, not '0'"),
        (["redrive", "--rate", "0"], "expected a positive number, at most 1,000,000,000, not '0'"),
        (["redrive", "--rate", "nan"], "expected a positive number"),
        (["quarantine"], "the following arguments are required: ACTION"),
        (["replay", "even", "--from", "yesterday", "--to", "2026-11-25"], "expected a date or time such as"),
        (["replay", "even", "--from", "2026-02-30", "--to", "2026-11-25"], "not '2026-02-30' (ISO 8601: day is out of"),
        (["replay", "even", "--from", "2026-11-25T10:00:60Z", "--to", "2026-11-26"], "second 60 is a leap second"),
        (
            ["replay", "even", "--from", "0001-01-01T00:00+05:00", "--to", "2026-11-26"],
            "outside the years 1 to 9999",
        ),
        (
            ["replay", "even", "--from", "2026-11-25", "--to", "9999-12-31T23:59-05:00"],
            "outside the years 1 to 9999",
        ),
    ],
)
def test_invalid_options_are_status_2(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments if arguments == ["quarantine"] else [*arguments, *STACK])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_reports_are_listed_and_shown(stack: Stack, refused: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, told, _ = run(capsys, "quarantine", "list")
    line, total = told.splitlines()
    assert line.startswith(f"{refused}  2023-11-14T22:13:21Z  stream  things#a  TypeError: ")
    assert total == "1 refused item"
    assert run(capsys, "quarantine", "list", "--collection", "others")[1].startswith("0 refused items\n")
    shown = json.loads(run(capsys, "quarantine", "show", refused)[1])
    assert (shown["item"], shown["refused"]) == ({"n": 1, "m": "x"}, True)
    status, _, error = run(capsys, "quarantine", "show", "nothing")
    assert status == 1
    assert error.startswith("tailrace: There is no quarantine report 'nothing': `tailrace quarantine list`")


@pytest.mark.parametrize(
    "item_id", ["\x1b[2Ja", "a\nq-2  2023-11-14T22:13:21Z  stream  things#b", "\u202egnp.exe", "\x9b0m"]
)
def test_ids_cannot_control_the_terminal(stack: Stack, capsys: pytest.CaptureFixture[str], item_id: str) -> None:
    stack.deploy(pipeline_with(transform=lambda item: item | {"half": item["m"] / 2}))
    stack.stream([record(1, "things", (item_id, None, {"n": 1, "m": "x"}))])
    for arguments in (("quarantine", "list"), ("redrive", "quarantine")):
        told = run(capsys, *arguments)[1]
        assert told.replace("\n", "").isprintable()
        assert json.dumps(item_id)[1:-1] in told
    shown = run(capsys, "quarantine", "show", *(key.rpartition("/")[2][:-5] for key in stack.s3.keys("quarantine/")))[1]
    assert shown.replace("\n", "").isprintable()
    assert json.loads(shown)["id"] == item_id


def test_a_report_is_replayed_by_its_name(stack: Stack, refused: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, told, _ = run(capsys, "quarantine", "replay", refused)
    assert status == 0
    assert told.startswith("quarantine  1 put back\n")
    assert "`tailrace verify --repair`" in told
    assert stack.s3.keys("quarantine/") == []
    assert run(capsys, "quarantine", "replay", "--collection", "things")[1].startswith("quarantine  0 put back\n")


def test_an_interrupted_run_says_so_and_releases_what_it_holds(
    stack: Stack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        stack.sqs.send_message(QueueUrl="even-dead", MessageBody=str(number))
    send = stack.sqs.send_message_batch

    def interrupted(**request: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return send(**request)

    monkeypatch.setattr(stack.sqs, "send_message_batch", interrupted)
    status, told, error = run(capsys, "redrive", "even")
    assert (status, error) == (130, "")
    assert told.splitlines() == [
        "even        10 put back",
        "            interrupted: run the command again to continue",
    ]
    assert len(stack.sqs.bodies("even")) == 10
    assert len(stack.sqs.bodies("even-dead")) == 15
    monkeypatch.setattr(stack.sqs, "send_message_batch", send)
    assert run(capsys, "redrive", "even")[1] == "even        15 put back\n"
    assert sorted(stack.sqs.bodies("even")) == sorted(map(str, range(25)))
