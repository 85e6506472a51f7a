"""How jobs end that cannot go on."""

from typing import Any

import pytest

from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.context import JobContext, JobEnded
from tailrace.aws.jobs.job import Job, Overtaken
from tailrace.aws.jobs.next_step import Next, Now
from tailrace.aws.jobs.steps import machine
from tailrace.aws.jobs.steps.machine import abandon, advance, work_on
from tailrace.errors import Transient
from tests.simulation.jobs.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A stack at rest, with a verification that has written its boundary."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    found = World(1)
    found.dies, found.busy = 0, 0
    context = found.job_context()
    write_first_control_rows(context, ("items", "aggregates", "progress"))
    context.jobs.create(Job("j", "verify", (("pages", 1), ("shops", 1)), found.clock().isoformat()))
    found.now += 1000
    assert advance(context, "j")["next"] == "wait"
    assert held(found)
    return found


def held(world: World) -> list[str]:
    """Return the aggregates with a job under way."""
    return [one.aggregate for one in world.job_context().control.read().generations.values() if one.baseline]


def replace_step(monkeypatch: pytest.MonkeyPatch, name: str, step: Any) -> None:
    monkeypatch.setattr(machine, "_STEPS", {**machine._STEPS, name: step})


def test_the_reason_is_that_of_the_step_that_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(_context: JobContext, _job: Job) -> Next:
        raise JobEnded("the real reason")

    replace_step(monkeypatch, "past", lambda _context, job: Now(job.go_to("covered")))
    replace_step(monkeypatch, "covered", ends)
    assert advance(world.job_context(), "j") == {"next": "end", "state": "failed", "reason": "the real reason"}
    assert world.job_context().jobs.read("j").reason == "the real reason"
    assert not held(world)


@pytest.mark.parametrize("refusals", [1, 3])
def test_a_control_row_that_others_write_meanwhile_is_released(
    world: World, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    replace, left = ControlTable.replace, [None] * refusals

    def refused(table: ControlTable, *arguments: Any, **options: Any) -> bool:
        if left:
            left.pop()
            return False
        return replace(table, *arguments, **options)

    monkeypatch.setattr(ControlTable, "replace", refused)
    abandon(world.job_context(), "j", "by the test")
    assert not held(world)
    assert world.job_context().jobs.read("j").state == "failed"


def test_a_job_that_ends_lets_go_of_nothing_that_another_one_holds(world: World) -> None:
    context = world.job_context()
    context.jobs.create(Job("late", "verify", (("pages", 1), ("shops", 1)), world.clock().isoformat()))
    abandon(context, "late", "by the test")
    assert held(world) == ["pages", "shops"]


def begin_another(world: World) -> dict[str, Any]:
    """Begin a verification of what the first job holds, and return what its execution is told."""
    context = world.job_context()
    context.jobs.create(Job("later", "verify", (("pages", 1), ("shops", 1)), world.clock().isoformat()))
    world.now += 1000
    return advance(context, "later")


def test_a_verification_whose_row_has_expired_holds_up_no_later_one(world: World) -> None:
    world.database.delete_item(TableName="aggregates", Key={"pk": {"S": "~jobs"}, "sk": {"S": "j"}})
    assert begin_another(world)["next"] == "wait"
    generations = world.job_context().control.read().generations.values()
    assert {one.baseline.id for one in generations if one.baseline} == {"later-0"}


def test_a_verification_that_can_still_be_resumed_is_left_alone(world: World) -> None:
    told = begin_another(world)
    assert told["state"] == "failed"
    assert told["reason"] == "another job is verifying pages@1: run the command again when it has ended"
    assert held(world) == ["pages", "shops"]


def test_a_job_whose_control_rows_cannot_be_released_has_not_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ControlTable, "replace", lambda *_arguments, **_options: False)
    with pytest.raises(Transient, match="pages@1 changes too often"):
        abandon(world.job_context(), "j", "by the test")
    assert world.job_context().jobs.read("j").state == "running"


def test_an_execution_that_was_overtaken_does_not_end_the_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(context: JobContext, job: Job) -> Next:
        context.jobs.write(job)
        raise JobEnded("the other execution is further")

    replace_step(monkeypatch, "past", overtaken)
    with pytest.raises(Overtaken):
        advance(world.job_context(), "j")
    assert len(held(world)) == 2
    assert world.job_context().jobs.read("j").state == "running"


def test_a_part_that_ends_after_its_step_does_not_end_the_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    context = world.job_context()
    context.jobs.write(context.jobs.read("j").remember(partitions=1).go_to("judge"))

    def late(context: JobContext, job: Job, _number: int) -> None:
        context.jobs.write(job.go_to("verdict"))
        raise JobEnded("was taken from this job")

    monkeypatch.setattr(machine, "_PARTS", {**machine._PARTS, "judge": (late, "partitions", "verdict")})
    with pytest.raises(Overtaken):
        work_on(context, "j", 0)
    work_on(context, "j", 0)
    assert len(held(world)) == 2
    assert context.jobs.read("j").state == "running"
