"""Jobs of an aggregate whose meaning has changed while nothing was written to the items table."""

from copy import replace
from typing import Any

import pytest

from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.commands import Commands
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.jobs.job import Job, Kind
from tailrace.aws.jobs.steps import machine
from tailrace.backfill.generations import GenerationId, interrupt
from tailrace.encoding.dynamodb import decode_item
from tailrace.errors import Transient
from tests.simulation.jobs.history import Player
from tests.simulation.jobs.world import World

LARGE, PAGES = ("large", 1), ("pages", 1)


class Calm(Player):
    """Runs jobs while nobody else does anything."""

    def _some(self, most: int) -> None:
        """Let nothing happen."""

    def _give_up(self) -> None:
        """Let nothing be discarded."""

    def run(self, kind: Kind, *others: GenerationId, repairs: bool = False) -> Job:
        """Run a job of the changed aggregate, and return it as it ended."""
        return self._job(kind, [LARGE, *others], repairs=repairs).job


@pytest.fixture
def player(monkeypatch: pytest.MonkeyPatch) -> Calm:
    """A stack at rest, with one row of the aggregate whose number of lanes has changed since."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    found = Calm(1)
    world = found.world
    world.dies, world.busy = 0, 0
    write_first_control_rows(world.job_context(), ("items", "aggregates", "progress"))
    world.write("orders#1", {"shop": "a", "paid": True, "amount": 5})
    world.settle()
    world.now += 3600
    world.deploy("lanes")
    deliver = World.deliver

    def deliver_new(self: World, *arguments: Any, **options: Any) -> None:
        if any(one.done < len(one.records) for one in self.shards):
            deliver(self, *arguments, **options)

    monkeypatch.setattr(World, "deliver", deliver_new)
    return found


def sums(world: World) -> dict[str, int]:
    """Return the sum of each epoch of the aggregate."""
    rows = [decode_item(one) for one in world.database.rows("aggregates")]
    return {one["pk"].partition("#")[0]: one["sum"] for one in rows if one["pk"].startswith("large@1")}


def test_it_is_built_anew(player: Calm) -> None:
    states: Any = None
    told = Commands(player.world.job_context(), "machine", states).status()["generations"]
    reasons = {one["aggregate"]: one["reason"] for one in told if one["reason"]}
    assert reasons == {"large": "its meaning has changed: run `tailrace rebuild large`"}
    assert {one["aggregate"]: one["exact"] for one in told} == {"large": False, "pages": True, "shops": True}
    assert player.run("build").reason == ""
    (_, second) = sorted(sums(player.world).items())
    assert second[1] == 5
    assert player.world.job_context().control.read().generations[LARGE].exact


@pytest.mark.parametrize("name", [LARGE, PAGES])
def test_a_build_that_is_interrupted_between_two_aggregates_comes_to_its_end(
    player: Calm, monkeypatch: pytest.MonkeyPatch, name: GenerationId
) -> None:
    control = player.world.job_context().control
    pages = control.read().generations[PAGES]
    assert control.replace(pages, interrupt(pages, "by the test"))
    replaced, failures = ControlTable.replace, [name]

    def failing(table: ControlTable, before: Any, after: Any, **options: Any) -> bool:
        done = replaced(table, before, after, **options)
        if after.id in failures and after.exact:
            failures.clear()
            raise Transient("the answer was lost")
        return done

    monkeypatch.setattr(ControlTable, "replace", failing)
    assert (player.run("build", PAGES).reason, failures) == ("", [])
    generations = control.read().generations
    assert generations[LARGE].exact
    assert generations[PAGES].exact


@pytest.mark.parametrize("repairs", [False, True])
def test_it_is_not_verified_under_the_new_meaning(player: Calm, repairs: bool) -> None:
    before, generation = sums(player.world), player.world.job_context().control.read().generations[LARGE]
    job = player.run("verify", repairs=repairs)
    assert job.reason == "the meaning of large@1 has changed: run `tailrace rebuild large`"
    assert sums(player.world) == before
    assert player.world.job_context().control.read().generations[LARGE] == generation


@pytest.mark.parametrize("step", ["scan", "base", "commit", "keys", "read", "judge"])
def test_a_part_that_runs_under_another_meaning_ends_the_job(
    player: Calm, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A deployment that fails has updated the history function, and not the aggregate function."""
    kind: Kind = "build" if step in ("scan", "base", "commit") else "verify"
    if kind == "verify":
        assert player.run("build").state == "done"
    (part, *rest), deployed = machine._PARTS[step], [player.world.codes["first"].pipeline]

    def refused_later(context: JobContext, job: Job, number: int) -> None:
        part(replace(context, pipeline=deployed.pop()) if deployed else context, job, number)

    monkeypatch.setattr(machine, "_PARTS", {**machine._PARTS, step: (refused_later, *rest)})
    job = player.run(kind, repairs=True)
    assert job.reason == "another meaning of large@1 was deployed while the job ran: run it again"
    assert player.run(kind).state == "done"
    assert max(sums(player.world).values()) == 5
    assert player.world.job_context().control.read().generations[LARGE].exact
