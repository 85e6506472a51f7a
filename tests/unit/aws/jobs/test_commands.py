"""What operators ask of the history function, on the tables of the simulation."""

from copy import replace
from typing import Any

import pytest

from tailrace.aws.backfill.feeder import fingerprints
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.commands import Commands
from tailrace.aws.jobs.context import JobEnded
from tailrace.aws.jobs.job import Job, JobTable
from tailrace.aws.jobs.steps.machine import abandon, advance
from tailrace.aws.jobs.steps.tasks import do_task
from tailrace.backfill.generations import State, created, doubt, interrupt, meaning_changed
from tailrace.definition.pipeline import Pipeline
from tailrace.errors import NotFound
from tests.simulation.jobs.world import World
from tests.unit.aws.jobs.conftest import TABLES, States


def test_a_new_stack_is_exact_and_has_nothing_to_build(commands: Commands, states: States) -> None:
    generations = commands.status()["generations"]
    assert [(one["aggregate"], one["state"], one["exact"], one["shown"]) for one in generations] == [
        ("large", "live", True, True),
        ("pages", "live", True, True),
        ("shops", "live", True, True),
    ]
    assert commands.start("build", []) == {"job": None, "targets": [], "resumed": False, "shown": []}
    assert not states.started


def test_a_stack_with_items_is_adopted_as_not_verified(world: World) -> None:
    world.database.delete_item(TableName="aggregates", Key={"pk": {"S": "~control"}, "sk": {"S": "-"}})
    world.write("orders#1", {"shop": "a"})
    assert write_first_control_rows(world.job_context(), TABLES) == "adopted"
    assert not any(one.exact for one in world.job_context().control.read().generations.values())
    assert write_first_control_rows(world.job_context(), TABLES) == "kept"


@pytest.mark.parametrize("items", [(), ("orders#1",)])
def test_a_table_with_a_past_is_not_counted_until_it_is_built(world: World, items: tuple[str, ...]) -> None:
    world.database.delete_item(TableName="aggregates", Key={"pk": {"S": "~control"}, "sk": {"S": "-"}})
    for item in items:
        world.write(item, {"shop": "a"})
    assert write_first_control_rows(world.job_context(), TABLES, is_attached=True) == "declared"
    found = world.job_context().control.read().generations
    assert {one.state for one in found.values()} == {State.DECLARED}


def test_a_new_version_is_declared_until_it_is_built(world: World, states: States) -> None:
    world.deploy("second")
    client: Any = states
    commands = Commands(world.job_context(), "machine", lambda: client)
    declared = [one for one in commands.status()["generations"] if one["state"] == "declared"]
    assert [(one["aggregate"], one["version"], one["shown"]) for one in declared] == [
        ("pages", 2, False),
        ("shops", 2, False),
    ]
    started = commands.start("build", ["shops", "shops"])
    assert started["targets"] == ["shops@2"]
    assert [one["stateMachineArn"] for one in states.started] == ["machine"]
    with pytest.raises(NotFound, match="no aggregate 'shop'"):
        commands.start("build", ["shop"])
    with pytest.raises(NotFound, match="no aggregate 'shop'"):
        commands.start("verify", ["shop"])
    with pytest.raises(NotFound, match="no aggregate 'shop'"):
        commands.undo("shop")


def test_a_job_whose_execution_is_gone_is_resumed(commands: Commands, states: States) -> None:
    job = commands.start("verify", [])["job"]
    assert commands.start("verify", []) == {
        "job": job,
        "targets": ["large@1", "pages@1", "shops@1"],
        "resumed": True,
        "shown": [],
    }
    assert len(states.started) == 1
    states.running.insert(0, "another")
    assert commands.start("verify", ["shops"], sample=0.5)["job"] == job
    assert len(states.started) == 1
    for deaths in (1, 2):  # before the execution has written the job
        states.running.clear()
        assert commands.start("verify", ["shops"])["job"] == job
        assert len(states.started) == 1 + deaths


def test_of_two_commands_that_resume_a_job_one_starts_an_execution(
    commands: Commands, states: States, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands.start("verify", [])
    states.running.clear()
    write = JobTable.write

    def overtaken(table: JobTable, job: Job) -> Job:
        write(table, job)
        return write(table, job)

    monkeypatch.setattr(JobTable, "write", overtaken)
    assert commands.start("verify", [])["resumed"]
    assert len(states.started) == 1


@pytest.mark.parametrize(
    ("running", "wanted"),
    [
        ({"names": ["shops"]}, {"names": []}),
        ({"names": ["shops"]}, {"names": ["shops", "pages"]}),
        ({"names": [], "sample": 0.01}, {"names": ["shops"]}),
        ({"names": []}, {"names": ["shops"], "repairs": True}),
    ],
)
def test_a_job_that_does_only_a_part_goes_on_and_is_not_taken_for_the_whole(
    commands: Commands, states: States, running: dict[str, Any], wanted: dict[str, Any]
) -> None:
    job = commands.start("verify", **running)["job"]
    states.running.clear()
    with pytest.raises(JobEnded, match=f"{job} is running and covers only a part of this") as refused:
        commands.start("verify", **wanted)
    assert f"`tailrace verify {'shops' if running['names'] else 'large pages shops'}" in str(refused.value)
    assert ("--sample 0.01`" in str(refused.value)) == ("sample" in running)
    assert len(states.started) == 2
    assert [one["job"] for one in commands.status()["jobs"]] == [job]
    assert commands.start("verify", **running)["job"] == job


def test_a_build_of_one_aggregate_is_not_taken_for_one_of_all(world: World, states: States) -> None:
    world.deploy("second")
    client: Any = states
    commands = Commands(world.job_context(), "machine", lambda: client)
    job = commands.start("build", ["shops"])["job"]
    with pytest.raises(JobEnded, match="`tailrace rebuild shops`"):
        commands.start("build", [])
    world.now += 1
    assert commands.start("build", ["pages"])["job"] != job


def test_a_job_is_followed_by_its_command_only_while_that_means_the_same(
    world: World, commands: Commands, states: States
) -> None:
    """The verification began before the new version was live; `tailrace verify shops` means both by now."""
    job = commands.start("verify", ["shops"])["job"]
    world.deploy("second")
    client: Any = states
    later = Commands(world.job_context(), "machine", lambda: client)
    meaning = fingerprints(world.job_context().pipeline)["shops", 2]
    assert world.job_context().control.replace(None, created("shops", 2, meaning))
    for names in ([], ["shops"]):
        with pytest.raises(JobEnded, match=f"{job} is running .*: see its progress in `tailrace status`, and run"):
            later.start("verify", names)


def test_a_running_job_is_shown_however_many_have_begun_since(world: World, commands: Commands) -> None:
    jobs = world.job_context().jobs
    for number in range(25):
        state: Any = "done" if number else "running"
        jobs.create(Job(f"{number:02}", "build", (("shops", 1),), world.clock().isoformat(), state=state))
    shown = [one["job"] for one in commands.status()["jobs"]]
    assert shown == [*(f"{number:02}" for number in range(24, 4, -1)), "00"]


def test_the_schedule_hears_of_a_refusal(world: World, commands: Commands) -> None:
    commands.start("verify", ["shops"])
    event = {"task": "start", "kind": "verify"}
    assert "only a part" in do_task(world.job_context(), commands, event)["error"]
    with pytest.raises(JobEnded, match="only a part"):
        do_task(world.job_context(), commands, event | {"scheduled": True})


def test_nothing_is_verified_that_is_not_live(world: World, commands: Commands) -> None:
    control = world.job_context().control
    shops = control.read().generations["shops", 1]
    assert control.replace(shops, interrupt(shops, "by the test"))
    with pytest.raises(JobEnded, match="run `tailrace rebuild shops`"):
        commands.start("verify", ["shops"])
    assert commands.start("build", [])["targets"] == ["shops@1"]


def test_what_has_changed_its_meaning_is_built_and_not_verified(world: World, states: States) -> None:
    world.deploy("lanes")
    client: Any = states
    commands = Commands(world.job_context(), "machine", lambda: client)
    with pytest.raises(JobEnded, match="run `tailrace rebuild large`"):
        commands.start("verify", ["large"])
    assert commands.start("verify", [])["targets"] == ["pages@1", "shops@1"]
    assert commands.start("build", [])["targets"] == ["large@1"]


def test_of_what_has_changed_its_meaning_the_status_says_what_readers_are_told(world: World, states: States) -> None:
    control = world.job_context().control
    large = control.read().generations["large", 1]
    assert control.replace(large, doubt(large, "some rows differ: run `tailrace verify large --repair`"))
    world.deploy("lanes")
    client: Any = states
    shown = Commands(world.job_context(), "machine", lambda: client).status()["generations"]
    (described,) = [one for one in shown if one["aggregate"] == "large"]
    assert (described["exact"], described["reason"]) == (False, meaning_changed("large"))


def test_undo_needs_an_earlier_generation_that_is_live(commands: Commands) -> None:
    with pytest.raises(JobEnded, match="keep its version in the definition"):
        commands.undo("shops")


@pytest.fixture
def second(world: World, states: States) -> Commands:
    """A stack where shops@2 is live and shown beside shops@1."""
    world.deploy("second")
    control = world.job_context().control
    built = created("shops", 2, world.job_context().fingerprint(("shops", 2)))
    assert control.replace(None, built, show=True)
    client: Any = states
    return Commands(world.job_context(), "machine", lambda: client)


def test_a_rebuild_shows_what_an_undo_has_hidden(world: World, second: Commands, states: States) -> None:
    assert second.undo("shops") == {"shown": "shops@1", "before": "shops@2"}
    assert second.start("build", ["shops"]) == {"job": None, "targets": [], "resumed": False, "shown": ["shops@2"]}
    assert world.job_context().control.read().pointers["shops"] == ("shops", 2)
    assert second.start("build", ["shops"])["shown"] == []
    assert not states.started


def test_undo_shows_an_earlier_generation_while_the_one_that_was_shown_is_built_anew(
    world: World, second: Commands
) -> None:
    control = world.job_context().control
    shown = control.read().generations["shops", 2]
    assert control.replace(shown, replace(shown, state=State.BUILDING))
    assert second.undo("shops") == {"shown": "shops@1", "before": None}


@pytest.mark.parametrize("change", ["gone", "another meaning"])
def test_undo_does_not_show_what_the_definition_does_not_feed(world: World, second: Commands, change: str) -> None:
    control, pipeline = world.job_context().control, world.code.pipeline
    first = control.read().generations["shops", 1]
    if change == "gone":
        kept = [one for one in pipeline.aggregates if (one.name, one.version) != first.id]
        second = replace(second, context=replace(second.context, pipeline=Pipeline(pipeline.collections, kept)))
    else:
        assert control.replace(first, replace(first, fingerprint="another"))
    with pytest.raises(JobEnded, match="keep its version in the definition"):
        second.undo("shops")
    assert control.read().pointers["shops"] == ("shops", 2)


def test_a_job_that_is_abandoned_lets_go_of_its_generations(world: World, commands: Commands) -> None:
    job = commands.start("verify", [])["job"]
    world.now += 1000
    context = world.job_context()
    assert advance(context, job)["next"] == "wait"
    assert all(one.baseline is not None for one in context.control.read().generations.values())
    abandon(context, job, "its execution failed")
    assert all(one.baseline is None for one in context.control.read().generations.values())
    assert commands.job(job)["state"] == "failed"
    assert advance(context, job) == {"next": "end", "state": "failed"}


def test_a_build_that_is_abandoned_is_interrupted_with_its_reason(world: World, states: States) -> None:
    world.deploy("second")
    client: Any = states
    commands = Commands(world.job_context(), "machine", lambda: client)
    job = commands.start("build", ["shops"])["job"]
    world.now += 1000
    context = world.job_context()
    advance(context, job)
    assert context.control.read().generations["shops", 2].state is State.BUILDING
    abandon(context, job, "its execution failed")
    found = context.control.read().generations["shops", 2]
    assert (found.state, found.reason) == (State.INTERRUPTED, "its execution failed")


def test_two_executions_do_not_write_one_job(world: World) -> None:
    context = world.job_context()
    job = Job("j", "verify", (("shops", 1),), world.clock().isoformat())
    context.jobs.create(job)
    context.jobs.write(job)
    with pytest.raises(Exception, match="another execution"):
        context.jobs.write(job)
