"""An aggregate that is no longer fed, or not known to be exact, raises the alarm even if responses are lost."""

from copy import replace
from typing import Any

import pytest

from local.in_memory import Database
from local.in_memory.errors import client_error
from tailrace.aws.backfill.progress_rows import ProgressRows
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.encoding.tagged_json import loads
from tests.simulation.jobs.world import World


@pytest.fixture
def world() -> World:
    """A stack that has counted an item."""
    found = World(1)
    found.dies, found.busy = 0, 0
    write_first_control_rows(found.job_context(), ("items", "aggregates", "progress"))
    found.write("orders#1", {"shop": "a", "amount": 5})
    found.settle()
    return found


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the response to the next write of a control row is lost; the SDK sends it again, and it is refused."""
    update = Database.update_item
    waits: list[bool] = []

    def update_item(database: Database, **request: Any) -> Any:
        found = update(database, **request)
        if waits and request["Key"]["pk"] == {"S": "~control"}:
            waits.clear()
            raise client_error("UpdateItem", "ConditionalCheckFailedException", "")
        return found

    monkeypatch.setattr(Database, "update_item", update_item)
    return waits


@pytest.mark.parametrize("cause", ["another definition", "older code"])
def test_an_interruption_is_counted_even_if_the_response_is_lost(
    world: World, lost: list[bool], cause: str, capsys: pytest.CaptureFixture[str]
) -> None:
    control = world.job_context().control
    known = control.read().generations["shops", 1]
    if cause == "another definition":
        assert control.replace(known, replace(known, fingerprint=cause))
    else:
        (row,) = [one for one in world.database.rows("progress") if one["pk"]["S"] == "aggregate"]
        world.database.put_item(TableName="progress", Item=row | {"changes": {"N": "99"}})
    capsys.readouterr()
    lost.append(True)
    world.write("orders#2", {"shop": "a", "amount": 5})
    world.settle()
    assert lost == []
    inexact = sum(not one.exact for one in control.read().generations.values())
    told = [loads(line) for line in capsys.readouterr().out.splitlines() if "GenerationsInterrupted" in line]
    assert sum(line["GenerationsInterrupted"][0] for line in told) == inexact > 0


def test_control_rows_that_a_busy_table_does_not_return_are_not_missing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the rows would be adopted, and what older code has processed would be accepted as counted."""
    read, busy = Database.batch_get_item, [True]

    def batch_get_item(database: Database, **request: Any) -> Any:
        if busy and "progress" in request["RequestItems"]:
            busy.clear()
            return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}
        return read(database, **request)

    accepted: list[ProgressRows] = []
    monkeypatch.setattr(ProgressRows, "accept_counts", accepted.append)
    monkeypatch.setattr(Database, "batch_get_item", batch_get_item)
    world.write("orders#2", {"shop": "a", "amount": 5})
    world.settle()
    assert (busy, accepted) == ([], [])
