"""A deployed stack: the places that its outputs name, and what its commands remember of it."""

import sys
from collections.abc import Iterator
from copy import replace
from pathlib import Path
from typing import Any, cast

import pytest

from cli.errors import CommandError
from cli.failures import places as places_module
from cli.failures.places import places, route_names
from cli.failures.run import Policy, Run
from cli.stacks import DeployedStack, find_stack
from tailrace.definition.route_names import resource_name

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
