"""The commands of the history function, on the tables of the simulation, with a state machine that remembers."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.commands import Commands
from tests.simulation.jobs.world import World

TABLES = ("items", "aggregates", "progress")


class States:
    """A client of Step Functions that remembers what was started."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.running: list[str] = []

    def start_execution(self, **request: Any) -> None:
        name = request["name"]
        if name in self.running:
            return
        if name in [one["name"] for one in self.started]:
            raise ClientError({"Error": {"Code": "ExecutionAlreadyExists", "Message": ""}}, "StartExecution")
        self.started.append(request)
        self.running.append(name)

    def list_executions(self, *, nextToken: str = "0", **_request: Any) -> dict[str, Any]:  # noqa: N803
        place = int(nextToken)
        page = {"executions": [{"name": name} for name in self.running[place : place + 1]]}
        return page | ({"nextToken": str(place + 1)} if place + 1 < len(self.running) else {})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A new stack at rest: nothing happens by itself."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    found = World(1)
    found.dies, found.busy = 0, 0
    write_first_control_rows(found.job_context(), TABLES)
    return found


@pytest.fixture
def states() -> States:
    return States()


@pytest.fixture
def commands(world: World, states: States) -> Commands:
    client: Any = states
    return Commands(world.job_context(), "machine", lambda: client)
