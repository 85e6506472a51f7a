"""Coverage: the proof that the aggregate stage has dealt with everything that a snapshot can have seen.

A shard is proven when what was dealt with in it goes beyond a record created after the snapshot's end, or when it is
closed and a shard that comes from it has been read: Lambda reads a shard to its end before those that follow. A quiet
shard cannot be told from a stuck one, so a job writes sentinels, and each of them has to come back.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from tailrace.backfill.boundaries import MARGIN_S, Position

LISTING_DELAY_S = 300
"""For how long the stream's description may not show the second part of a shard that has split."""

END = 1 << 160
"""Stands for the end of a shard that was read to it: beyond every sequence number."""


class ListedShard(Struct, frozen=True):
    """A shard as the stream's description has it."""

    parent: str | None
    closed: bool


def created_after(snapshot_end: int, margin_s: int = MARGIN_S) -> int:
    """Return the second of the stream's clock from which on a record is certainly younger than a snapshot.

    ``snapshot_end`` is in seconds since 1970 by the clock of whoever took the snapshot.
    """
    return snapshot_end + margin_s + 1


def throughs_of(shards: Mapping[str, ListedShard], recorded: Mapping[str, Position]) -> dict[str, int]:
    """Return the number in each shard up to which everything is dealt with: :data:`END` where it was read to its end.

    ``recorded`` is what the stage has recorded of the shards that it has read.
    """
    found = {shard: position.sequence for shard, position in recorded.items()}
    for shard in recorded:
        parent = shards[shard].parent if shard in shards else None
        while parent is not None and found.get(parent) != END:
            found[parent] = END
            parent = shards[parent].parent if parent in shards else None
    return found


def unproven(shards: Mapping[str, ListedShard], recorded: Mapping[str, Position], after: int) -> list[str]:
    """Return the shards in which something that the snapshot has seen may not be dealt with.

    Args:
        shards: as the stream lists them. Lists must be taken twice, :data:`LISTING_DELAY_S` apart, and nothing be
            unproven in either.
        recorded: how far the stage has recorded that it is, read after the list was taken.
        after: the second of the stream's clock beyond which a record must be, see :func:`created_after`.
    """
    passed = {shard for shard, number in throughs_of(shards, recorded).items() if number == END}
    return [
        shard
        for shard, listed in shards.items()
        if not (listed.closed and shard in passed) and not (shard in recorded and recorded[shard].created >= after)
    ]


def unlisted(parents: Mapping[str, str | None], recorded: Mapping[str, Position], time: int) -> list[str]:
    """Return the shards whose parent is not known yet, although the stage has read records above a boundary there.

    Without it, nobody can tell which of an item's changes came first.

    Args:
        parents: the parent of each shard that was ever listed.
        recorded: how far the stage has recorded that it is.
        time: the boundary's time.
    """
    return [shard for shard, position in recorded.items() if shard not in parents and position.created >= time]


def missing_sentinels(
    written: Iterable[str], journaled: Mapping[str, Iterable[tuple[str, int]]], throughs: Mapping[str, int]
) -> list[str]:
    """Return the sentinels that have not come back.

    A shard that no list shows holds one back for as long as it is not read.

    Args:
        written: the keys of all sentinels that were written.
        journaled: the changes of each item that the journal holds, as shard and number.
        throughs: see :func:`throughs_of`.
    """
    return [
        key for key in written if not any(number <= throughs.get(shard, -1) for shard, number in journaled.get(key, ()))
    ]


class GivenUp(Struct, frozen=True):
    """A batch in the failures bucket: its shard and its records; none if they are not known."""

    shard: str
    positions: tuple[Position, ...]


def holes(given_up: Iterable[GivenUp], firsts: Mapping[str, int], time: int) -> list[GivenUp]:
    """Return the given-up batches that reach a boundary: what they hold may be neither in the base nor added.

    A batch below a shard's first number reaches it, too, if it holds a record created at or after T: it was given up
    before it set the number, and may be younger than the snapshot. One whose records are not known may be anywhere.

    Args:
        given_up: all batches that were ever given up, put back or not.
        firsts: the boundary's first number in each shard.
        time: the boundary's time.
    """
    return [
        batch
        for batch in given_up
        if not batch.positions
        or any(one.created >= time or one.sequence >= firsts.get(batch.shard, END) for one in batch.positions)
    ]
