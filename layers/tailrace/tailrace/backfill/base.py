"""The base: what each item was worth at a boundary, summed by row.

An item's image at the boundary is the old image of its first change above it, if one is journaled and proven to be the
first; otherwise nothing has happened to the item between the boundary and the snapshot, and its image is the
snapshot's. The result does not depend on when the snapshot was taken, nor on how often: a job may be taken up again at
any point.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import localcontext
from itertools import chain

from tailrace.aggregation.contributions import ItemContribution, contribution_of
from tailrace.aggregation.evaluator import Evaluator
from tailrace.aggregation.marks import Lineage
from tailrace.aggregation.row_changes import FoldResult, Poison, RowAccumulator
from tailrace.backfill.boundaries import ancestors_of
from tailrace.backfill.generations import Generation
from tailrace.backfill.journal import ChangeId
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import EXACT
from tailrace.errors import InvalidItem

_AT_THE_BOUNDARY = 1
"""The sequence number of what a base adds: the only one under its mark."""


def base_lineage(generation: Generation) -> Lineage:
    """Return the mark under which a base is committed: that of the epoch, so that a second worker finds the first's."""
    return Lineage(f"~base-{generation.epoch}")


def image_at_boundary(
    images: Mapping[ChangeId, Item | None],
    snapshot: Item | None,
    throughs: Mapping[str, int],
    parents: Mapping[str, str | None],
) -> Item | None:
    """Return an item as it was at the boundary; None where there was none.

    Args:
        images: the journaled old images of the item's changes above the boundary.
        snapshot: the item in the snapshot.
        throughs: the number in each shard up to which everything is dealt with, read before the journal was listed:
            beyond it the journal may hold a later change without an earlier one.
        parents: the parent of each shard that is known.
    """
    proven = [change for change in images if change[1] <= throughs.get(change[0], -1)]
    if not proven:
        return snapshot
    # an item's changes are in one shard and those that come from it
    return images[min(proven, key=lambda change: (len(ancestors_of(change[0], parents)), change[1]))]


def base_rows(
    items: Iterable[Item], evaluator: Evaluator, lane_hash: int = 0, *, most: int | None = None
) -> FoldResult:
    """Return what items (fields as stored) add up to, row by row, including value rows and lists of groups.

    Each row's steps have one and the same number, so that the committer writes a row once under
    :func:`base_lineage`. An item that is invalid, or that an aggregate cannot count, adds nothing there; the result's
    ``poison`` has the latter. With ``most``, it stops once the items touch that many rows and value rows. The
    result's ``records`` is the number of items that were taken.
    """
    rows = RowAccumulator(lane_hash)
    taken = steps = 0
    with localcontext(EXACT):
        for item in items:
            taken += 1
            try:
                prepared = evaluator.collection.prepare(item)
            except InvalidItem:
                continue
            found = map(contribution_of, *evaluator.contributions(prepared))
            for aggregate, worth in zip(evaluator.aggregates, found, strict=True):
                if isinstance(worth, InvalidItem):
                    rows.poison.append(Poison("", aggregate.name, worth))
                else:
                    rows.add(aggregate, _AT_THE_BOUNDARY, None, worth)
                    steps += _steps_of(worth)
            if most is not None and steps >= most:
                break
    return rows.result(taken)


def _steps_of(worth: ItemContribution) -> int:
    """Return how many rows and value rows a contribution touches."""
    if worth is None:
        return 0
    parts = worth.values() if isinstance(worth, dict) else (worth,)
    entries = chain.from_iterable(part.entries for part in parts)
    return len(parts) + sum(len(one) if isinstance(one, Counter) else one is not None for one in entries)
