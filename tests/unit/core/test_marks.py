"""Marks: one attribute for each shard, whose text sorts as the number does."""

import pytest

from tailrace.marks import mark_attribute, pad

SHARDS = [
    "shardId-00000001700000000000-0a1b2c3d",
    "shardId-00000001700000000000-0a1b2c3e",
    "shardId-00000001700000000001-0a1b2c3d",
    "shard123456789",
    "shardId-000000000000",
    "",
]


def test_every_shard_has_a_short_attribute_of_its_own_that_is_the_engines() -> None:
    names = [mark_attribute(shard) for shard in SHARDS]
    assert len(set(names)) == len(SHARDS)
    assert all(name.startswith("~") and name != "~n" and len(name) <= 20 for name in names)


@pytest.mark.parametrize(("lower", "higher"), [(9, 10), (10**20, 10**39), (99 * 10**37, 10**39)])
def test_longer_numbers_are_higher(lower: int, higher: int) -> None:
    assert pad(lower) < pad(higher)
    assert int(pad(higher)) == higher
