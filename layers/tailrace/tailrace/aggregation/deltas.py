"""The deltas of a change: what to add to each row, given the contributions of the old and the new item."""

from operator import sub
from typing import NamedTuple

from tailrace.aggregation.contributions import (
    Amount,
    Contribution,
    Deltas,
    Entries,
    ItemContribution,
    RowContributions,
    RowRef,
)


class RowDelta(NamedTuple):
    """The effect of one change on a row: the number to add to each counter, and the item's old and new entries.

    ``item_delta`` is 1 if the item enters the row, -1 if it leaves, 0 if it stays; ``group_delta`` is the same for the
    value of the first group as a whole.
    """

    deltas: Deltas
    before: Entries
    after: Entries
    item_delta: int
    group_delta: int


def delta_between(old: Amount | Contribution | None, new: Amount | Contribution | None) -> RowDelta | None:
    """Return the delta from an item's old to its new contribution to one row; None if nothing changes."""
    if new is None:
        if old is None:
            return None
        return RowDelta(tuple([-delta for delta in old.deltas]), old.entries, (None,) * len(old.entries), -1, -1)
    if old is None:
        return RowDelta(new.deltas, (None,) * len(new.entries), new.entries, 1, 1)
    if new.deltas == old.deltas and new.entries == old.entries:
        return None
    return RowDelta(tuple(map(sub, new.deltas, old.deltas)), old.entries, new.entries, 0, 0)


def deltas_of(old: ItemContribution, new: ItemContribution) -> list[tuple[RowRef, RowDelta]]:
    """Return the deltas of a change to an item, however many rows it is in."""
    if isinstance(old, dict) or isinstance(new, dict):
        return spread_deltas(_by_row(old), _by_row(new))
    return row_deltas(old, new)


def _by_row(contribution: ItemContribution) -> RowContributions:
    if contribution is None or isinstance(contribution, dict):
        return contribution or {}
    return {contribution.row_ref.key: contribution}


def row_deltas(old: Contribution | None, new: Contribution | None) -> list[tuple[RowRef, RowDelta]]:
    """Return the deltas of a change: none, one, or two if the item moves to another row."""
    if old is None or new is None or old.row_ref.key == new.row_ref.key:
        delta = delta_between(old, new)
        present = old if new is None else new
        return [] if delta is None or present is None else [(present.row_ref, delta)]
    changes = [(old.row_ref, delta_between(old, None)), (new.row_ref, delta_between(None, new))]
    if old.row_ref.key[0] == new.row_ref.key[0]:
        return [(row_ref, delta._replace(group_delta=0)) for row_ref, delta in changes if delta is not None]
    return [(row_ref, delta) for row_ref, delta in changes if delta is not None]


def spread_deltas(before: RowContributions, after: RowContributions) -> list[tuple[RowRef, RowDelta]]:
    """Return the deltas of a change to an item that may be in several rows: one for each row that it changes."""
    found = [(was.row_ref, delta_between(was, after.get(key))) for key, was in before.items()]
    found += [(now.row_ref, delta_between(None, now)) for key, now in after.items() if key not in before]
    deltas = [(row_ref, delta) for row_ref, delta in found if delta is not None]
    return deltas if before.keys() == after.keys() else _with_group_deltas(deltas, before, after)


def _with_group_deltas(
    deltas: list[tuple[RowRef, RowDelta]], before: RowContributions, after: RowContributions
) -> list[tuple[RowRef, RowDelta]]:
    """Let an item enter or leave a value of the first group once, with the first of its rows."""
    entering = {key[0] for key in before} ^ {key[0] for key in after}
    corrected: list[tuple[RowRef, RowDelta]] = []
    for row_ref, delta in deltas:
        first = row_ref.key[0] in entering
        entering.discard(row_ref.key[0])
        corrected.append((row_ref, delta if first or not delta.group_delta else delta._replace(group_delta=0)))
    return corrected
