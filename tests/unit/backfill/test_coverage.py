"""What proves that everything a snapshot has seen is dealt with, and what does not."""

import pytest

from tailrace.backfill.boundaries import MARGIN_S, Position
from tailrace.backfill.coverage import (
    END,
    GivenUp,
    ListedShard,
    created_after,
    holes,
    missing_sentinels,
    throughs_of,
    unlisted,
    unproven,
)

SHARDS = {
    "parent": ListedShard(None, closed=True),
    "empty": ListedShard("parent", closed=True),
    "child": ListedShard("empty", closed=False),
    "quiet": ListedShard(None, closed=False),
}
AFTER = 1000
BEYOND, BEFORE = Position(50, AFTER), Position(50, AFTER - 1)


def test_an_open_shard_is_proven_by_a_younger_record_and_a_closed_one_by_what_comes_from_it() -> None:
    assert unproven(SHARDS, {"child": BEYOND, "quiet": BEYOND}, AFTER) == []
    assert unproven(SHARDS, {"child": BEYOND}, AFTER) == ["quiet"]
    assert unproven(SHARDS, {"child": BEFORE, "quiet": BEYOND}, AFTER) == ["child"]
    assert unproven(SHARDS, {"parent": BEFORE, "quiet": BEYOND}, AFTER) == ["parent", "empty", "child"]


def test_a_shard_whose_child_was_read_was_read_to_its_end() -> None:
    assert throughs_of(SHARDS, {"child": BEYOND, "quiet": BEFORE}) == {
        "child": 50,
        "quiet": 50,
        "empty": END,
        "parent": END,
    }


def test_a_record_is_younger_than_a_snapshot_only_by_more_than_a_margin() -> None:
    assert created_after(100) == 101 + MARGIN_S


def test_every_sentinel_has_to_come_back_from_where_all_is_dealt_with() -> None:
    journaled = {"a": [("quiet", 40)], "b": [("quiet", 60)]}
    assert missing_sentinels(["a", "b", "c"], journaled, {"quiet": 50}) == ["b", "c"]


@pytest.mark.parametrize(
    ("shard", "positions", "is_hole"),
    [
        ("child", [Position(19, AFTER - 1)], False),
        ("child", [Position(19, AFTER)], True),
        ("child", [Position(19, 0), Position(20, 0)], True),
        ("quiet", [Position(5, AFTER - 1)], False),
        ("quiet", [Position(5, AFTER)], True),
    ],
)
def test_a_batch_that_was_given_up_is_a_hole_if_it_reaches_the_boundary(
    shard: str, positions: list[Position], is_hole: bool
) -> None:
    assert bool(holes([GivenUp(shard, tuple(positions))], {"child": 20}, AFTER)) == is_hole


def test_a_shard_with_records_above_the_boundary_must_have_been_listed() -> None:
    parents: dict[str, str | None] = {"parent": None}
    told = {"parent": BEYOND, "late": BEYOND, "old": BEFORE}
    assert unlisted(parents, told, AFTER) == ["late"]
    assert unlisted(parents | {"late": "parent"}, told, AFTER) == []
