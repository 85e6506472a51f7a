"""What a job does about expired items whose images are in discarded batches, and what readers are told of them."""

import json
from copy import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest

from tailrace.aws.backfill.expired_images import ExpiredImages
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.aws.jobs.job import JobTable
from tailrace.aws.jobs.steps import discarded, verifying
from tailrace.aws.jobs.steps.discarded import Kept, keep_expired_images, tell_readers
from tailrace.aws.monitoring.freshness import CachedProgress
from tailrace.aws.monitoring.progress import ProgressReader
from tailrace.backfill.generations import State
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.dynamodb import encode_item
from tailrace.inputs.changes import RawBatch, iso_seconds
from tests.simulation.jobs.history import notification
from tests.simulation.jobs.world import World
from tests.unit.aws.jobs.steps.calm_player import COUNTED, PAGES, Calm, row


@pytest.fixture
def player(monkeypatch: pytest.MonkeyPatch) -> Calm:
    """A stack with two visits of a page, of which the one expired in a batch that was discarded."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    found = Calm(1)
    world = found.world
    world.dies, world.busy, world.roots, world.shards = 0, 0, 1, world.shards[:1]
    monkeypatch.setattr(world.random, "random", lambda: 0.5)  # what was discarded is not delivered after all
    write_first_control_rows(world.job_context(), ("items", "aggregates", "progress"), is_attached=False)
    world.write("visits#1", {"page": "x", "ms": 3})
    world.write("visits#2", {"page": "x", "ms": 4})
    world.settle()
    world.write("visits#1", None, expired=True)
    while world.shards[0].done < len(world.shards[0].records):
        world.give_up()
    world.now += 3600
    assert row(world) == COUNTED
    return found


def deface(world: World, change: Any) -> None:
    """Change the records of discarded batches."""
    for name, (body, written_at) in world.buckets.objects.items():
        if name[0] == "failures":
            record = json.loads(body)
            change(record)
            world.buckets.objects[name] = json.dumps(record).encode(), written_at


def interrupt(player: Calm) -> None:
    """Let the aggregate need a rebuild."""
    control = player.world.job_context().control
    before = control.read().generations[PAGES]
    assert control.replace(before, replace(before, state=State.INTERRUPTED))


def test_a_verification_counts_an_item_that_expired_in_a_discarded_batch(player: Calm) -> None:
    job = player.run("verify")
    assert (job.state, job.data["counts"]["different"], "unknown" in job.data) == ("done", 0, False)
    assert row(player.world) == COUNTED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"{}",
        b"[" * 100_000,
        b'{"requestContext": 1}',
        b'{"requestContext": {"functionArn": "aggregate"}}',
    ],
)
def test_an_object_that_is_no_discarded_batch_changes_nothing(player: Calm, body: bytes) -> None:
    player.world.buckets.put_object(Bucket="failures", Key="aws/lambda/0", Body=body)
    job = player.run("verify")
    assert (job.state, job.data["counts"]["different"], "unknown" in job.data) == ("done", 0, False)


def test_many_discarded_batches_are_read_in_several_calls(player: Calm, monkeypatch: pytest.MonkeyPatch) -> None:
    world, keep, read = player.world, ExpiredImages.keep, list[int]()

    def slow(self: ExpiredImages, batch: RawBatch, pipeline: Pipeline) -> None:
        read.append(batch.positions[0].sequence)
        world.now += 100
        keep(self, batch, pipeline)

    monkeypatch.setattr(ExpiredImages, "keep", slow)
    for number in range(5):
        world.write(f"visits#{number + 3}", {"page": "y", "ms": number})
        world.give_up()
    kept, calls = Kept(), 0
    while not kept.done:
        kept = keep_expired_images(world.job_context(), kept)
        calls += 1
    assert (len(read), len(set(read)), kept.complete) == (len(world.given_up), len(world.given_up), True)
    assert calls == len(read) // 2 + 1


def test_a_rebuild_counts_an_item_that_expired_in_a_discarded_batch(player: Calm) -> None:
    interrupt(player)
    assert player.run("build").state == "done"
    assert row(player.world) == COUNTED
    assert player.world.job_context().control.read().generations[PAGES].exact


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("payload"),
        lambda record: record.update(payload="{"),
        lambda record: record.update(payload="[]"),
        lambda record: record.update(payload=7),
        lambda record: record.update(payload='{"Records": []}'),
        lambda record: record.update(payload='{"Records": [{}]}'),
        lambda record: record.update(payload="[" * 100_000),
    ],
)
def test_rows_are_not_judged_if_a_discarded_batch_does_not_say_what_it_held(
    player: Calm, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    """The metric says so, too: nobody reads the verdict of a scheduled verification."""
    told = Mock()
    monkeypatch.setattr(verifying, "count_metrics", told)
    deface(player.world, change)
    job = player.run("verify")
    told.assert_called_once_with(RowsVerified=0, RowsDifferent=0, RowsRepaired=0, RowsNotJudged=1)
    assert (job.state, job.data["unknown"], job.data["counts"]["rows"]) == ("done", ["pages@1"], 0)
    assert row(player.world) == COUNTED
    interrupt(player)
    assert player.run("build").state == "done"
    assert not player.world.job_context().control.read().generations[PAGES].exact


def told(player: Calm) -> None:
    """Let S3 tell of all discarded batches, and of one that is gone."""
    keys = [name for bucket, name in player.world.buckets.objects if bucket == "failures"]
    assert keys
    for key in (*keys, "aws/lambda/gone"):
        tell_readers(player.world.job_context(), notification(key))


def test_readers_are_told_of_a_discarded_batch_until_a_verification_has_judged_the_rows(player: Calm) -> None:
    control = player.world.job_context().control
    assert control.read().generations[PAGES].exact
    told(player)
    found = control.read().generations[PAGES]
    assert (found.exact, found.state) == (False, State.LIVE)
    assert "discarded" in found.reason
    assert player.run("verify").state == "done"
    assert control.read().generations[PAGES].exact
    told(player)  # S3 may tell of it twice
    assert control.read().generations[PAGES].exact


@pytest.mark.parametrize("stage", ["aggregate", "fanout"])
def test_nobody_waits_for_the_last_changes_of_a_shard_that_were_discarded(player: Calm, stage: str) -> None:
    world: Any = player.world
    progress = CachedProgress(ProgressReader(world.database, "progress"), world.clock)
    mine, other = (progress.aggregate_freshness, progress.fanout_freshness)[:: 1 if stage == "aggregate" else -1]
    last = world.shards[0].records[-1]["dynamodb"]["ApproximateCreationDateTime"]
    arn = f"arn:aws:lambda:eu-central-1:1:function:{stage}"
    deface(world, lambda record: record.update(requestContext={"functionArn": arn}))
    for one in world.database.rows("progress"):
        world.database.delete_item(TableName="progress", Key={name: one[name] for name in ("pk", "sk")})
    shard = world.shards[0].name
    for reader, newest in ((stage, last - 100), ("fanout" if stage == "aggregate" else "aggregate", last)):
        row = {"newest": iso_seconds(newest), "told_at": iso_seconds(newest), "changes": 1}
        world.database.put_item(TableName="progress", Item=encode_item({"pk": reader, "sk": shard, **row}))
    assert (mine().behind_s, other().behind_s) == (world.now - last + 100, None)
    told(player)
    world.now += 60
    assert (mine().behind_s, other().behind_s) == (None, None)


@pytest.mark.parametrize(
    "changes",
    [{"startSequenceNumber": "x"}, {"approximateArrivalOfLastRecord": 7}, {"approximateArrivalOfFirstRecord": "soon"}],
)
def test_a_discarded_batch_with_unknown_numbers_may_be_anywhere(player: Calm, changes: dict[str, Any]) -> None:
    deface(player.world, lambda record: record["DDBStreamBatchInfo"].update(changes))
    told(player)
    control = player.world.job_context().control
    assert not control.read().generations[PAGES].exact
    assert player.run("verify").state == "done"  # which began after the batch was discarded, and read it
    assert control.read().generations[PAGES].exact


def test_a_repair_goes_on_if_the_discarded_final_call_of_a_window_names_no_records(player: Calm) -> None:
    world = player.world
    time = datetime.fromtimestamp(world.now - 3600, UTC).isoformat()
    deface(world, lambda record: record.update(timestamp=time, DDBStreamBatchInfo={"shardId": "s0"}))
    assert player.run("verify").state == "done"
    told(player)  # late
    assert world.job_context().control.read().generations[PAGES].exact


@pytest.mark.parametrize(("sample", "state"), [(1.0, "failed"), (0.0001, "done")])
def test_rows_that_a_repair_has_not_all_judged_are_not_exact_if_readers_are_told_after_it(
    player: Calm, monkeypatch: pytest.MonkeyPatch, sample: float, state: str
) -> None:
    create = JobTable.create
    monkeypatch.setattr(JobTable, "create", lambda table, job: create(table, replace(job, sample=sample)))
    if state == "failed":
        monkeypatch.setattr(verifying, "is_in_time", lambda *_times: False)
    assert player.run("verify").state == state
    told(player)
    assert not player.world.job_context().control.read().generations[PAGES].exact


def test_a_repair_reads_no_batch_before_the_floor_that_is_too_old_to_be_notified_of(
    player: Calm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be thousands of them, which nobody has removed."""
    since: list[int] = []

    def discarded_since(_context: Any, second: int) -> list[Any]:
        since.append(second)
        return []

    monkeypatch.setattr(discarded, "discarded_since", discarded_since)
    context = player.world.job_context()
    generation = context.control.read().generations[PAGES]
    discarded.tell_before_repair(context, [generation, replace(generation, verified=False)])
    discarded.tell_before_repair(context, [replace(generation, verified=False)])
    assert since == [context.now - 7 * 24 * 3600]


def test_a_batch_of_the_other_reader_leaves_rows_exact(player: Calm) -> None:
    deface(player.world, lambda record: record["requestContext"].update(functionArn="arn:aws:lambda:r:1:function:fan"))
    told(player)
    assert player.world.job_context().control.read().generations[PAGES].exact
