"""Rollup: merging the lanes of a row, and finer rows into coarser ones (hours into days, by local time).

Nothing is rounded: the stored sums are added, and derived measures (mean, variance) are computed from the totals. Of
the order measures, minimum, maximum, largest, smallest, first and last can be merged; distinct counts, quantiles and
top lists cannot, and are omitted.
"""

from decimal import localcontext
from typing import Any

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.row_attributes import INEXACT, ITEM_COUNT, UPDATED_AT
from tailrace.encoding.json_types import Row
from tailrace.encoding.keys import escape
from tailrace.encoding.numbers import EXACT
from tailrace.encoding.sort_keys import encode_sort_key, encode_sort_keys
from tailrace.errors import QueryTooLarge
from tailrace.queries.intervals import coarse_label

MAX_GROUPS = 20_000
"""The most groups held in memory to roll up one interval."""


class Rollup:
    """Merges stored rows: the lanes of a row, or the rows of an interval, separately for each group."""

    def __init__(self, aggregate: Aggregate, interval: str | None) -> None:
        self._aggregate = aggregate
        self._interval = interval
        self._rows: dict[str, Row] = {}

    def add(self, row: dict[str, Any]) -> None:
        """Add a stored row.

        Raises:
            QueryTooLarge: the interval has more than :data:`MAX_GROUPS` groups.
        """
        if self._aggregate.lanes == 1 and row.get(ITEM_COUNT, 0) < 0:
            return  # it is not shown, so no interval includes it; a single lane may well be below zero
        bucket = self._aggregate.bucket
        if self._interval is not None and bucket is not None:
            row[bucket.name] = coarse_label(row[bucket.name], self._interval)
        # by the groups' texts, like the table's keys: 1 and true are different groups, 1 and "1" are the same
        key = "#".join([escape(group.text(row[group.name])) for group in self._aggregate.by])
        before = self._rows.get(key)
        self._rows[key] = row if before is None else _combine(self._aggregate, before, row)
        if len(self._rows) > MAX_GROUPS:
            raise QueryTooLarge(f"one {self._interval} has more than {MAX_GROUPS} rows: give more groups")

    def rows(self, *, descending: bool) -> list[dict[str, Any]]:
        """Return the merged rows as the API shows them, without empty ones, in ascending or descending key order."""
        missing = non_additive_measures(self._aggregate) if self._interval is not None else frozenset()
        keys = sorted(self._rows, reverse=descending)
        rendered = (self._aggregate.render(self._rows[key]) for key in keys)
        return [
            {name: value for name, value in row.items() if name not in missing} if missing else row
            for row in rendered
            if row is not None
        ]


def non_additive_measures(aggregate: Aggregate) -> frozenset[str]:
    """Return the names of the measures that cannot be merged from rows."""
    kinds = {"distinct", "quantile", "top"}
    if aggregate.is_bucketed_by_element:  # an item may be in several of the buckets that are merged
        kinds.add("count_items")
    return frozenset(name for name, measure in aggregate.measures.items() if measure.kind in kinds)


def _combine(aggregate: Aggregate, left: Row, right: Row) -> dict[str, Any]:
    """Merge two stored rows of the same groups, apart from the time bucket."""
    with localcontext(EXACT):
        sums = {name: left.get(name, 0) + right.get(name, 0) for name in (*aggregate.layout.counters, INEXACT)}
    extremes: dict[str, Any] = {}
    for name, measure in aggregate.measures.items():
        if isinstance(measure, OrderMeasure):
            extremes |= _combine_extreme(name, measure, left, right)
    latest = max(str(row.get(UPDATED_AT, "")) for row in (left, right))
    return dict(left) | sums | extremes | {UPDATED_AT: latest}


def _combine_extreme(name: str, measure: OrderMeasure, left: Row, right: Row) -> dict[str, Any]:
    with_values = [row for row in (left, right) if name in row]
    if not with_values:
        return {}

    def order(row: Row) -> tuple[str, str]:
        # first and last are ordered by time or another value, then by their own
        by = str(row[f"{name}_at"]) if measure.values.at else ""
        return encode_sort_key(row[f"{name}_by"]) if measure.values.by else by, encode_sort_key(row[name])

    match measure.kind:
        case "minimum" | "first":
            found = min(with_values, key=order)
        case "maximum" | "last":
            found = max(with_values, key=order)
        case "largest" | "smallest":
            return {name: _merge_ranked(measure, [entry for row in with_values for entry in row[name]])}
        case _:
            return {}
    return {attribute: found[attribute] for attribute in measure.attributes(name)}


def _merge_ranked(measure: OrderMeasure, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first entries of several lists: each list has its own first, so none of all rows' first is missing."""
    ranked = sorted(entries, key=lambda entry: encode_sort_keys(entry[name] for name in measure.members))
    return (ranked if measure.kind == "smallest" else ranked[::-1])[: measure.most]
