"""Rollup: merging the lanes of a row, and finer rows into coarser ones (hours into days, by local time).

Nothing is rounded: the stored sums are added; derived measures (mean, variance, ratio) are computed from the totals.
Among the order measures, minimum, maximum, largest, smallest, first and last can be merged; lists of the most frequent
values can if none of them is full; distinct counts and quantiles cannot, and are left out.
"""

from collections.abc import Iterable, Iterator
from decimal import localcontext
from functools import partial, reduce
from itertools import groupby
from typing import Any

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.ratios import Ratio
from tailrace.definition.row_attributes import INEXACT, ITEM_COUNT, UPDATED_AT
from tailrace.encoding.json_types import Row
from tailrace.encoding.keys import escape
from tailrace.encoding.numbers import EXACT, Number
from tailrace.encoding.sort_keys import encode_sort_key, encode_sort_keys
from tailrace.errors import QueryTooLarge
from tailrace.queries.intervals import coarse_label, label_name

_NOT_ADDITIVE = ("distinct", "quantile")
_REASONS = {
    "distinct": "rows store how many different values they have, not which, so several rows may share some",
    "quantile": "rows store one value, from which the quantile of several rows does not follow",
    "count_items": "an item may be in several of these rows, and would be counted in each",
    "top": "a full list may lack values of its row, so lists of several rows are merged only if none is full",
}

OVERLAPPING = "windows overlap, so an item is in several of these rows"
"""Why rows of overlapping windows cannot be derived from several of them."""

MAX_GROUPS = 20_000
"""The most groups held in memory to roll up one interval."""


class Rollup:
    """Merges stored rows: the lanes of a row, or the rows of an interval, separately for each group.

    Attributes:
        left_out: the measures that are missing from the merged rows, or from some of them, because they cannot be
            derived from the stored ones.
    """

    def __init__(self, aggregate: Aggregate, interval: str | None, rows: Iterable[Row]) -> None:
        """Merge stored rows, in the order in which they are read.

        Raises:
            QueryTooLarge: the interval has more than :data:`MAX_GROUPS` groups.
        """
        self.left_out = non_additive_measures(aggregate) if interval is not None else frozenset()
        self._aggregate = aggregate
        self._interval = interval
        self._rows: dict[str, Row] = {}
        self._lists: dict[str, dict[str, MergedList]] = {}
        self._lists_of = [
            (name, one.most)
            for name, one in aggregate.stored_measures.items()
            if isinstance(one, OrderMeasure) and one.kind == "top" and interval is not None
        ]
        for row in whole_rows(aggregate, rows):
            self._add(row)

    def _add(self, row: Row) -> None:
        bucket = self._aggregate.bucket
        if self._interval is not None and bucket is not None:
            row = {**row, bucket.name: coarse_label(row[bucket.name], self._interval)}
        key = _key(self._aggregate, row)
        before = self._rows.get(key)
        self._rows[key] = row if before is None else combine(self._aggregate, before, row)
        for name, most in self._lists_of:
            if row.get(ITEM_COUNT, 0) > 0 and name in row:
                lists = self._lists.setdefault(key, {})
                lists.setdefault(name, MergedList(most)).add(row[name])
        if len(self._rows) > MAX_GROUPS:
            raise QueryTooLarge(f"one {self._interval} has more than {MAX_GROUPS} rows: give more groups")

    def rows(self, *, descending: bool) -> list[tuple[str, dict[str, Any]]]:
        """Return the merged rows as the API shows them, without empty ones, in ascending or descending key order.

        Each comes with its key without the first group, which all of them share.
        """
        rendered = ((key, self._rendered(key)) for key in sorted(self._rows, reverse=descending))
        return [(key.partition("#")[2], row) for key, row in rendered if row is not None]

    def _rendered(self, key: str) -> dict[str, Any] | None:
        """Return a row; for an interval, with its label under the interval's name."""
        if self._interval is None:
            return self._aggregate.render(self._rows[key])
        lists = {name: merged.entries() for name, merged in self._lists.get(key, {}).items()}
        incomplete = frozenset(name for name, entries in lists.items() if entries is None)
        row = self._aggregate.render({**self._rows[key], **lists})
        if row is None:
            return None
        missing = non_additive_measures(self._aggregate) | incomplete
        self.left_out |= incomplete
        return relabelled(self._aggregate, self._interval, row, missing)


def whole_rows(aggregate: Aggregate, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield stored rows, each with its lanes, which follow each other, as one.

    A row whose count is below zero is not shown, so no interval or window includes it; a single lane may well be.
    """
    if aggregate.lanes > 1:
        rows = (reduce(partial(combine, aggregate), lanes) for _, lanes in groupby(rows, partial(_key, aggregate)))
    return (row for row in rows if row.get(ITEM_COUNT, 0) >= 0)


def _key(aggregate: Aggregate, row: Row) -> str:
    # by the groups' texts, like the table's keys: 1 and true are different groups, 1 and "1" are the same
    return "#".join([escape(group.text(row[group.name])) for group in aggregate.by])


def relabelled(
    aggregate: Aggregate, interval: str | None, row: dict[str, Any], missing: frozenset[str]
) -> dict[str, Any]:
    """Return a rendered row with its bucket's label under the interval's name, and without some measures."""
    bucket = aggregate.bucket
    label = label_name(aggregate, interval)
    names = {name: label if bucket is not None and name == bucket.name else name for name in row if name not in missing}
    return {shown: row[name] for name, shown in names.items() if shown is not None}


def non_additive_measures(aggregate: Aggregate) -> frozenset[str]:
    """Return the names of the measures that cannot be merged from rows, and the ratios of these."""
    stored = {name for name, measure in aggregate.measures.items() if measure.kind in _NOT_ADDITIVE}
    stored |= aggregate.repeated_measures
    return aggregate.with_ratios(stored)


def reason_left_out(aggregate: Aggregate, name: str) -> str:
    """Return why a measure cannot be derived from several rows."""
    measure = aggregate.measures[name]
    if aggregate.hop is not None:
        return OVERLAPPING
    if not isinstance(measure, Ratio):
        return _REASONS[measure.kind]
    left_out = non_additive_measures(aggregate)
    part = next(part for part in (measure.numerator, measure.denominator) if part in left_out)
    return f"a ratio of {part}: {_REASONS[aggregate.measures[part].kind]}"


class MergedList:
    """The most frequent values of several rows: known if no row may have values that its list lacks."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lists = 0
        self._has_full = False
        self._counts: dict[str, tuple[Any, Number]] = {}

    def add(self, entries: list[dict[str, Any]]) -> None:
        """Add the list of a row."""
        self._lists += 1
        self._has_full |= len(entries) >= self._most
        for entry in entries:
            key = encode_sort_key(entry["value"])
            _, items = self._counts.get(key, (None, 0))
            self._counts[key] = entry["value"], items + entry["count"]

    def entries(self) -> list[dict[str, Any]] | None:
        """Return the list of all rows together; None if it is not known."""
        if self._lists > 1 and self._has_full:
            return None
        ranked = sorted(self._counts.items(), key=lambda pair: (-pair[1][1], pair[0]))
        return [{"value": value, "count": items} for _, (value, items) in ranked[: self._most]]


def combine(aggregate: Aggregate, left: Row, right: Row) -> dict[str, Any]:
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
