"""Boundaries: a time T, and the first record of each shard that was created at or after it.

Three things rest on a boundary. A build's *frontier* decides which changes are added to the rows of a generation. A
verification's *baseline* decides which changes are journaled and compared. A repair's *floor* is the baseline of the
job that repaired, kept for good: what is below it is never added again.

The time is the stream's (``ApproximateCreationDateTime``, whole seconds), which no other clock follows exactly. So a
boundary is ahead of the clock that chose it, and counts only once somebody has seen it written in time.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

MARGIN_S = 60
"""By how many seconds any two clocks may differ: those of the stream, of functions and of whoever runs a job. On one
machine there is one clock, and no margin is needed."""


class Position(NamedTuple):
    """Where a record is in its shard: its sequence number, and the second since 1970 at which it was created."""

    sequence: int
    created: int


class Boundary(Struct, frozen=True):
    """A time T in whole seconds since 1970, under a name of its own.

    Attributes:
        id: names the records that hold the boundary's first number in each shard.
        time: T; what was created before it is below the boundary.
        confirmed: somebody has read the boundary while T was still ahead, so that every invocation that can hold a
            record created at or after T finds the boundary written.
        covered: what was created before this second is dealt with, or absent by a claim
            (:mod:`tailrace.backfill.claims`); 0 where nothing was claimed.
    """

    id: str
    time: int
    confirmed: bool = False
    covered: int = 0


def choose_boundary(name: str, now: int, margin_s: int = MARGIN_S) -> Boundary:
    """Return a boundary far enough ahead of a clock to be written and confirmed before its time has come.

    The clock has whole seconds: next to nothing may be left of one second.
    """
    return Boundary(name, now + max(2 * margin_s, 2))


def confirm(boundary: Boundary, now: int, margin_s: int = MARGIN_S) -> Boundary | None:
    """Return the boundary as confirmed, given a clock read after it was seen in the table; None if that is too late.

    A worker may stop between the choice of T and the write. Invocations in between knew nothing of the boundary and may
    have held records created after T; then T has to be chosen anew, under another name.
    """
    if boundary.confirmed:
        return boundary
    return replace(boundary, confirmed=True) if now + margin_s < boundary.time else None


def is_past(time: int, now: int, margin_s: int = MARGIN_S) -> bool:
    """Tell whether a time of one clock is over by any other clock, given the time now by that other one."""
    return now > time + margin_s


def first_in_shard(
    boundary: Boundary,
    shard: str,
    positions: Iterable[Position],
    stored: Mapping[str, int],
    parents: Mapping[str, str | None],
) -> int | None:
    """Return the boundary's first sequence number in a shard; None while nothing of the batch is above it.

    Set once and by whoever comes first: the first delivery of a shard is in order, so the first invocation that holds a
    record created at or after T holds the lowest one. An invocation stores the number before it journals or adds.

    Args:
        boundary: the boundary.
        shard: the batch's shard.
        positions: those of the batch's records, in any order.
        stored: the first numbers that are stored, by shard.
        parents: the parent of each shard that is known.
    """
    if shard in stored:
        return stored[shard]
    if any(ancestor in stored for ancestor in ancestors_of(shard, parents)):
        return 0
    return min((position.sequence for position in positions if position.created >= boundary.time), default=None)


def ancestors_of(shard: str, parents: Mapping[str, str | None]) -> list[str]:
    """Return the shards that a shard comes from, the nearest first; those without records are among them."""
    found: list[str] = []
    parent = parents.get(shard)
    while parent is not None:
        found.append(parent)
        parent = parents.get(parent)
    return found
