"""The most frequent values of a main row: kept with the row, so that a batch reads only the values that it touches.

A main row has some *candidates*, each with the number of its items, and a *bound*, which no other value surpasses. Both
are what was last seen of the value rows. A touched value that surpasses the bound becomes a candidate; one that no
longer does is dropped; one that is dropped because there are too many raises the bound. So the candidates are always
the most frequent values there are. Once fewer are left than a measure shows, all value rows have to be read.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from tailrace.definition.aggregate import Aggregate, Layout, ValueRows
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.encoding.numbers import Number
from tailrace.encoding.sort_keys import encode_sort_key

type Rank = tuple[Number, str]
"""The negative number of a value's items, and its sort key: the more frequent value is the smaller, ties by value."""

type Candidate = tuple[Number, str, Any]
"""A rank and the value."""

MAX_RESERVE_BYTES = 1024
"""The most bytes that a row stores of the candidates that its measures do not show: one write unit."""

_MAX_BYTES_PER_ROW = 32_768  # a row that shows 300 values of 1 KB still fits 400 KB
_ENTRY_BYTES = 10  # of a list, two types and the number of items
_MIN_RESERVE = 12


class FrequentValues(Struct, frozen=True):
    """Candidates, the most frequent first, and the bound: the rank of a value that is not a candidate.

    All other values rank at the bound or behind it. Without a bound, there are none.
    """

    candidates: tuple[Candidate, ...] = ()
    bound: Rank | None = None

    @classmethod
    def of(cls, counts: Iterable[ValueCount], shown: int) -> "FrequentValues":
        """Return the candidates among all values of a row; measures show the first ``shown``."""
        size = shown + reserve_size(shown)
        ranked = heapq.nsmallest(size + 1, map(_candidate, counts))
        return cls(tuple(ranked[:size]), _rank(ranked[size]) if len(ranked) > size else None)

    def merged(self, seen: Iterable[ValueCount], shown: int) -> "FrequentValues":
        """Return the candidates after some values were seen again, with the number of items that they have now."""
        found = {one[1]: one for one in self.candidates}
        for one in map(_candidate, seen):
            found.pop(one[1], None)
            if one[0] < 0 and (self.bound is None or _rank(one) < self.bound):
                found[one[1]] = one
        return FrequentValues(tuple(sorted(found.values())), self.bound).cut(shown + reserve_size(shown))

    def cut(self, size: int) -> "FrequentValues":
        """Return the first ``size`` candidates, with the bound that the others raise."""
        if len(self.candidates) <= size:
            return self
        return FrequentValues(self.candidates[:size], _rank(self.candidates[size]))

    def is_short(self, shown: int) -> bool:
        """Tell whether other values may belong among those that are shown."""
        return self.bound is not None and len(self.candidates) < shown

    def counts(self) -> list[ValueCount]:
        """Return the candidates in the order of their keys, as value rows are read."""
        ordered = sorted(self.candidates, key=lambda one: one[1])
        return [ValueCount((value,), -items) for items, _, value in ordered]

    def wrong(self, counts: Iterable[ValueCount]) -> int:
        """Return the number of values, of all in the row, that are not what candidates and bound say about them."""
        known = {one[1]: one for one in self.candidates}
        wrong = 0
        for one in map(_candidate, counts):
            candidate = known.pop(one[1], None)
            wrong += candidate != one if candidate else self.bound is None or _rank(one) < self.bound
        return wrong + len(known)

    def stored(self, shown: int, max_bytes: int) -> "tuple[FrequentValues, list[Any]] | None":
        """Return as many of the candidates as ``max_bytes`` hold, and what a row stores of them; None if it cannot.

        The first ``shown`` are not stored again: a measure shows them. Stored are the others, ``[[value, items], …]``,
        and if there is a bound, its number of items and sort key.
        """
        reserve = [[value, -items] for items, _, value in self.candidates[shown:]]
        sizes = [_size(value) + _size(items) + _ENTRY_BYTES for value, items in reserve]
        used = sum(sizes)
        while True:
            kept = self.cut(shown + len(reserve))
            bound = [] if kept.bound is None else [-kept.bound[0], kept.bound[1]]
            if used + sum(map(_size, bound)) + _ENTRY_BYTES <= max_bytes:
                return kept, [reserve, *bound]
            if not reserve:
                return None
            reserve.pop()
            used -= sizes.pop()


@lru_cache(maxsize=4096)
def frequent_kinds(aggregate: Aggregate) -> Mapping[Layout, ValueRows]:
    """Return the kinds of value rows whose most frequent values are shown, by the layout of these rows."""
    return {kind.layout: kind for kind in aggregate.read_back if "frequent" in kind.value_ranges}


def parse(kind: ValueRows, row: Mapping[str, Any], stored: Sequence[Any]) -> FrequentValues:
    """Return the candidates of a main row: those that a measure shows, and what :meth:`FrequentValues.stored` gave."""
    name = max(
        (name for name, one in kind.measures.items() if one.value_range == "frequent"),
        key=lambda name: kind.measures[name].most,
    )
    reserve, *bound = stored
    entries = [*((one["value"], one["count"]) for one in row.get(name, ())), *reserve]
    candidates = tuple([(-items, encode_sort_key(value), value) for value, items in entries])
    return FrequentValues(candidates, (-bound[0], bound[1]) if bound else None)


def reserve_size(shown: int) -> int:
    """Return how many candidates there are at most in addition to those that are shown."""
    return max(3 * shown, _MIN_RESERVE)


def max_bytes(kinds: int) -> int:
    """Return how many bytes a row may store for each of several kinds of values."""
    return min(MAX_RESERVE_BYTES, _MAX_BYTES_PER_ROW // kinds)


def _candidate(count: ValueCount) -> Candidate:
    (value,) = count.labels
    return -count.items, encode_sort_key(value), value


def _rank(candidate: Candidate) -> Rank:
    return candidate[:2]


def _size(value: Any) -> int:
    return len(value.encode()) if isinstance(value, str) else len(str(value)) // 2 + 2
