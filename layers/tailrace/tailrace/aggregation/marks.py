"""Marks: how a row records which part of the stream it has absorbed.

For each lineage of shards, a row has an attribute with the sequence number of the last change it absorbed. One
conditional write adds the deltas and advances the mark, so a change delivered a second time is at or below the mark and
is not added again.

A shard closes after some hours and is succeeded by another. With one mark per shard, a busy row would gain a mark with
every shard. So a shard that is the only successor of its parent continues the parent's mark: its sequence numbers are
higher, and the parent was read to its end before. Such a chain of shards is a *lineage*, named after its first shard.
When a shard splits, each part starts its own lineage, and the parent's mark is dropped once no late delivery can need
it.

A shard id is ``shardId-``, 20 digits (when it was opened, in milliseconds since 1970) and 8 hex digits; the attribute
name encodes both in fewer characters. A sequence number has 21 to 40 digits, more than a DynamoDB number can hold (38).
It is stored as zero-padded hexadecimal, which sorts numerically.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

_SHARD_ID = re.compile(r"shardId-(\d{20})-([0-9a-f]{8})")
_WIDTH = 34  # hexadecimal digits of a number of 40 decimal ones
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

REDELIVERY_HORIZON = timedelta(hours=48)
"""No change is delivered after this time: a stream keeps its records for 24 hours, and the mapping discards them an
hour earlier. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html"""

# The most ended marks that a lineage remembers; a partition that splits more often within two days forgets the oldest.
_MAX_ENDED = 32


def mark_attribute(shard: str) -> str:
    """Return the name of the row attribute with the mark of a lineage, given its first shard.

    A shard id of another form, as in hand-made events, is replaced by a digest.
    """
    match = _SHARD_ID.fullmatch(shard)
    if match is None:
        return f"~{hashlib.sha256(shard.encode()).hexdigest()[:16]}"
    return f"~{_base36(int(match[1]))}-{match[2]}"


def _base36(value: int) -> str:
    text = ""
    while value:
        value, digit = divmod(value, 36)
        text = _DIGITS[digit] + text
    return text or "0"


def encode_sequence(sequence: int) -> str:
    """Encode a sequence number as a text that sorts numerically."""
    return f"{sequence:0{_WIDTH}x}"


def decode_sequence(text: str) -> int:
    """Return the sequence number that :func:`encode_sequence` encoded."""
    return int(text, 16)


class Lineage(Struct, frozen=True):
    """A chain of shards that share a mark.

    Attributes:
        mark: the name of the mark's attribute.
        ended: the marks of the lineages it descends from, each with the time it was known to have ended, in seconds
            since 1970.
    """

    mark: str
    ended: tuple[tuple[str, int], ...] = ()

    def retired(self, now: datetime) -> Iterator[str]:
        """Yield the ended marks that no late delivery can need any more."""
        if self.ended:
            horizon = int((now - REDELIVERY_HORIZON).timestamp())
            yield from (mark for mark, ended_at in self.ended if ended_at < horizon)


class Shard(Struct, frozen=True):
    """A shard as described by the stream; ``first`` and ``last`` are sequence numbers, ``last`` is None while open."""

    parent: str | None
    first: int
    last: int | None


def orphaned_marks(
    known: Mapping[str, Lineage], shards: Mapping[str, Shard], now: datetime
) -> tuple[tuple[str, int], ...]:
    """Return the marks of lineages that ended without a known successor, in the form of :attr:`Lineage.ended`.

    If a partition has no changes for longer than the stream keeps records, no listed shard links its old lineage to its
    new shards. ``known`` has the lineages of the shards seen so far, by shard id. A lineage is alive if it is that of a
    shard in ``shards``, or of the nearest known ancestor of one.
    """
    continued: set[str] = set()
    for shard in shards:
        ancestor: str | None = shard
        while ancestor is not None and ancestor not in known:
            ancestor = shards[ancestor].parent if ancestor in shards else None
        if ancestor is not None:
            continued.add(known[ancestor].mark)
    ended = {lineage.mark for lineage in known.values()} - continued
    listed = {mark for lineage in known.values() for mark, _ in lineage.ended}
    # if there are more than one lineage can remember, each takes marks that no other has listed first
    chosen = sorted(ended, key=lambda mark: (mark in listed, mark))[:_MAX_ENDED]
    return tuple((mark, int(now.timestamp())) for mark in chosen)


def is_only_child(shard: str, shards: Mapping[str, Shard]) -> bool:
    """Return whether a shard is the only successor of its parent, as far as the stream's description shows.

    The description may not list the other half of a split shard yet, so the caller must secure this claim.
    """
    child = shards[shard]
    parent = shards.get(child.parent or "")
    children = [name for name, sibling in shards.items() if sibling.parent == child.parent]
    return children == [shard] and parent is not None and parent.last is not None and parent.last < child.first


SPLIT = "several"
"""Takes the place of the successor for a shard that has split."""


def lineage_of(shard: str, parent_lineage: Lineage, successor: str, now: datetime) -> Lineage:
    """Return the lineage of a shard seen for the first time.

    Args:
        shard: its id.
        parent_lineage: the lineage of its parent.
        successor: the shard that continues the parent's mark, or :data:`SPLIT`.
        now: the current time, which is after the parent ended.
    """
    if successor == shard:
        return parent_lineage
    ended = () if successor != SPLIT else ((parent_lineage.mark, int(now.timestamp())),)
    return Lineage(mark_attribute(shard), (*parent_lineage.ended, *ended)[-_MAX_ENDED:])
