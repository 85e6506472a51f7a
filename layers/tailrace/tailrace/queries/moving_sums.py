"""Moving sums: each bucket shows the sums of the window that ends with it, without any write."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import localcontext
from typing import Any

from msgspec import Struct, field

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.row_attributes import INEXACT, UPDATED_AT
from tailrace.encoding.json_types import Row
from tailrace.encoding.keys import escape
from tailrace.encoding.numbers import EXACT, Number
from tailrace.queries.rollup import relabelled, whole_rows
from tailrace.queries.windows import position


def measures_without_window(aggregate: Aggregate) -> frozenset[str]:
    """Return the measures that have no moving sum: order measures, counts of repeated items, and ratios of them."""
    ordered = {name for name, measure in aggregate.measures.items() if isinstance(measure, OrderMeasure)}
    ordered |= aggregate.repeated_measures
    return aggregate.with_ratios(ordered)


class _Series(Struct):
    """The rows of one group by time, and the sums of all rows before each of them."""

    groups: Row
    starts: list[datetime] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    sums: list[tuple[Number, ...]] = field(default_factory=list)


class MovingSums:
    """The moving sums of stored rows, the lanes of each one after the other, for buckets of ``step``."""

    def __init__(self, aggregate: Aggregate, interval: str | None, step: BucketGroup, rows: Sequence[Row]) -> None:
        self._aggregate = aggregate
        self._interval = interval
        self._counters = (*aggregate.layout.counters, INEXACT)
        self._missing = measures_without_window(aggregate)
        self._series: dict[str, _Series] = {}
        bucket = aggregate.bucket
        if bucket is None:
            raise ValueError("there are no moving sums without a time bucket")
        self._bucket = bucket
        starts = ((position(bucket, row[bucket.name], step), row) for row in whole_rows(aggregate, rows))
        for start, row in sorted(starts, key=lambda pair: pair[0]):
            self._add(start, row)

    def _add(self, start: datetime, row: Row) -> None:
        key = "#".join(escape(group.text(row[group.name])) for group in self._aggregate.by if group is not self._bucket)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series(row, sums=[(0,) * len(self._counters)])
        with localcontext(EXACT):
            before = series.sums[-1]
            series.sums.append(
                tuple(total + row.get(name, 0) for total, name in zip(before, self._counters, strict=True))
            )
        series.starts.append(start)
        series.updated.append(str(row.get(UPDATED_AT, "")))

    def rows(
        self, label: str, start: datetime, end: datetime, *, descending: bool
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the row of each group for the bucket ``label``, whose window has the positions ``start`` to ``end``.

        Each comes with the key of its groups apart from the bucket, in whose order they come.
        """
        for key in sorted(self._series, reverse=descending):
            series = self._series[key]
            first, last = bisect_left(series.starts, start), bisect_left(series.starts, end)
            if first == last:
                continue
            with localcontext(EXACT):
                sums = [after - before for before, after in zip(series.sums[first], series.sums[last], strict=True)]
            row = {group.name: series.groups[group.name] for group in self._aggregate.by}
            row |= {self._bucket.name: label, UPDATED_AT: max(series.updated[first:last])}
            rendered = self._aggregate.render(row | dict(zip(self._counters, sums, strict=True)))
            if rendered is not None:
                yield key, relabelled(self._aggregate, self._interval, rendered, self._missing)
