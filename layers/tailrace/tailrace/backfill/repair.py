"""Repair: a row that differs gets the difference, once, whatever the stream does to it meanwhile.

Sums commute, so a difference that was found at a row's marks holds for the row at any later ones, as long as the row
is the same one, nobody has repaired it since, and nothing from below the floor is added to it.
"""

from collections.abc import Iterable

from tailrace.backfill.comparison import Difference, StoredRow, is_in_time


def in_order(found: Iterable[Difference]) -> list[Difference]:
    """Return differences in the order in which they are to be written: value rows before their main rows."""
    return sorted(found, key=lambda one: (not one.key[0].startswith("~"), one.key))


def may_repair(difference: Difference, row: StoredRow, now: int) -> bool:
    """Tell whether a difference may be added to a row as it is now; the condition of the one write that adds it.

    The row's count of repairs must still be what was read, and rises with the write. A row that existed must still
    exist: one that was removed and made again lacks what the first one had. One that did not exist may have been made
    since, as long as nobody has repaired it.
    """
    existed = difference.row.counters is not None
    exists = row.counters is not None
    return is_in_time(difference.read_at, now) and row.repairs == difference.row.repairs and (exists or not existed)
