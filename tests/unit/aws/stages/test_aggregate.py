"""Batches that touch more rows than one invocation can commit."""

from collections.abc import Iterator
from typing import Any

import pytest

from tailrace.aggregation.marks import decode_sequence
from tailrace.aws.backfill.feeder import Feeder
from tailrace.aws.backfill.progress_rows import parse_through
from tailrace.encoding.dynamodb import decode_item
from tailrace.errors import Transient
from tailrace.inputs.changes import RawBatch
from tests.simulation.invariants import find_wrong_rows
from tests.simulation.world.functions import PROGRESS
from tests.simulation.world.isolation import isolated
from tests.simulation.world.steps import Deliver, History, Run, Write
from tests.simulation.world.world import World

IN_PARTS = 5
"""A seed whose stage commits a few rows at once; its second process has no time for another part."""


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with isolated():
        yield


def written(carries_s: int) -> World:
    """Return a world with six orders of several shops that were not delivered."""
    world = World(History(IN_PARTS, (), carries_s=carries_s, batch_size=6))
    for number in range(6):
        world.play(Write("orders", str(number), {"shop": "ab"[number % 2].replace("b", "b#1"), "amount": number}))
    return world


def answers(world: World) -> list[list[Any]]:
    """Return which changes each invocation of aggregate has left."""
    return [entry[2].value["batchItemFailures"] for entry in world.trace if entry[1] == "answer"]


@pytest.mark.parametrize("carries_s", [0, 60])
def test_a_batch_that_touches_many_rows_is_committed_in_parts(carries_s: int) -> None:
    world = written(carries_s)
    world.play(Deliver("aggregate", 0))
    assert answers(world) == [[]]
    assert not world.functions.outstanding()
    assert not list(find_wrong_rows(world))


@pytest.mark.parametrize("carries_s", [0, 60])
def test_a_part_for_which_no_time_is_left_is_delivered_again(carries_s: int) -> None:
    """Each invocation gets further, so that a batch that takes longer than one may is not stuck."""
    world = written(carries_s)
    world.play(Deliver("aggregate", 0, Run(environment=1)))
    numbers = [record["dynamodb"]["SequenceNumber"] for record in world.items.shards[0].records]
    (left,) = answers(world)[0]
    assert left["itemIdentifier"] in numbers[1:]
    (row,) = [row for row in map(decode_item, world.functions.database.rows(PROGRESS)) if row["pk"] == "aggregate"]
    assert "missing_since" in row
    world.finish()
    assert not list(find_wrong_rows(world))


def test_a_part_that_fails_is_delivered_again_without_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    write, written_parts = Feeder.write, list[int]()

    def once(self: Feeder, feed: Any, batch: RawBatch, *others: Any) -> None:
        if written_parts:
            raise Transient("the journal cannot be written now")
        written_parts.append(batch.positions[-1].sequence)
        write(self, feed, batch, *others)

    world = written(0)
    with monkeypatch.context() as patched:
        patched.setattr(Feeder, "write", once)
        world.play(Deliver("aggregate", 0))
    (left,) = answers(world)[0]
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in world.items.shards[0].records]
    assert int(left["itemIdentifier"]) == numbers[numbers.index(written_parts[0]) + 1]
    world.finish()
    assert not list(find_wrong_rows(world))


def test_what_was_carried_is_committed_with_the_first_part_and_no_more_is_told() -> None:
    """A reader that was told of the rest, too, would take rows for complete that lack it."""
    world = World(History(IN_PARTS, (), carries_s=60, batch_size=3))
    for numbers in ("1", "2", "345"):
        assert [len(left) for left in answers(world)] == [0] * len(answers(world))
        for number in numbers:
            world.play(Write("orders", number, {"shop": "a", "amount": 1}))
        world.play(Deliver("aggregate", 0, Run(environment=len(numbers) // 3)))
    (left,) = answers(world)[-1]
    (row,) = [row for row in map(decode_item, world.functions.database.rows(PROGRESS)) if row["pk"] == "aggregate"]
    assert parse_through(row["through"]).sequence < int(left["itemIdentifier"])
    assert decode_sequence(row["committed"]) < int(left["itemIdentifier"])
    assert row["changes"] == 3
    world.finish()
    assert not list(find_wrong_rows(world))
