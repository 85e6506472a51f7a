"""The commands `redrive`, `quarantine` and `replay`: what they print, and how they end."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from cli import __main__ as command
from cli import options, quarantine, redrive
from cli.console import uninterrupted
from cli.errors import CommandError
from cli.failures import places as places_module
from cli.failures.places import places, route_names
from cli.failures.run import Policy, Run
from cli.stacks import DeployedStack, explained, find_stack
from tailrace.definition.route_names import resource_name
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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["redrive", "nowhere"], "There is no place 'nowhere': choose from intake, archive, even, async"),
        (["redrive", "archive", "--all"], "--all and the names of places exclude each other: leave one of them out."),
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
            "outside of the years 1 to 9999",
        ),
        (
            ["replay", "even", "--from", "2026-11-25", "--to", "9999-12-31T23:59-05:00"],
            "outside of the years 1 to 9999",
        ),
    ],
)
def test_invalid_options_are_status_2(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments if arguments == ["quarantine"] else [*arguments, *STACK])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_times_are_in_utc_unless_they_have_an_offset() -> None:
    texts = ("2026-11-25", "2026-11-25T10:00+02:00", "2026-11-25T10:00z", "2026-11-25T24:00", "2016-12-31T23:59:60Z")
    assert [options.parse_moment(text).isoformat() for text in texts] == [
        "2026-11-25T00:00:00+00:00",
        "2026-11-25T08:00:00+00:00",
        "2026-11-25T10:00:00+00:00",
        "2026-11-26T00:00:00+00:00",
        "2016-12-31T23:59:59.999999+00:00",
    ]


def test_reports_are_listed_and_shown(stack: Stack, refused: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, told, _ = run(capsys, "quarantine", "list")
    line, total = told.splitlines()
    assert line.startswith(f"{refused}  2023-11-14T22:13:21Z  stream  things#a  TypeError: ")
    assert total == "1 refused item"
    assert run(capsys, "quarantine", "list", "--collection", "others")[1] == "0 refused items\n"
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
    assert run(capsys, "quarantine", "replay", "--collection", "things")[1] == "quarantine  0 put back\n"


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


def test_a_second_interrupt_takes_effect_at_once() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reached = []

    def step() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append(1)
            os.kill(os.getpid(), signal.SIGINT)
            reached.append(2)

    with pytest.raises(KeyboardInterrupt):
        step()
    assert reached == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (("ExpiredToken", ""), "The AWS credentials have expired"),
        (("AccessDenied", "not you"), "These credentials lack permission for ReceiveMessage: not you"),
        (("InternalError", "its words"), "ReceiveMessage failed: InternalError: its words"),
        (EndpointConnectionError(endpoint_url="http://there"), "Cannot reach AWS; check the network and the region"),
    ],
)
def test_errors_of_aws_are_one_sentence(error: Any, sentence: str) -> None:
    if isinstance(error, tuple):
        code, message = error
        error = ClientError({"Error": {"Code": code, "Message": message}}, "ReceiveMessage")
    with pytest.raises(CommandError) as raised, explained():
        raise error
    assert str(raised.value).startswith(sentence)


# --- the stack ----------------------------------------------------------------------------------------------

STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/there/first"
OUTPUTS = {
    "IntakeQueue": "i",
    "IntakeDeadLetterQueue": "id",
    "ArchiveQueue": "a",
    "ArchiveDeadLetterQueue": "ad",
    "LateFlightsQueue": "l",
    "LateFlightsDeadLetterQueue": "ld",
    "AsyncFailuresQueue": "f",
    "FailuresBucket": "fb",
    "ArchiveBucket": "ab",
    "ItemsTable": "t",
    "ItemsTableStream": "s",
}


@pytest.fixture
def deployed(aws_env: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DeployedStack]:
    """Return a stack with these outputs; its clients are not called."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    with pytest.MonkeyPatch.context() as patch:
        outputs = [{"OutputKey": k, "OutputValue": v} for k, v in OUTPUTS.items()]
        described = {"Stacks": [{"StackId": STACK_ID, "Outputs": outputs}]}
        patch.setattr("botocore.client.BaseClient._make_api_call", lambda *_arguments: described)
        yield find_stack("there", None, None, "http://127.0.0.1:9")


def test_the_places_of_a_stack_are_its_outputs(deployed: DeployedStack) -> None:
    found = places(deployed, Policy())
    names = ["intake", "archive", "late-flights", "async", "batches", "quarantine"]
    assert [place.name for place in found] == names
    assert route_names(deployed) == ["late-flights"]
    moved: Any = found[2]
    assert (moved.dead, moved.queue) == ("ld", "l")


@pytest.mark.parametrize(
    ("route", "place"),
    [
        *((name, name) for name in ("late-flights", "e-mails", "x-ray", "a-b-c", "v2")),
        *((name, f"{name}-queue") for name in ("async", "batches", "quarantine")),
    ],
)
def test_every_route_can_be_named(deployed: DeployedStack, route: str, place: str) -> None:
    """Also one with a word of one letter, and one that is called like another place."""
    prefix = resource_name(route)
    queues = {"ArchiveDeadLetterQueue": "ad", f"{prefix}DeadLetterQueue": "d", f"{prefix}Queue": "q"}
    stack = replace(deployed, outputs=OUTPUTS | queues)
    assert route in route_names(stack)
    names = [one.name for one in places(stack, Policy())]
    assert place in names
    assert len({*names}) == len(names)
    another = {f"{prefix}QueueDeadLetterQueue": "other-d", f"{prefix}QueueQueue": "other-q"}
    both = {one.name: one for one in places(replace(deployed, outputs=OUTPUTS | queues | another), Policy())}
    moved: Any = [both[f"{route}-queue"], both[place if place == route else f"{place}-queue"]]
    assert [one.dead for one in moved] == ["other-d", "d"]


def test_a_definition_that_exits_is_one_that_cannot_be_imported(
    deployed: DeployedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would end the command with a status of its own, and without a word."""
    monkeypatch.setattr(places_module, "load_pipeline", lambda _reference: sys.exit(0))
    places_module._find_definition.cache_clear()
    with pytest.raises(CommandError, match="cannot be imported: SystemExit: 0"):
        places_module._definition(deployed)
    places_module._find_definition.cache_clear()


def test_what_was_sent_to_a_stack_says_nothing_about_another_one_of_its_name(deployed: DeployedStack) -> None:
    """In another account, or on an emulator that began anew: its items and queues are others."""
    other = replace(deployed, id=STACK_ID.replace("123456789012", "210987654321").replace("first", "second"))
    kept: list[set[Path]] = []
    for stack in (deployed, other):
        intake, archive = cast("list[Any]", places(stack, Policy())[:2])
        kept.append({intake.gate.expectations.path.parent, intake.intake.discarded.parent, archive.state})
    assert kept[0].isdisjoint(kept[1])


def test_counting_needs_no_state_folder(
    deployed: DeployedStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    intake, archive, *_ = places(deployed, Policy())
    for sending in (intake, archive):
        with pytest.raises(CommandError, match="Set XDG_STATE_HOME to a folder"):
            sending.redrive(Run())


def test_an_emulated_stack_needs_no_credentials(deployed: DeployedStack) -> None:
    assert (deployed.region, deployed.credentials.access_key) == ("us-east-1", "test")
    assert deployed.client("s3").meta.endpoint_url == "http://127.0.0.1:9"


def test_a_missing_output_is_one_sentence(deployed: DeployedStack) -> None:
    with pytest.raises(CommandError, match="The stack 'there' has no output Nothing: it is not a Tailrace stack"):
        deployed.output("Nothing")
