"""Rows added up: lanes into the row that they are, and finer rows into coarser ones, hours into days, by their clock.

Nothing is rounded: the sums of the rows are added, and what is derived from them (a mean, a variance) is derived from
the sums. Of the order measures, minimum, maximum, first and last are those of the rows' own; distinct values,
quantiles and top lists cannot be had from the rows', and are left out.
"""

from datetime import date, timedelta
from decimal import localcontext
from typing import Any

from tailrace.definition.aggregate import INEXACT, UPDATED_AT, Aggregate
from tailrace.definition.groups import BucketGroup
from tailrace.definition.order_measures import OrderMeasure
from tailrace.encoding.json_types import Row
from tailrace.encoding.keys import escape
from tailrace.encoding.numbers import EXACT
from tailrace.encoding.sort_keys import encode_sort_key
from tailrace.errors import QueryTooLarge
from tailrace.queries.time_ranges import BucketRange, bucket_bounds

COARSER_UNITS = {"minute": ("hour", "day", "week", "month"), "hour": ("day", "week", "month"), "day": ("week", "month")}
"""Into which buckets those of each unit go whole; weeks and months cut each other."""

MAX_BUCKETS_PER_INTERVAL = {("minute", "hour"): 60, ("hour", "day"): 25, ("day", "week"): 7, ("day", "month"): 31}
"""How many buckets there are in a coarser one, where they are few."""

MAX_GROUPS = 20_000
"""Of how many groups the rows of one interval can be added up at once."""

_LAST_MINUTE = "59"


def coarse_label(label: str, interval: str) -> str:
    """Return the label of the coarser bucket that a bucket lies in; what the clock showed is in its own label."""
    match interval:
        case "hour":
            return f"{label[:14]}00{label[16:]}"
        case "day":
            return label[:10]
        case "week":
            day = date.fromisoformat(label[:10])
            return (day - timedelta(days=day.weekday())).isoformat()
    return label[:7]


def aligned(bucket_range: BucketRange, interval: str) -> BucketRange:
    """Return the window that holds every bucket of each coarser one of which it holds any.

    Raises:
        InvalidMessage: the calendar has no end to such a bucket.
    """
    first, last = bucket_range.first, bucket_range.last
    return BucketRange(
        bucket_range.bucket,
        None if first is None else _bucket_ends(bucket_range.bucket, coarse_label(first, interval), interval)[0],
        None if last is None else _bucket_ends(bucket_range.bucket, coarse_label(last, interval), interval)[1],
    )


def _bucket_ends(bucket: BucketGroup, label: str, interval: str) -> tuple[str, str]:
    if interval == "hour":
        return label, f"{label[:14]}{_LAST_MINUTE}{label[16:]}"
    if interval == "week":
        # the last week of the calendar ends with the calendar
        sunday = date.fromordinal(min(date.fromisoformat(label).toordinal() + 6, date.max.toordinal()))
        return bucket_bounds(bucket, label)[0], bucket_bounds(bucket, sunday.isoformat())[1]
    return bucket_bounds(bucket, label)


class Rollup:
    """Rows as they are stored, added up: lanes of one row, or rows of one interval, for each of their groups."""

    def __init__(self, aggregate: Aggregate, interval: str | None) -> None:
        self._aggregate = aggregate
        self._interval = interval
        self._rows: dict[str, Row] = {}

    def add(self, row: dict[str, Any]) -> None:
        """Add a row.

        Raises:
            QueryTooLarge: the rows of one interval have too many groups to be held at once.
        """
        bucket = self._aggregate.bucket
        if self._interval is not None and bucket is not None:
            row[bucket.name] = coarse_label(row[bucket.name], self._interval)
        # by the texts of the groups, as the table's own keys are: 1 and true are two groups, 1 and "1" are one
        key = "#".join([escape(group.text(row[group.name])) for group in self._aggregate.by])
        before = self._rows.get(key)
        self._rows[key] = row if before is None else _combine(self._aggregate, before, row)
        if len(self._rows) > MAX_GROUPS:
            raise QueryTooLarge(f"a {self._interval} has more than {MAX_GROUPS} rows: give more groups")

    def rows(self, *, descending: bool) -> list[dict[str, Any]]:
        """Return the rows as readers see them, without empty ones, in the order of the key, or against it."""
        missing = non_additive_measures(self._aggregate) if self._interval is not None else frozenset()
        keys = sorted(self._rows, reverse=descending)
        rendered = (self._aggregate.render(self._rows[key]) for key in keys)
        return [
            {name: value for name, value in row.items() if name not in missing} if missing else row
            for row in rendered
            if row is not None
        ]


def non_additive_measures(aggregate: Aggregate) -> frozenset[str]:
    """Return the names of the measures that rows cannot be added up to."""
    kinds = ("distinct", "quantile", "top")
    return frozenset(name for name, measure in aggregate.measures.items() if measure.kind in kinds)


def _combine(aggregate: Aggregate, left: Row, right: Row) -> dict[str, Any]:
    """Return two rows as they are stored as one: for the same groups, but for the time bucket."""
    with localcontext(EXACT):
        sums = {name: left.get(name, 0) + right.get(name, 0) for name in (*aggregate.layout.counters, INEXACT)}
    ends: dict[str, Any] = {}
    for name, measure in aggregate.measures.items():
        if isinstance(measure, OrderMeasure):
            ends |= _combine_extreme(name, measure, left, right)
    latest = max(str(row.get(UPDATED_AT, "")) for row in (left, right))
    return dict(left) | sums | ends | {UPDATED_AT: latest}


def _combine_extreme(name: str, measure: OrderMeasure, left: Row, right: Row) -> dict[str, Any]:
    with_values = [row for row in (left, right) if name in row]
    if not with_values:
        return {}

    def order(row: Row) -> tuple[str, str]:
        # first and last are ordered by time, and by value where the time is the same
        return str(row.get(f"{name}_at", "")) if measure.values.at else "", encode_sort_key(row[name])

    match measure.kind:
        case "minimum" | "first":
            found = min(with_values, key=order)
        case "maximum" | "last":
            found = max(with_values, key=order)
        case _:
            return {}
    return {attribute: found[attribute] for attribute in measure.attributes(name)}
