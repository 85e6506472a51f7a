"""Changes that the aggregate stage never read, because its mapping was disabled for more than a day."""

from copy import replace
from typing import Any

import pytest

from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.monitoring.freshness import CachedProgress
from tailrace.aws.monitoring.progress import ProgressReader
from tailrace.backfill.boundaries import Boundary
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.tagged_json import loads
from tailrace.inputs.changes import iso_seconds
from tests.simulation.jobs.world import World

HOUR_S = 3600
NAME = ("shops", 1)


@pytest.fixture
def world() -> World:
    """A stack that has counted an item; fanout has processed it, too."""
    found = World(1)
    found.dies, found.busy, found.roots, found.shards = 0, 0, 1, found.shards[:1]
    write_first_control_rows(found.job_context(), ("items", "aggregates", "progress"))
    add(found, "1")
    seen_by_fanout(found, found.shards[0].name, found.now)
    return found


def add(world: World, key: str) -> None:
    """Write an item, and let the stage count it."""
    world.write(f"orders#{key}", {"shop": "a", "amount": 5})
    world.settle()


def seen_by_fanout(world: World, shard: str, at: float) -> None:
    """Let fanout have processed a change in a shard."""
    row = {"newest": iso_seconds(int(at)), "told_at": iso_seconds(int(at)), "changes": 1}
    world.database.put_item(TableName="progress", Item=encode_item({"pk": "fanout", "sk": shard, **row}))


def exact(world: World) -> bool:
    """Tell whether readers may rely on the rows."""
    return world.job_context().control.read().generations[NAME].exact


def lag(world: World) -> Any:
    """Return how far the stage is behind, as health shows it."""
    return CachedProgress(ProgressReader(world.database, "progress"), world.clock).aggregate_freshness().behind_s  # type: ignore[arg-type]


@pytest.mark.parametrize("shard", ["", "shardId-that-was-never-read"])
def test_rows_that_lack_what_only_fanout_has_read_are_not_exact(
    world: World, shard: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world.now += 10 * HOUR_S
    seen_by_fanout(world, shard or world.shards[0].name, world.now)
    world.now += 25 * HOUR_S
    world.roll()
    capsys.readouterr()
    add(world, "2")
    control = world.job_context().control
    found = control.read().generations[NAME]
    reason = "changes were not read within the 24 hours for which the stream has them, and rows may lack them"
    assert (found.exact, found.reason) == (False, f"{reason}: run `tailrace verify shops --repair`")
    told = [loads(line) for line in capsys.readouterr().out.splitlines() if "GenerationsInterrupted" in line]
    assert any(one["GenerationsInterrupted"] in (1, [1]) for one in told)
    world.now += 120
    assert lag(world) is None
    # verified since
    assert control.replace(found, replace(found, verified=True, reason=""))
    world.roll()
    add(world, "3")
    assert exact(world)


@pytest.mark.parametrize(
    ("seen_at", "read_at"),
    [
        (0, 24),  # the stream may still have it
        (0, 50),  # the stage's own row would have expired
        (-1, 30),  # the stage was further
    ],
)
def test_what_may_have_been_read_is_no_loss(world: World, seen_at: int, read_at: int) -> None:
    name = "shardId-other" if seen_at == 0 else world.shards[0].name
    seen_by_fanout(world, name, world.now + seen_at * HOUR_S)
    world.now += read_at * HOUR_S
    world.roll()
    add(world, "2")
    assert exact(world)


def test_a_quiet_table_is_exact(world: World) -> None:
    for day in range(5):
        world.now += 40 * HOUR_S
        world.roll()
        add(world, f"of day {day}")
        seen_by_fanout(world, world.shards[-1].name, world.now)
    assert exact(world)


def test_what_a_repair_has_made_good_is_no_loss(world: World) -> None:
    world.now += 10 * HOUR_S
    seen_by_fanout(world, world.shards[0].name, world.now)
    control = world.job_context().control
    found = control.read().generations[NAME]
    assert control.replace(found, replace(found, floor=Boundary("j-0", int(world.now) + 60, confirmed=True)))
    world.now += 25 * HOUR_S
    world.roll()
    add(world, "2")
    assert exact(world)
    assert lag(world) in (None, 1)
