"""Verification: each row is compared at its own marks.

A row that is read while the stream runs has absorbed some changes and not others, and says which: its marks. What it
should hold is the base plus the journaled steps from the baseline up to the mark, lineage by lineage.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import localcontext
from operator import add, sub
from typing import Any

from msgspec import Struct, field

from tailrace.aggregation.contributions import Deltas
from tailrace.backfill.boundaries import MARGIN_S
from tailrace.backfill.journal import ChangeId
from tailrace.encoding.keys import RowKey
from tailrace.encoding.numbers import EXACT

MAX_AGE_S = 36 * 3600
"""How long after T the last row may be read, and after its reading a row be repaired. Emptied rows and old marks go
after 48 hours, and with them what tells the changes that a row has absorbed."""

PINNED_FOR_S = 48 * 3600
"""How long a row stays that was about to be removed when it was read."""


class StoredRow(Struct, frozen=True):
    """A row as it was read; for an aggregate with lanes, all of them, see :func:`merge_lanes`.

    Attributes:
        counters: the row's counters in the order of its layout; None where the row does not exist.
        marks: by attribute, the number of the last change of each lineage that the row has absorbed.
        order: the order attributes of a main row.
        version: how often they were written.
        repairs: how often the row was repaired.
        expires_at: the second after which the row may go.
        inexact: how many changes it lacks because the table could not hold them; 0 for none.
    """

    counters: Deltas | None = None
    marks: Mapping[str, int] = field(default_factory=dict)
    order: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0
    repairs: int = 0
    expires_at: int | None = None
    inexact: int = 0


def merge_lanes(lanes: Sequence[StoredRow]) -> StoredRow:
    """Return the lanes of a row as one: sums of the counters, and for each lineage the highest mark."""
    marks: dict[str, int] = {}
    for lane in lanes:
        for name, number in lane.marks.items():
            marks[name] = max(number, marks.get(name, number))
    counters = [lane.counters for lane in lanes if lane.counters is not None]
    with localcontext(EXACT):
        total = tuple(map(sum, zip(*counters, strict=True))) if counters else None
    return StoredRow(total, marks)


def expected_counters(
    base: Deltas | None,
    steps: Mapping[ChangeId, Deltas],
    row: StoredRow,
    marks: Mapping[str, str],
    width: int,
) -> Deltas:
    """Return what a row's counters should be, given the changes that its marks say it has absorbed.

    Args:
        base: what the items were worth to the row at the baseline; None for nothing.
        steps: what each journaled change above the baseline adds to it, from a list of the journal that was begun
            after the row was read.
        row: the row.
        marks: by shard, the attribute of its lineage's mark.
        width: the number of counters.
    """
    absorbed = [deltas for (shard, number), deltas in steps.items() if number <= row.marks.get(marks[shard], -1)]
    with localcontext(EXACT):
        total: Deltas = (0,) * width if base is None else base
        for deltas in absorbed:
            total = tuple(map(add, total, deltas))
    return total


def difference(expected: Deltas, row: StoredRow) -> Deltas | None:
    """Return what has to be added to a row's counters; None where they are right."""
    actual = (0,) * len(expected) if row.counters is None else row.counters
    with localcontext(EXACT):
        found = tuple(map(sub, expected, actual))
    return found if any(found) else None


def is_comparable(main: StoredRow, below: Iterable[StoredRow], firsts: Mapping[str, int]) -> bool:
    """Tell whether a main row's order attributes can be compared with value rows that were read together with it.

    Value rows are written before their main row. One whose mark is ahead has been written by an invocation whose main
    row is still to come. Below the baseline nothing is under way any more, and a mark there says nothing: the main row
    drops the marks of ended lineages, while value rows keep them until they are written.

    Args:
        main: the main row, at the same version before and after the value rows were read.
        below: its value rows.
        firsts: by mark, the baseline's lowest number in the lineage's shards.
    """
    return all(
        number <= main.marks.get(name, -1) or number < firsts.get(name, 0)
        for row in below
        for name, number in row.marks.items()
    )


def is_in_time(began: int, now: int) -> bool:
    """Tell whether rows may still be judged or repaired, given the second at which T was, or the row was read."""
    return now - began <= MAX_AGE_S


def stays(row_expires_at: int | None, now: int, timeout_s: int, margin_s: int = MARGIN_S) -> bool:
    """Tell whether a bucket is compared: not one whose ``keep`` ends before invocations under way have ended."""
    return row_expires_at is None or row_expires_at > now + margin_s + timeout_s


class Difference(Struct, frozen=True):
    """A row that is not as it should be.

    Attributes:
        key: the row's key.
        deltas: what is missing; all 0 where only order attributes differ.
        row: as it was read.
        read_at: the second at which it was read.
        order: whether its order attributes have to be written anew.
        lanes: the row's other lanes that are marked as inexact, without ``deltas``: what is missing is added once.
    """

    key: RowKey
    deltas: Deltas
    row: StoredRow
    read_at: int
    order: bool = False
    lanes: tuple["Difference", ...] = ()
