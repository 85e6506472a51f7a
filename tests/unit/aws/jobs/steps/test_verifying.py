"""The end of a verification, when a service fails in the midst of it."""

from collections.abc import Iterator
from copy import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.in_memory import Database
from local.in_memory.errors import client_error
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.feeder import OLDER_CODE
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.folder import Folder
from tailrace.aws.jobs.job import Job, JobTable, Kind
from tailrace.aws.jobs.steps import reading, verifying
from tailrace.backfill.generations import distrusted
from tailrace.backfill.job_progress import JobStatus
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import Transient
from tests.simulation.jobs.history import Player
from tests.simulation.jobs.world import World

TARGETS = [("pages", 1), ("shops", 1)]
OTHER = "shops@1#b"


class Calm(Player):
    """Runs jobs while nothing else happens."""

    def _some(self, most: int) -> None:
        """Let nothing happen."""

    def _give_up(self) -> None:
        """Let nothing be discarded."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """Metrics of what was found."""
    found: list[dict[str, int]] = []
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    monkeypatch.setattr(verifying, "count_metrics", lambda **counts: found.append(counts))
    return found


@pytest.fixture
def player() -> Calm:
    """A stack with two aggregates, in one of which a row is wrong."""
    found = Calm(1)
    world = found.world
    world.dies, world.busy = 0, 0
    write_first_control_rows(world.job_context(), ("items", "aggregates", "progress"))
    world.write("orders#1", {"shop": "a", "amount": 5})
    world.write("visits#1", {"page": "x", "ms": 3})
    world.settle()
    row = next(one for one in world.database.rows("aggregates") if one["pk"]["S"].startswith("shops@1#"))
    world.database.update_item(
        TableName="aggregates",
        Key={"pk": row["pk"], "sk": row["sk"]},
        UpdateExpression="ADD revenue :one",
        ExpressionAttributeValues=encode_item({":one": 1}),
    )
    world.now += 3600
    return found


def verify(player: Calm) -> Job:
    """Run a verification, and return it as it ended."""
    return player._job("verify", TARGETS).job


def exact(world: World) -> dict[str, bool]:
    """Return which of the verified aggregates are exact."""
    generations = world.job_context().control.read().generations
    assert not any(one.baseline for one in generations.values())
    return {name[0]: generations[name].exact for name in TARGETS}


def test_a_bucket_that_cannot_be_used_for_a_moment_loses_no_finding(
    player: Calm, counted: list[dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    put, failures = player.world.buckets.put_object, ["reports/"]

    def put_object(**request: Any) -> Any:
        if failures and request["Key"].startswith(failures[0]):
            failures.clear()
            raise ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "PutObject")
        return put(**request)

    monkeypatch.setattr(type(player.world.buckets), "put_object", lambda _self, **request: put_object(**request))
    job = verify(player)
    assert (job.state, job.data["counts"]["different"], failures) == ("done", 1, [])
    assert ("history", job.data["report"]) in player.world.buckets.objects
    assert exact(player.world) == {"pages": True, "shops": False}
    assert [one["RowsDifferent"] for one in counted] == [1]


def test_what_was_found_is_counted_even_if_the_response_to_the_last_write_is_lost(
    player: Calm, counted: list[dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK then sends it again, and the condition no longer holds."""
    put = Database.put_item
    lost: list[str] = []

    def put_item(database: Database, **request: Any) -> Any:
        found = put(database, **request)
        if request["Item"].get("state") == {"S": "done"} and not lost:
            lost.append(request["Item"]["sk"]["S"])
            raise client_error("PutItem", "ConditionalCheckFailedException", "")
        return found

    monkeypatch.setattr(Database, "put_item", put_item)
    job = verify(player)
    assert (job.state, lost) == ("done", [job.id])
    assert [one["RowsDifferent"] for one in counted] == [1]


@pytest.mark.parametrize("kind", ["build", "verify"])
def test_the_progress_of_a_job_never_falls(player: Calm, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    put = JobTable._put
    seen: list[Any] = []

    def written(table: JobTable, job: Job, *arguments: Any) -> None:
        put(table, job, *arguments)
        status = JobStatus(job.id, job.kind, job.state, phase=job.phase, done=job.done, total=job.total)
        seen.append(status.fraction)

    monkeypatch.setattr(JobTable, "_put", written)
    player.world.deploy("second")
    assert player._job(kind, [("shops", 2)] if kind == "build" else TARGETS, repairs=True).job.state == "done"
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 1)
    assert len(set(seen)) > 7


def test_the_verdict_needs_no_findings(player: Calm, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be millions of them, so they are only copied to the report."""
    monkeypatch.setattr(verifying, "put_lines", lambda *_arguments: None)
    assert verify(player).state == "done"
    assert exact(player.world) == {"pages": True, "shops": False}


@pytest.mark.parametrize("lacks", ["generations", "repaired"])
def test_counts_of_another_release_give_no_verdict(player: Calm, monkeypatch: pytest.MonkeyPatch, lacks: str) -> None:
    all_lines = Folder.all_lines

    def earlier(folder: Folder, prefix: str) -> Iterator[bytes]:
        for line in all_lines(folder, prefix):
            if prefix == "counts":
                counts = loads(line)
                for of in (counts, *counts["generations"].values()):
                    of.pop(lacks, None)
                yield dumps(counts).encode()
            else:
                yield line

    monkeypatch.setattr(Folder, "all_lines", earlier)
    job = verify(player)
    assert (job.state, job.reason) == ("failed", "another release has compared the rows: run it again")


@pytest.mark.parametrize("name", TARGETS)
def test_a_verdict_that_is_interrupted_between_two_aggregates_is_given_to_its_end(
    player: Calm, counted: list[dict[str, int]], monkeypatch: pytest.MonkeyPatch, name: tuple[str, int]
) -> None:
    replaced, failures = ControlTable.replace, [name]

    def failing(table: ControlTable, before: Any, after: Any, **options: Any) -> bool:
        done = replaced(table, before, after, **options)
        if after.id in failures and before.baseline and not after.baseline:
            failures.clear()
            raise Transient("the answer was lost")
        return done

    monkeypatch.setattr(ControlTable, "replace", failing)
    assert (verify(player).state, failures) == ("done", [])
    assert exact(player.world) == {"pages": True, "shops": False}
    assert [one["RowsDifferent"] for one in counted] == [1]


def test_what_is_not_trusted_any_more_is_not_called_exact(
    player: Calm, counted: list[dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = JobTable.write

    def doubting(table: JobTable, job: Job) -> Job:
        if job.step == "release":
            control = player.world.job_context().control
            before = control.read().generations["pages", 1]
            assert control.replace(before, distrusted(before, "by the test"))
        return write(table, job)

    monkeypatch.setattr(JobTable, "write", doubting)
    assert verify(player).state == "done"
    assert exact(player.world) == {"pages": False, "shops": False}
    assert len(counted) == 1


@pytest.mark.parametrize("leaves", ["nothing", "rows that are not sampled", "a row that is not judged"])
def test_rows_that_were_not_compared_are_not_called_exact_once_others_were_wrong(
    player: Calm, monkeypatch: pytest.MonkeyPatch, leaves: str
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    if leaves == "rows that are not sampled":
        create = JobTable.create
        monkeypatch.setattr(JobTable, "create", lambda table, job: create(table, replace(job, sample=0.9999)))
    if leaves == "a row that is not judged":
        with_order = reading._with_order
        monkeypatch.setattr(reading, "_with_order", lambda *of: replace(with_order(*of), judged=of[2].key[0] != OTHER))
        player.world.write("orders#2", {"shop": "b", "amount": 5})
        player.world.settle()
        player.world.now += 3600
    verdict = player._job("verify", TARGETS, repairs=True)
    assert [one["repaired"] for one in verdict.findings if one["finding"] == "different"] == [True]
    assert exact(player.world) == {"pages": True, "shops": leaves == "nothing"}


def run_older_code(world: World) -> None:
    """Process a change as code does that knows no journal."""
    (row,) = [one for one in world.database.rows("progress") if one["pk"]["S"] == "aggregate"]
    row["changes"] = {"N": str(int(row["changes"]["N"]) + 1)}
    world.database.put_item(TableName="progress", Item=row)


@pytest.mark.parametrize("finds", ["the stage", "a job"])
def test_after_older_code_has_run_nothing_else_is_known_to_be_exact(
    player: Calm, finds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sum(one.exact for one in player.world.job_context().control.read().generations.values())
    run_older_code(player.world)
    capsys.readouterr()
    if finds == "the stage":
        player.world.write("orders#2", {"shop": "a", "amount": 5})
        player.world.settle()
    else:
        assert verify(player).state == "done"
    generations = player.world.job_context().control.read().generations
    assert (generations["large", 1].reason, generations["pages", 1].exact) == (OLDER_CODE, finds == "a job")
    assert not player.world.job_context().progress.is_miscounted()
    lines = [loads(line) for line in capsys.readouterr().out.splitlines() if "GenerationsInterrupted" in line]
    assert [line["service"] for line in lines] == ["aggregate"] * before  # for the alarm, whoever has found it


def test_older_code_that_runs_beside_a_job_ends_it(player: Calm, monkeypatch: pytest.MonkeyPatch) -> None:
    write = JobTable.write

    def beside(table: JobTable, job: Job) -> Job:
        if job.step == "list":
            run_older_code(player.world)
        return write(table, job)

    monkeypatch.setattr(JobTable, "write", beside)
    monkeypatch.setattr(player.world, "ends_early", 0)  # while a job waits, the stage may find it first
    assert verify(player).reason == "a release older than the journal ran during the job: run the job again"
