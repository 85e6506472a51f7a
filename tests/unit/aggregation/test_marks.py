"""Marks and lineages: attribute names, sort order, and which shard continues which mark."""

from datetime import UTC, datetime, timedelta

import pytest

from tailrace.aggregation.marks import (
    SPLIT,
    Lineage,
    Shard,
    decode_sequence,
    encode_sequence,
    is_only_child,
    lineage_of,
    mark_attribute,
    orphaned_marks,
)

SHARDS = [
    "shardId-00000001700000000000-0a1b2c3d",
    "shardId-00000001700000000000-0a1b2c3e",
    "shardId-00000001700000000001-0a1b2c3d",
    "shard123456789",
    "shardId-000000000000",
    "",
]


NOW = datetime(2026, 1, 1, tzinfo=UTC)
PARENT = Lineage("~root", (("~grand", 1),))


def test_every_shard_has_its_own_short_engine_attribute() -> None:
    names = [mark_attribute(shard) for shard in SHARDS]
    assert len(set(names)) == len(SHARDS)
    assert all(name.startswith("~") and name != "~n" and len(name) <= 20 for name in names)


@pytest.mark.parametrize(("lower", "higher"), [(9, 10), (10**20, 10**39), (99 * 10**37, 10**39)])
def test_encoded_sequences_sort_numerically(lower: int, higher: int) -> None:
    assert encode_sequence(lower) < encode_sequence(higher)
    assert decode_sequence(encode_sequence(higher)) == higher


def test_an_only_successor_continues_the_mark() -> None:
    shards = {"p": Shard("gone", 10, 20), "c": Shard("p", 21, None), "x": Shard(None, 5, None)}
    assert is_only_child("c", shards)
    assert lineage_of("c", PARENT, "c", NOW) == PARENT


@pytest.mark.parametrize(
    "shards",
    [
        pytest.param({"p": Shard(None, 10, 20), "c": Shard("p", 21, None), "d": Shard("p", 22, None)}, id="split"),
        pytest.param({"p": Shard(None, 10, None), "c": Shard("p", 21, None)}, id="parent still open"),
        pytest.param({"p": Shard(None, 10, 20), "c": Shard("p", 20, None)}, id="overlapping numbers"),
        pytest.param({"c": Shard("p", 21, None)}, id="parent not listed"),
    ],
)
def test_any_other_shard_does_not(shards: dict[str, Shard]) -> None:
    assert not is_only_child("c", shards)


def test_after_a_split_each_part_has_its_own_mark_and_remembers_the_parents() -> None:
    lineage = lineage_of("c", PARENT, SPLIT, NOW)
    assert lineage == Lineage(mark_attribute("c"), (("~grand", 1), ("~root", int(NOW.timestamp()))))


def test_a_mark_that_another_shard_continues_is_not_ended() -> None:
    assert lineage_of("c", PARENT, "d", NOW) == Lineage(mark_attribute("c"), PARENT.ended)


def test_only_marks_that_no_listed_shard_continues_are_orphaned() -> None:
    at = int(NOW.timestamp())
    known = {"a": Lineage("~a"), "b": Lineage("~b"), "b2": Lineage("~b"), "c": Lineage("~c"), "d": Lineage("~d")}
    shards = {"b2": Shard("b", 1, 2), "c1": Shard("c", 3, 4), "c2": Shard("c1", 5, None), "new": Shard("x", 6, None)}
    assert orphaned_marks(known, shards, NOW) == (("~a", at), ("~d", at))
    assert orphaned_marks({}, shards, NOW) == ()


def test_shards_share_the_orphaned_marks_if_there_are_more_than_one_can_drop() -> None:
    known = {f"s{number:02}": Lineage(f"~{number:02}") for number in range(40)}
    shards = {"new": Shard(None, 6, None)}
    one = orphaned_marks(known, shards, NOW)
    other = orphaned_marks(known | {"new": Lineage("~new", one)}, shards, NOW)
    assert len(one) == len(other) == 32
    assert {mark for mark, _ in one + other} == {lineage.mark for lineage in known.values()}


def test_a_mark_is_dropped_once_no_late_delivery_can_need_it() -> None:
    lineage = Lineage("~c", (("~root", int(NOW.timestamp())),))
    assert list(lineage.retired(NOW + timedelta(hours=48))) == []
    assert list(lineage.retired(NOW + timedelta(hours=48, seconds=1))) == ["~root"]
