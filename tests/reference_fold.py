"""The fold by the reference path, without the delta cache."""

import zlib
from collections.abc import Iterable
from decimal import localcontext

from tailrace.aggregation.fold import absorb
from tailrace.aggregation.plan import plan_of
from tailrace.aggregation.row_changes import FoldResult, RowAccumulator
from tailrace.definition.pipeline import Pipeline
from tailrace.encoding.numbers import EXACT
from tailrace.inputs.effects import Effect


def fold(effects: Iterable[Effect], pipeline: Pipeline, lane_seed: str = "") -> FoldResult:
    """Fold a batch of changes; the result must equal that of :func:`tailrace.aggregation.fold.fold_records`."""
    rows = RowAccumulator(zlib.crc32(lane_seed.encode()))
    with localcontext(EXACT):
        for effect in effects:
            absorb(rows, effect, plan_of(pipeline), None)
    return rows.result()
