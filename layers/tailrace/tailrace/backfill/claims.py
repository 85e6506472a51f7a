"""Coverage of a table that nothing may be written to: the job continues reading from where the aggregate stage is.

A page with records says what is still to be dealt with, and the end of a closed shard says that nothing is. An empty
page of an open shard says neither: DynamoDB may return several before it comes to records. So a job that has met
nothing but empty pages for some minutes *claims* that nothing is there, and the claim is kept with the boundary. The
stage refuses every record that contradicts it, before it adds anything, and the generation is not exact from then on.
"""

from collections.abc import Iterable, Mapping
from enum import Enum, auto

from tailrace.backfill.admission import is_too_old
from tailrace.backfill.boundaries import Boundary, Position
from tailrace.backfill.generations import Generation

STREAM_KEEPS_S = 23 * 3600
"""For how long a record is certainly in the stream: an hour less than DynamoDB says. A shard that is read from the
oldest record that it still has proves nothing about anything older."""

CONTRADICTED = "the stream delivered a change that a job had claimed to be absent"


class Beyond(Enum):
    """What a shard holds beyond what the stage has dealt with."""

    UNREAD = auto()
    """A record that the snapshot may have seen: the stage has to come first."""
    NOTHING = auto()
    """Certainly nothing that the snapshot can have seen."""
    UNKNOWN = auto()
    """No record was found so far."""


def look_beyond(records: Iterable[Position], *, is_end: bool, since: int, after: int) -> Beyond:
    """Tell what a page beyond the stage's mark says of its shard.

    Args:
        records: those of the page, in the stream's order, without those that the mapping has discarded.
        is_end: whether the page ends a closed shard.
        since: the second before which a record does not matter, see :func:`relevant_since`.
        after: the second from which on a record is younger than the snapshot.
    """
    for one in records:
        if one.created >= after:
            return Beyond.NOTHING
        if one.created >= since:
            return Beyond.UNREAD
    return Beyond.NOTHING if is_end else Beyond.UNKNOWN


def relevant_since(generations: Iterable[Generation]) -> int:
    """Return the second before which no record is added to any of the generations, read or not."""
    return min(
        max((one.time for one in (generation.frontier, generation.floor) if one is not None), default=0)
        for generation in generations
    )


def claimed(boundary: Boundary, positions: Iterable[Position], now: int) -> list[Position]:
    """Return those of a batch's records that are absent by the claim if they are beyond what was dealt with then.

    What is too old is not added anyway, and the claim may be gone.
    """
    if not boundary.covered:
        return []
    return [
        one for one in positions if boundary.time <= one.created < boundary.covered and not is_too_old(one.created, now)
    ]


def is_contradicted(shard: str, records: Iterable[Position], throughs: Mapping[str, int]) -> bool:
    """Tell whether some of the records of :func:`claimed` are beyond what was dealt with in their shard.

    A shard that no list showed had nothing dealt with.
    """
    return any(one.sequence > throughs.get(shard, -1) for one in records)


def can_be_read(boundary: Boundary, now: int) -> bool:
    """Tell whether the stream certainly still holds everything that was written since a boundary."""
    return now - boundary.time < STREAM_KEEPS_S
