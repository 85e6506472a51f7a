"""The mark: how a row remembers what it has absorbed of the stream.

A row carries, for each lineage of shards, an attribute that holds the sequence number of the last change it has
absorbed. One conditional write adds the deltas and moves the mark, so that a change that is delivered again finds
itself below it.

A shard closes after some hours and another goes on in its place. A mark for each shard would let a row that is touched
all the time grow by a mark for each of them; so a shard that alone goes on where another has ended carries on the
other's mark: sequence numbers rise from the one to the other, and the other was read to its end before. That is a
*lineage*, and it is called as its first shard. Where a shard splits, each part begins a lineage of its own, and the
old one's mark is dropped when no late delivery of it can come any more.

A shard's id is ``shardId-``, 20 digits (the milliseconds since 1970 at which it was opened) and 8 hex digits; the
attribute's name keeps both, shortened. A sequence number has 21 to 40 digits; padded and in hexadecimal its text sorts
as the number does, which DynamoDB's own numbers (38 digits) could not hold.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

_SHARD_ID = re.compile(r"shardId-(\d{20})-([0-9a-f]{8})")
_WIDTH = 34  # hexadecimal digits of a number of 40 decimal ones
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

REDELIVERY_HORIZON = timedelta(hours=48)
"""After this time no delivery of a change can come any more: a stream keeps its records for 24 hours, and the mapping
gives up an hour before. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html"""

# A partition splits in two; whoever has split more often than this within two days has forgotten its first marks.
_MAX_ENDED = 32


def mark_attribute(shard: str) -> str:
    """Return the name of the row attribute that holds the mark of a lineage, by its first shard.

    An id of another form, as in hand-made events, is as good a name for a shard; it is shortened by a digest.
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
    """Return a sequence number as a text that compares as the number does."""
    return f"{sequence:0{_WIDTH}x}"


def decode_sequence(text: str) -> int:
    """Return the sequence number of such a text."""
    return int(text, 16)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a shard's changes leave their mark.

    Attributes:
        mark: the attribute's name.
        ended: the marks of the lineages that it has come from, each with the second since 1970 at which it had ended.
    """

    mark: str
    ended: tuple[tuple[str, int], ...] = ()

    def retired(self, now: datetime) -> Iterator[str]:
        """Yield the marks that no late delivery can need any more."""
        if self.ended:
            horizon = int((now - REDELIVERY_HORIZON).timestamp())
            yield from (mark for mark, ended_at in self.ended if ended_at < horizon)


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as the stream describes it; ``last`` is None while it is open."""

    parent: str | None
    first: int
    last: int | None


def orphaned_marks(
    known: Mapping[str, Lineage], shards: Mapping[str, Shard], now: datetime
) -> tuple[tuple[str, int], ...]:
    """Return the marks of lineages that have ended without an heir, as :attr:`Lineage.ended` has them.

    Where a partition brings no changes for longer than the stream reaches back, no shard is left that could tell from
    which it comes. ``known`` are the lineages of the shards that were seen, by their ids; none of a shard in ``shards``
    or of the last one seen before it is ended.
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
    # where there are more than one shard can drop, each takes others first
    chosen = sorted(ended, key=lambda mark: (mark in listed, mark))[:_MAX_ENDED]
    return tuple((mark, int(now.timestamp())) for mark in chosen)


def is_only_child(shard: str, shards: Mapping[str, Shard]) -> bool:
    """Tell whether a shard is the one heir of its parent, as far as the stream's description tells.

    The description may not yet show the other part of a shard that has split; so this is a claim, to be made good.
    """
    child = shards[shard]
    parent = shards.get(child.parent or "")
    children = [name for name, sibling in shards.items() if sibling.parent == child.parent]
    return children == [shard] and parent is not None and parent.last is not None and parent.last < child.first


SPLIT = "several"
"""Stands in the place of the one heir of a shard that has split."""


def lineage_of(shard: str, parent_lineage: Lineage, successor: str, now: datetime) -> Lineage:
    """Return the lineage of a shard that is seen for the first time.

    Args:
        shard: its id.
        parent_lineage: the lineage of its parent.
        successor: the shard that goes on with the parent's mark, or :data:`SPLIT`.
        now: the time at which the shard is seen, which is after its parent has ended.
    """
    if successor == shard:
        return parent_lineage
    ended = () if successor != SPLIT else ((parent_lineage.mark, int(now.timestamp())),)
    return Lineage(mark_attribute(shard), (*parent_lineage.ended, *ended)[-_MAX_ENDED:])
