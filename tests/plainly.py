"""The fold by the plain words of the definition, without a shortcut."""

import zlib
from collections.abc import Iterable
from decimal import localcontext

from tailrace.aggregation.row_changes import Folded, Rows
from tailrace.encoding.numbers import EXACT
from tailrace.inputs.effects import Effect


def fold(effects: Iterable[Effect], lane: str = "") -> Folded:
    """Fold a batch of changes to the same as :func:`tailrace.aggregation.row_changes.fold_records` does."""
    rows = Rows(zlib.crc32(lane.encode()))
    with localcontext(EXACT):
        for effect in effects:
            rows.absorb(effect, None)
    return rows.folded()
