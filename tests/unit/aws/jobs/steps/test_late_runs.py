"""Parts and steps whose call was repeated, and whose first run ends after the job has gone on."""

from typing import Any

import pytest

from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.jobs.job import Job, Kind
from tailrace.aws.jobs.steps import machine
from tailrace.aws.jobs.steps.base_pages import BasePages
from tailrace.aws.jobs.steps.covering import scanned
from tailrace.aws.jobs.steps.gathering import list_journal
from tailrace.aws.jobs.steps.reading import read_rows
from tailrace.aws.jobs.steps.snapshot import close_snapshot, scan_segment
from tailrace.encoding.dynamodb import decode_item
from tests.simulation.jobs.history import Player
from tests.simulation.jobs.stack.stream import Shard


class Calm(Player):
    """Runs jobs while nothing else happens."""

    def _some(self, most: int) -> None:
        """Let nothing happen."""

    def _give_up(self) -> None:
        """Let nothing be discarded."""

    def count_another(self, *, paid: bool = False) -> None:
        """Write an order, and have it counted."""
        self.world.write(f"orders#{self.world.sequence}", {"shop": "a", "amount": 7, "paid": paid})
        self.world.settle()

    def revenue(self, generation: str = "shops@1") -> int:
        """Return the revenue of shop a in the newest epoch of a generation."""
        rows = map(decode_item, self.world.database.rows("aggregates"))
        return max((one["pk"], int(one["revenue"])) for one in rows if one["pk"].startswith(generation))[1]

    def before(self, monkeypatch: pytest.MonkeyPatch, step: str, act: Any) -> None:
        """Let something happen once, before the first part of a step."""
        part, *rest = machine._PARTS[step]
        left = [act]

        def late(context: JobContext, job: Job, number: int) -> None:
            if left:
                left.pop()(context, job)
            part(context, job, number)

        monkeypatch.setattr(machine, "_PARTS", {**machine._PARTS, step: (late, *rest)})

    def verify_after(self, monkeypatch: pytest.MonkeyPatch, step: str, act: Any) -> tuple[str, tuple[Any, ...], int]:
        """Let something happen before a step of a job that repairs; return its state and findings, and the revenue."""
        self.before(monkeypatch, step, act)
        verdict = self._job("verify", [("shops", 1)], repairs=True)
        return verdict.job.state, verdict.findings, self.revenue()


@pytest.fixture
def player(monkeypatch: pytest.MonkeyPatch) -> Calm:
    """A stack at rest, with one order."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    found = Calm(1)
    found.world.dies, found.world.busy = 0, 0
    write_first_control_rows(found.world.job_context(), ("items", "aggregates", "progress"))
    found.count_another()
    found.world.now += 3600
    return found


def test_rows_that_are_read_after_the_journal_was_listed_are_not_judged(
    player: Calm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_again(context: JobContext, job: Job) -> None:
        player.count_another()
        for number in range(job.data["partitions"]):
            read_rows(context, job, number)

    assert player.verify_after(monkeypatch, "judge", read_again) == ("done", (), 14)


def test_items_that_are_read_after_the_snapshot_was_closed_are_not_in_the_base(
    player: Calm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan_again(context: JobContext, job: Job) -> None:
        player.count_another()
        for number in range(job.data["segments"]):
            scan_segment(context, job, number)
        close_snapshot(context, job)

    assert player.verify_after(monkeypatch, "base", scan_again) == ("done", (), 14)


@pytest.mark.parametrize(("step", "listing"), [("journal", "list"), ("journal again", "relist")])
def test_the_parts_of_the_journal_are_those_of_the_run_that_counts(
    player: Calm, monkeypatch: pytest.MonkeyPatch, step: str, listing: str
) -> None:
    objects = player.world.buckets.objects

    def list_again(context: JobContext, job: Job) -> None:
        player.count_another()
        before = dict(objects)
        list_journal(context, job.go_to(listing))
        assert len(objects) > len(before)
        assert {name: objects[name] for name in before} == before

    assert player.verify_after(monkeypatch, step, list_again) == ("done", (), 14)


@pytest.mark.parametrize("step", ["scan", "journal", "base", "keys", "read", "journal again", "judge"])
def test_a_part_of_another_step_with_more_parts_changes_nothing(
    player: Calm, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """An execution that was paused continues, although another one has taken the job further."""

    def work_on_another(context: JobContext, job: Job) -> None:
        before, objects = context.jobs.read(job.id), dict(player.world.buckets.objects)
        machine.work_on(context, job.id, 99)
        assert (context.jobs.read(job.id), player.world.buckets.objects) == (before, objects)

    assert player.verify_after(monkeypatch, step, work_on_another) == ("done", (), 7)


@pytest.mark.parametrize(
    ("is_gone", "reason"),
    [
        (True, "the files of this job no longer exist: run it again"),
        (False, "it began more than a week ago, and what it has read may be gone: run it again"),
    ],
)
def test_a_build_that_is_taken_up_when_its_folder_may_have_expired_ends(
    player: Calm, monkeypatch: pytest.MonkeyPatch, is_gone: bool, reason: str
) -> None:
    world = player.world
    world.deploy("second")
    player.count_another(paid=True)

    def later(_context: JobContext, _job: Job) -> None:
        world.now += 15 * 24 * 3600
        objects = world.buckets.objects
        if is_gone:
            world.buckets.objects = {name: one for name, one in objects.items() if not name[1].startswith("jobs/")}

    player.before(monkeypatch, "commit", later)
    job = player._job("build", [("shops", 2)]).job
    assert job.reason == reason
    assert not player._control().generations["shops", 2].exact


@pytest.mark.parametrize("kind", ["build", "verify"])
def test_a_job_whose_base_an_earlier_release_has_computed_in_part_ends(
    player: Calm, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """It listed no pages of its parts. An update changes the history function before the aggregate function."""
    world = player.world
    world.deploy("second")
    player.count_another(paid=True)
    before, end = _rows_of_shops(player), BasePages.end
    monkeypatch.setattr(BasePages, "end", lambda self, part: end(self, part) if part != 1 else None)
    job = player._job(kind, [("shops", 2 if kind == "build" else 1)], repairs=kind == "verify").job
    assert (job.state, job.reason) == ("failed", "another release has computed a part of the base: run it again")
    assert player._control().generations["shops", 1].exact
    assert _rows_of_shops(player) == before


def test_a_build_that_is_live_ends_although_its_files_are_gone(player: Calm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or if an earlier release wrote them, which listed no pages, and was updated before it had removed empty rows."""
    world = player.world
    world.deploy("second")
    player.count_another(paid=True)

    def forget(_context: JobContext, job: Job) -> None:
        del world.buckets.objects["history", f"jobs/{job.id}/base-pages"]

    player.before(monkeypatch, "sweep", forget)
    job = player._job("build", [("shops", 2)]).job
    assert (job.state, job.reason) == ("done", "")
    assert player._control().generations["shops", 2].exact


def test_a_build_that_is_taken_up_days_after_its_snapshot_ends(player: Calm, monkeypatch: pytest.MonkeyPatch) -> None:
    """By then, the shards of its beginning are not listed any more, and the stage's progress in them has expired."""
    world = player.world
    world.deploy("second")
    player.before(monkeypatch, "scan", lambda _context, _job: player.count_another(paid=True))
    left = [3 * 24 * 3600]

    def later(context: JobContext, job: Job) -> Any:
        if left:
            world.now += left.pop()
            world.shards = [Shard(f"next-{one.name}", None, one.root) for one in world.shards]
            for row in world.database.rows("progress"):
                world.database.delete_item(TableName="progress", Key={"pk": row["pk"], "sk": row["sk"]})
        return scanned(context, job)

    monkeypatch.setattr(machine, "_STEPS", {**machine._STEPS, "scanned": later})
    job = player._job("build", [("shops", 2)]).job
    assert job.reason == "it began more than 36 hours ago, and data from that time may be gone: run it again"
    assert player._job("build", [("shops", 2)]).job.state == "done"
    assert player.revenue("shops@2") == 7


def _rows_of_shops(player: Calm) -> list[Any]:
    return [row for row in player.world.database.rows("aggregates") if row["pk"]["S"].startswith("shops@1")]
