"""A deployment with another table, which is refused: until it is rolled back, the history function has that table."""

import pytest
from msgspec.structs import replace

from tailrace.aws.backfill.control import Counted
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.jobs.job import Job, Kind
from tailrace.aws.jobs.steps import machine
from tailrace.aws.jobs.steps.machine import advance
from tailrace.errors import Transient
from tests.unit.aws.jobs.steps.calm_player import COUNTED, PAGES, Calm, row

READERS = ("scan", "commit", "read")
OWN, EXISTING = Counted("", ""), Counted("items", "stream")


@pytest.fixture
def player(monkeypatch: pytest.MonkeyPatch) -> Calm:
    """A stack at rest with two counted visits, and with another table that is empty."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    found = Calm(1)
    world = found.world
    world.dies, world.busy = 0, 0
    write_first_control_rows(world.job_context(), ("items", "aggregates", "progress"))
    world.database.create("other", "pk")
    for number, ms in enumerate((3, 4)):
        world.write(f"visits#{number}", {"page": "x", "ms": ms})
    world.settle()
    world.now += 3600
    return found


def refused(context: JobContext) -> JobContext:
    """Return a job's context under a deployment with a table of the other kind."""
    return replace(context, items_table="other", attached_stream="" if context.attached_stream else "another")


@pytest.mark.parametrize("kind", ["build", "verify"])
def test_a_job_waits_for_the_rollback(player: Calm, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    """Otherwise it would read the items of the other table, and its rows would be reported as exact."""
    world, met = player.world, set[str]()
    world.job_context().control.record_counted(OWN)
    if kind == "build":
        world.deploy("second")

    def refused_at_first(name: str, part: machine.Part) -> machine.Part:
        def work(context: JobContext, job: Job, number: int) -> None:
            with pytest.raises(Transient, match="the rows count another table"):
                part(refused(context), job, number)
            met.add(name)
            part(context, job, number)

        return work

    parts = {
        name: (refused_at_first(name, part) if name in READERS else part, *rest)
        for name, (part, *rest) in machine._PARTS.items()
    }
    monkeypatch.setattr(machine, "_PARTS", parts)
    job = player._job(kind, [("pages", 2) if kind == "build" else PAGES], repairs=kind == "verify").job
    assert (job.state, job.reason) == ("done", "")
    assert met == ({"scan", "commit"} if kind == "build" else {"scan", "read"})
    assert row(world) == COUNTED


@pytest.mark.parametrize("counted", [OWN, EXISTING])
def test_no_job_begins_before_the_rollback(player: Calm, counted: Counted) -> None:
    context = player.world.job_context()
    context.control.record_counted(counted)
    wrong = context if counted == EXISTING else refused(context)
    job = Job("j", "verify", (PAGES,), player.world.clock().isoformat())
    context.jobs.create(job)
    with pytest.raises(Transient, match="the rows count another table"):
        advance(wrong, "j")
    assert context.jobs.read("j").state == "running"
    assert not context.control.read().generations[PAGES].baseline


def test_an_attached_stack_goes_on_with_its_table(player: Calm) -> None:
    context = player.world.job_context()
    context.control.record_counted(EXISTING)
    assert replace(context, attached_stream="stream").control_rows().counted == EXISTING
