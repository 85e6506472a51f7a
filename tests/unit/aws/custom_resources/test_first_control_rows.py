"""A stack goes on counting the table that it began with, and knows when its stream was exchanged."""

import json
from typing import Any

import pytest

from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.custom_resources.first_control_rows import (
    ANOTHER_STACK,
    ANOTHER_STREAM,
    see_attachment,
    see_stack,
    write_first_control_rows,
)
from tailrace.backfill.generations import Generation, State, created
from tailrace.errors import InvalidMessage
from tests.simulation.jobs.world import World

OWN, SHOP, SHOP_ANEW, OTHER = ("", ""), ("shop", "arn:1"), ("shop", "arn:2"), ("other", "arn:3")
GENERATIONS = [created("a", 1, "f"), Generation("b", 1, State.BUILDING, "f"), Generation("c", 1, State.DECLARED, "f")]


def event(kind: str, wanted: tuple[str, str], before: tuple[str, str] | None = None) -> dict[str, Any]:
    """Return a request of CloudFormation; ``before`` is what it asked for last."""
    found: dict[str, Any] = {"RequestType": kind, "ResourceProperties": properties(wanted)}
    return found if before is None else found | {"OldResourceProperties": properties(before)}


def properties(counted: tuple[str, str]) -> dict[str, str]:
    return dict(zip(("AttachedTable", "AttachedStream"), counted, strict=True))


@pytest.fixture
def control() -> ControlTable:
    """The control rows of a stack that records nothing of its table yet."""
    found = ControlTable(World(1).dynamodb, "aggregates")
    assert found.create(GENERATIONS, since_creation=False)
    return found


@pytest.mark.parametrize("first", [OWN, SHOP])
@pytest.mark.parametrize("then", [OWN, SHOP, OTHER])
@pytest.mark.parametrize("is_recorded", [True, False])
def test_another_table_is_refused_and_the_way_back_is_not(
    control: ControlTable, first: tuple[str, str], then: tuple[str, str], is_recorded: bool
) -> None:
    if is_recorded:
        see_attachment(control, event("Create", first))
    if first == then:
        see_attachment(control, event("Update", then, first))
    else:
        with pytest.raises(InvalidMessage, match="deploy a stack of another name"):
            see_attachment(control, event("Update", then, first))
        see_attachment(control, event("Update", first, then))  # CloudFormation rolls the refused update back
    assert set(control.read().generations.values()) == set(GENERATIONS)


@pytest.mark.parametrize(
    ("first", "then", "told"),
    [
        (OWN, SHOP, "counts the items of its own table, .* for shop: .* leave ItemsTableName and ItemsStreamArn empty"),
        (SHOP, OTHER, "counts the items of shop, .* for other: .* leave ItemsTableName=shop"),
        (SHOP, OWN, "counts the items of shop, .* for a table of its own: .* leave ItemsTableName=shop"),
    ],
)
def test_the_refusal_says_what_to_do(
    control: ControlTable, first: tuple[str, str], then: tuple[str, str], told: str
) -> None:
    with pytest.raises(InvalidMessage, match=told):
        see_attachment(control, event("Update", then, first))


def test_after_another_stream_of_the_table_nothing_is_known_to_be_exact(
    control: ControlTable, capsys: pytest.CaptureFixture[str]
) -> None:
    see_attachment(control, event("Create", SHOP))
    see_attachment(control, event("Update", SHOP_ANEW, SHOP))
    found = {name: one for (name, _), one in control.read().generations.items()}
    assert (found["a"].state, found["a"].exact, found["a"].reason) == (State.LIVE, False, ANOTHER_STREAM)
    assert (found["b"].state, found["b"].reason) == (State.INTERRUPTED, ANOTHER_STREAM)
    assert found["c"] == GENERATIONS[2]
    metrics = map(json.loads, capsys.readouterr().out.splitlines())
    # for the alarm, which watches the stage that writes the rows
    assert [(one["service"], one["GenerationsInterrupted"]) for one in metrics] == [("aggregate", [1.0])] * 2


def test_a_stack_from_before_streams_were_recorded_is_left_alone(control: ControlTable) -> None:
    see_attachment(control, event("Update", SHOP, ("shop", "")))
    assert set(control.read().generations.values()) == set(GENERATIONS)
    see_attachment(control, event("Update", SHOP_ANEW, SHOP))
    assert not any(one.exact for one in control.read().generations.values())


def deploy(world: World, kind: str, stack: str) -> None:
    """Act as the custom resource of the control rows."""
    context = world.job_context()
    write_first_control_rows(context, ("items", "aggregates", "progress"), stack=stack)
    see_stack(context, {"RequestType": kind, "StackId": stack})


def exact(world: World) -> set[str]:
    return {one.aggregate for one in world.job_context().control.read().generations.values() if one.exact}


def test_after_another_stack_nothing_is_known_to_be_exact() -> None:
    """The tables were retained, and the stream has dropped changes that are more than a day old."""
    world = World(1)
    deploy(world, "Create", "one")
    world.write("visits#1", {"page": "x", "ms": 1})
    world.settle()
    assert exact(world) == {"large", "pages", "shops"}
    deploy(world, "Create", "two")
    control = world.job_context().control.read()
    assert {(one.state, one.reason) for one in control.generations.values()} == {(State.LIVE, ANOTHER_STACK)}
    assert not exact(world)
    (pages,) = [one for one in control.generations.values() if one.aggregate == "pages"]
    assert not control.knows_expired("visits", pages)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_request_that_comes_again_changes_nothing(kind: str) -> None:
    world = World(1)
    deploy(world, "Create", "one")
    deploy(world, kind, "one")
    assert exact(world) == {"large", "pages", "shops"}
    assert not world.job_context().control.read().unkept


def test_the_update_of_a_stack_that_has_recorded_no_id_changes_nothing() -> None:
    world = World(1)
    write_first_control_rows(world.job_context(), ("items", "aggregates", "progress"))
    deploy(world, "Update", "one")
    assert exact(world) == {"large", "pages", "shops"}
    deploy(world, "Create", "one")
    assert exact(world) == {"large", "pages", "shops"}
