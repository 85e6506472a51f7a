"""Repair: a row that differs gets the difference, once, whatever the stream does to it meanwhile.

Sums commute, so a difference that was found at a row's marks holds for the row at any later ones, as long as the row
is the same one, nobody has repaired it since, and nothing from below the floor is added to it.
"""

from collections.abc import Iterable

from tailrace.backfill.comparison import Difference


def in_order(found: Iterable[Difference]) -> list[Difference]:
    """Return differences in the order in which they are to be written: value rows before their main rows."""
    return sorted(found, key=lambda one: (not one.key[0].startswith("~"), one.key))
