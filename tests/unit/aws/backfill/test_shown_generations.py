"""What readers see is read once a second, and jobs only while something is built."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.in_memory import Database
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.backfill.job_status import JOBS, JobStatusReader
from tailrace.aws.backfill.shown_generations import ShownGenerations
from tailrace.backfill.fingerprints.lock import meanings
from tailrace.backfill.generations import Generation, State, created
from tailrace.backfill.job_progress import JobStatus
from tailrace.encoding.dynamodb import encode_item
from tests.pipelines.versions import pipeline

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Counted:
    """A database that notes which partitions were queried."""

    def __init__(self) -> None:
        self.database: Any = Database()
        self.database.create("aggregates", "pk", "sk")
        self.partitions: list[str] = []

    def query(self, **request: Any) -> Any:
        assert request["ConsistentRead"]
        self.partitions += [value["S"] for value in request["ExpressionAttributeValues"].values()]
        return self.database.query(**request)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def put_job(database: Any, job_id: str, **values: Any) -> None:
    row = {"pk": JOBS, "sk": job_id, "kind": "build", "state": "running", "targets": ["sales@2"]} | values
    database.put_item(TableName="aggregates", Item=encode_item(row))


def test_the_control_rows_are_read_once_a_second(counted: Counted) -> None:
    now = [STARTED]
    client: Any = counted
    shown = ShownGenerations(client, "aggregates", pipeline, lambda: now[0])
    assert not shown.view().exists
    table = ControlTable(counted.database, "aggregates")
    table.create([created("sales", 1, meanings(pipeline)["sales", 1])], since_creation=True)
    now[0] += timedelta(seconds=0.9)
    assert not shown.view().exists
    assert counted.partitions == ["~control"]
    now[0] += timedelta(seconds=0.2)
    found = shown.view().require_shown("sales")
    assert (found.aggregate.version, found.generation.exact) == (1, True)
    assert shown.view().pointers == {"sales": ("sales", 1)}
    assert counted.partitions == ["~control"] * 2


def test_rows_of_another_meaning_are_no_facts_before_a_change_has_interrupted_them(counted: Counted) -> None:
    client: Any = counted
    ControlTable(counted.database, "aggregates").create([created("sales", 1, "another")], since_creation=True)
    found = ShownGenerations(client, "aggregates", pipeline, lambda: STARTED).view().require_shown("sales").generation
    assert (found.state, found.exact) == ("live", False)
    assert found.reason == "its meaning has changed: run `tailrace rebuild sales`"


def test_a_clock_that_is_set_back_keeps_nothing_for_longer(counted: Counted) -> None:
    now = [STARTED]
    client: Any = counted
    shown = ShownGenerations(client, "aggregates", pipeline, lambda: now[0])
    assert not shown.view().exists
    ControlTable(counted.database, "aggregates").create([created("sales", 1, "f")], since_creation=True)
    now[0] -= timedelta(hours=1)
    assert shown.view().exists


def test_jobs_are_read_while_something_is_built(counted: Counted) -> None:
    now = [STARTED]
    client: Any = counted
    shown = ShownGenerations(client, "aggregates", pipeline, lambda: now[0])
    ControlTable(counted.database, "aggregates").create(
        [created("sales", 1, "f"), Generation("sales", 2, State.BUILDING, "g", 1)], since_creation=True
    )
    put_job(counted.database, "2026-03-01T11", done=1, total=4)
    assert [state.progress and str(state.progress) for state in shown.view().states("sales")] == ["0.250", None]
    assert counted.partitions == ["~control", "~jobs"]


def test_the_newest_jobs_come_first(counted: Counted) -> None:
    for number in range(5):
        put_job(counted.database, f"2026-03-0{number + 1}", done=number, total=10, phase="base")
    put_job(
        counted.database,
        "2026-03-06",
        state="failed",
        targets=["b@1", "a@2"],
        began_at="2026-03-06T00:00:00Z",
        updated_at="2026-03-06T00:01:00Z",
        reason="given up",
    )
    found = JobStatusReader(counted.database, "aggregates").newest(3)
    assert [job.id for job in found] == ["2026-03-06", "2026-03-05", "2026-03-04"]
    assert found[0] == JobStatus(
        "2026-03-06",
        "build",
        "failed",
        ("a@2", "b@1"),
        began_at="2026-03-06T00:00:00Z",
        updated_at="2026-03-06T00:01:00Z",
        reason="given up",
    )
    assert (found[1].phase, found[1].done, found[1].total, found[1].reason) == ("base", 4, 10, "")
