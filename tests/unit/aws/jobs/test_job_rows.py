"""Rows of jobs that are damaged, or that somebody deletes: the commands go on with the others."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tailrace.aws.jobs.commands import Commands
from tailrace.aws.jobs.job import Job
from tailrace.errors import NotFound
from tests.simulation.jobs.world import World
from tests.unit.aws.jobs.conftest import States

NAMES = [f"20270101T00000000{number}-verify" for number in range(2)]
KEYS = [{"pk": {"S": "~jobs"}, "sk": {"S": name}} for name in NAMES]


def old_job(name: str) -> Job:
    return Job(name, "verify", (("shops", 1),), "2027-01-01T00:00:00+00:00", state="done")


def test_a_job_that_somebody_deletes_while_it_works_does_not_come_back_in_part(
    world: World, commands: Commands
) -> None:
    jobs = world.job_context().jobs
    job = old_job(NAMES[0])
    jobs.create(job)
    world.database.delete_item(TableName="aggregates", Key=KEYS[0])
    jobs.count_part(job)
    assert commands.status()["jobs"] == []


def test_each_part_that_is_done_is_progress(world: World, commands: Commands) -> None:
    jobs = world.job_context().jobs
    jobs.create(old_job(NAMES[0]))
    before = commands.job(NAMES[0])["updated_at"]
    world.now += 600
    jobs.count_part(old_job(NAMES[0]))
    (after,) = [one["updated_at"] for one in commands.status()["jobs"]]
    assert datetime.fromisoformat(after) - datetime.fromisoformat(before) == timedelta(seconds=600)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("targets", None),
        ("began_at", None),
        ("targets", {"S": "shops@1"}),
        ("targets", {"L": [{"N": "1"}]}),
        ("data", {"S": "null"}),
        ("data", {"S": "{"}),
        ("sample", {"S": "some"}),
        ("done", {"S": "many"}),
    ],
)
def test_a_damaged_row_of_a_job_ends_no_command(
    world: World, commands: Commands, states: States, attribute: str, value: Any
) -> None:
    jobs = world.job_context().jobs
    for name in NAMES:
        jobs.create(old_job(name))
    found = world.database.get_item(TableName="aggregates", Key=KEYS[1])["Item"]
    damaged = {name: one for name, one in (found | {attribute: value}).items() if one is not None}
    world.database.put_item(TableName="aggregates", Item=damaged)
    assert [one["job"] for one in commands.status()["jobs"]] == NAMES[:1]
    with pytest.raises(NotFound, match="there is no job"):
        commands.job(NAMES[1])
    assert commands.start("verify", [])["job"]
    assert len(states.started) == 1
