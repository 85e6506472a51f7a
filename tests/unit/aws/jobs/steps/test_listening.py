"""How a job proves that the aggregate stage has passed the snapshot, where it may write nothing."""

from copy import replace
from typing import Any

import pytest

from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.context import JobContext
from tailrace.aws.jobs.job import Job, Kind
from tailrace.aws.jobs.steps.machine import advance, work_on
from tailrace.backfill.claims import CONTRADICTED
from tailrace.backfill.generations import State
from tests.simulation.jobs.attached import StreamOfAttached
from tests.simulation.jobs.world import World

TARGETS = (("large", 1), ("shops", 1))
HOUR, DAY = 3600, 24 * 3600
_PAST = 5


class Calm(StreamOfAttached):
    """A stream that brings what it has in one page after the other, and nothing late."""

    empty_pages: int = 0

    def __post_init__(self) -> None:
        self.random = self.world.random
        self.breaks_bounds = False

    def hide(self, shard: Any) -> None:
        """Hide nothing."""

    def halves(self, shard: Any) -> list[int | None]:
        """Split nothing."""
        return [shard.half]

    def _iterator(self, shard: Any, index: int, empty: int | None = None) -> str:
        return super()._iterator(shard, index, self.empty_pages if empty is None else empty)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """An attached stack at rest, with items that the stream still has."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    found = World(1)
    found.dies, found.busy, found.roots, found.shards = 0, 0, 1, found.shards[:1]
    found.attached = Calm(found)
    for number in range(_PAST):
        found.write(f"orders#{number}", {"shop": "a", "amount": number, "paid": True})
    write_first_control_rows(found.job_context(), ("items", "aggregates", "progress"), is_attached=True)
    found.now += HOUR
    found.functions.now = found.now - HOUR
    return found


def create(world: World, name: str = "job", kind: Kind = "build") -> None:
    """Begin a job."""
    context = world.job_context()
    context.jobs.create(Job(name, kind, TARGETS, context.clock().isoformat()))


def begin(world: World) -> Job:
    """Begin a build, and take it up to its coverage."""
    create(world)
    context = world.job_context()
    while context.jobs.read("job").step != "cover":
        step(world)
    return context.jobs.read("job")


def write_seen(world: World) -> None:
    """Let a change be written that the snapshot may have seen."""
    now, world.now = world.now, world.job_context().jobs.read("job").data["after"] - 1
    world.write("orders#1", {"shop": "b", "paid": True})
    world.now = now


def step(world: World, context: JobContext | None = None, name: str = "job") -> dict[str, Any]:
    """Do what an execution does once."""
    context = context or world.job_context()
    outcome = advance(context, name)
    while outcome["next"] == "parts":
        for number in outcome["numbers"]:
            work_on(context, name, number)
        outcome = advance(context, name, worked=outcome["step"])
    world.now += outcome.get("seconds", 0)
    return outcome


def finish(world: World, name: str = "job") -> Job:
    """Take a job to its end."""
    limit = world.now + HOUR
    while step(world, name=name)["next"] != "end":
        assert world.now < limit, world.job_context().jobs.read(name).phase
    return world.job_context().jobs.read(name)


def states(world: World) -> set[tuple[State, bool]]:
    """Return the states of the targets, and whether they are exact."""
    generations = world.job_context().control.read().generations
    return {(generations[name].state, generations[name].exact) for name in TARGETS}


def test_a_quiet_table_is_built_without_any_further_change(world: World) -> None:
    world.settle()
    items = world.items()
    began = world.now
    create(world)
    assert finish(world).state == "done"
    assert states(world) == {(State.LIVE, True)}
    assert world.items() == items
    assert world.now - began < 20 * 60


def test_after_the_claim_a_job_waits_for_every_invocation_that_may_not_have_read_it(world: World) -> None:
    begin(world)
    found = finish(world)
    timing = world.job_context().timing
    assert found.data["claimed_at"] - found.data["proven_at"] >= timing.quiet_s
    assert found.data["covered_at"] - found.data["claimed_at"] > timing.timeout_s + timing.margin_s


def test_what_is_covered_is_used_once_every_discarded_batch_can_be_seen(world: World) -> None:
    begin(world)
    while world.job_context().jobs.read("job").step in ("cover", "covered"):
        step(world)
    context = world.job_context()
    assert context.timing.is_over(context.jobs.read("job").data["covered_at"], context.now)


def test_a_generation_with_a_boundary_tells_its_progress_for_each_batch(world: World) -> None:
    """The last batch of a quiet shard, too: no later one would make up for it."""
    create(world)
    assert finish(world).state == "done"
    stage, shard = world.stage(), world.shards[0]
    for number in range(3):
        world.write(f"orders#{number}", {"shop": "c", "paid": True})
    for record in shard.records:
        stage({"Records": [record], "shardId": shard.name, "eventSourceARN": "stream"})
    newest = int(shard.records[-1]["dynamodb"]["SequenceNumber"])
    assert world.job_context().progress.throughs()[shard.name].sequence == newest


def test_records_from_before_the_boundary_need_not_be_read(world: World) -> None:
    """The first build does not wait for a day of other people's changes."""
    create(world)
    assert finish(world).state == "done"
    assert world.shards[0].done == 0


def test_an_unread_record_holds_the_job_up_and_is_named(world: World) -> None:
    begin(world)
    write_seen(world)
    for _ in range(100):
        assert step(world)["next"] == "wait"
    assert world.job_context().jobs.read("job").phase.endswith("in shards: s0")
    world.settle()
    assert finish(world).state == "done"


def test_a_younger_record_proves_what_is_before_it(world: World) -> None:
    begin(world)
    world.now += 200
    world.write("orders#1", {"shop": "b", "paid": True})
    assert finish(world).state == "done"
    assert world.shards[0].done == 0


def test_one_empty_page_is_no_proof(world: World) -> None:
    """An unread record behind several empty pages is found before anything is claimed."""
    begin(world)
    begun = world.now
    write_seen(world)
    world.attached.empty_pages = 7  # type: ignore[union-attr]
    while world.now < begun + 400:
        step(world)
    job = world.job_context().jobs.read("job")
    assert (job.step, job.data["proven_at"]) == ("cover", None)


def test_a_mark_that_the_stream_has_trimmed_begins_at_the_oldest_record(world: World) -> None:
    world.settle()
    world.now += DAY + HOUR
    create(world)
    assert finish(world).state == "done"


def test_a_job_that_takes_longer_than_the_stream_keeps_records_ends(world: World) -> None:
    begin(world)
    world.now += DAY
    assert "the stream keeps no more: run it again" in finish(world).reason


def test_what_the_mapping_discarded_below_the_boundary_is_not_waited_for(world: World) -> None:
    """It is missing in the rows of a verification, which finds it; nobody will ever deal with it."""
    world.settle()
    create(world)
    assert finish(world).state == "done"
    world.now += HOUR
    world.write("orders#2", {"shop": "b", "paid": True})
    world.give_up()
    world.now += HOUR
    create(world, "verification", "verify")
    found = finish(world, "verification")
    assert (found.state, found.data["counts"]["different"] > 0) == ("done", True)


def test_a_closed_shard_that_was_read_to_its_end_is_proven(world: World) -> None:
    world.settle()
    world.roll()
    create(world)
    assert finish(world).state == "done"


def test_a_shard_that_no_list_shows_holds_the_job_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(world)
    monkeypatch.setattr(Calm, "halves", lambda *_: [0, 1])
    monkeypatch.setattr(Calm, "listed_at", lambda _: world.now + DAY / 2)
    world.now += HOUR
    world.roll()
    for number in range(2 * _PAST):
        world.write(f"orders#{number}", {"shop": "b", "paid": True})
    world.settle()
    (late,) = (shard for shard in world.shards if shard.listed_at > world.now)
    assert late.done
    for _ in range(100):
        assert step(world)["next"] == "wait"
    assert world.job_context().jobs.read("job").phase.endswith(f"in shards: {late.name}")
    late.listed_at = world.now
    assert finish(world).state == "done"


def test_without_an_open_shard_nothing_is_proven(world: World) -> None:
    """The stream may have been turned off."""
    world.settle()
    world.shards[0].closed = True
    begin(world)
    for _ in range(100):
        assert step(world)["next"] == "wait"
    assert world.job_context().jobs.read("job").phase.endswith("none is listed as open")


@pytest.mark.parametrize(
    ("latest", "told"), [("arn:new", "deploy with ItemsStreamArn=arn:new"), ("", "turn it on with both images")]
)
def test_another_stream_than_that_of_the_stack_proves_nothing(world: World, latest: str, told: str) -> None:
    begin(world)
    context = world.job_context()
    client: Any = Described(context.dynamodb, latest)
    while step(world, replace(context, shards=replace(context.shards, client=client)))["next"] != "end":
        pass
    assert told in context.jobs.read("job").reason


def test_virtual_shards_of_one_machine_cannot_be_read(world: World) -> None:
    begin(world)
    context = world.job_context()
    shards = replace(context.shards, virtual=lambda: ("a", "b"))
    while step(world, replace(context, shards=shards))["next"] != "end":
        pass
    assert "leave out SHARDS" in context.jobs.read("job").reason


@pytest.mark.parametrize("is_live", [False, True])
def test_a_record_that_contradicts_the_claim_is_added_to_nothing_that_is_said_to_be_exact(
    world: World, is_live: bool
) -> None:
    """Written before the snapshot, and met by nobody for longer than the job waits."""
    begin(world)
    write_seen(world)
    shard = world.shards[0]
    shard.visible_at[_PAST] = world.now + DAY
    while world.job_context().jobs.read("job").step in ("cover", "covered"):
        assert step(world)["next"] != "end"
    if is_live:
        assert finish(world).state == "done"
        assert states(world) == {(State.LIVE, True)}
    shard.visible_at.clear()
    for _ in range(20):  # the batch comes again, and goes on
        world.deliver(shard, most=100)
    assert states(world) == {(State.LIVE if is_live else State.INTERRUPTED, False)}
    assert {world.job_context().control.read().generations[name].reason for name in TARGETS} == {CONTRADICTED}
    assert shard.done == len(shard.records)


class Described:
    """A client for which the table has another stream."""

    def __init__(self, client: Any, latest: str) -> None:
        self.client, self.latest = client, latest

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def describe_table(self, **_request: Any) -> Any:
        """Name the stream."""
        return {"Table": {"LatestStreamArn": self.latest} if self.latest else {}}
