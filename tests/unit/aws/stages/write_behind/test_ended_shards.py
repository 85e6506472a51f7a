"""Write-behind where shards end: what they left is committed before their children's changes, or told as lost."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from tailrace.aggregation.marks import Lineage, Shard
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.backfill.control import ControlTable
from tailrace.aws.stages.write_behind import LOST, WriteBehind
from tailrace.inputs.changes import RawBatch
from tests.simulation.world.clients import Streams
from tests.simulation.world.functions import TABLE
from tests.simulation.world.steps import CloseShard, Deliver, Run, Write
from tests.unit.aws.stages.write_behind.carrying import ORDER, SECONDS, carrying, orders


@pytest.mark.parametrize(
    ("shard", "settled"),
    [
        ("grandchild", ["elsewhere", "unlisted", "first", "child"]),
        ("other", ["child", "elsewhere", "first", "unlisted"]),
        ("unlisted", ["child", "elsewhere", "first"]),
        ("first", ["elsewhere", "unlisted"]),
    ],
)
def test_what_any_closed_shard_left_is_committed_before_a_shard_whose_ancestors_are_not_all_listed(
    shard: str, settled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second part of a split is listed late, and it may be the parent of a shard that is listed."""
    shards = {
        "first": Shard(None, 1, 10),
        "child": Shard("first", 11, 20),
        "grandchild": Shard("child", 21, None),
        "other": Shard("unlisted", 30, None),
    }
    lineages: Any = SimpleNamespace(describe_stream=lambda _stream: shards, find=lambda shard, _stream: Lineage(shard))
    rows: Any = SimpleNamespace(read_outstanding=lambda: dict.fromkeys(["child", "first", "unlisted", "elsewhere"]))
    feeder: Any = SimpleNamespace(lineages=lineages)
    caught_up: list[str | None] = []
    monkeypatch.setattr(WriteBehind, "catch_up", lambda _self, batch, *_rest: caught_up.append(batch.shard))
    nothing: Any = None
    behind = WriteBehind(SECONDS, nothing, feeder, rows, nothing)
    behind.settle_ancestors(RawBatch("stream", shard, (), ()), nothing)
    assert caught_up == settled


def test_what_is_outstanding_in_a_shard_that_the_stream_does_not_list_any_more_is_told_as_lost() -> None:
    """Its window's last invocation has failed for a day, in which nothing was written: nobody else comes back to it."""
    world = carrying()
    for _ in range(10):
        world.now += 4 * 3600
        world.play(CloseShard(0, split=False))
    world.play(Write("orders", "3", ORDER))
    world.play(Deliver("aggregate", 10, Run(handed=0)))
    database: Any = world.functions.database
    generations = ControlTable(database, TABLE).read().generations.values()
    assert {(one.exact, one.reason) for one in generations} == {(False, LOST)}
    assert not world.functions.outstanding()


def test_what_the_parent_left_is_committed_although_a_later_description_lacks_the_shard() -> None:
    """The earlier one has told that the shard goes on with its parent's mark."""
    world = carrying()
    world.play(CloseShard(0, split=False))
    world.play(Write("orders", "3", ORDER))
    described = iter([world.functions.streams.describe_stream(StreamArn="")])
    nothing: Any = {"StreamDescription": {"Shards": []}}
    with patch.object(Streams, "describe_stream", lambda *_self, **_stream: next(described, nothing)):
        world.play(Deliver("aggregate", 1))
    world.finish()
    assert orders(world) == 3


def test_a_handmade_event_says_nothing_of_other_shards() -> None:
    world = carrying()
    record = world.items.shards[0].records[0]
    before = world.functions.outstanding()
    event = {"Records": [record], "shardId": "handmade", "eventSourceARN": "no stream"}
    with patch.object(Lineages, "describe_stream", lambda *_stream: {}):
        world.functions.invoke("aggregate", event, Run())
    assert world.functions.outstanding() == before
