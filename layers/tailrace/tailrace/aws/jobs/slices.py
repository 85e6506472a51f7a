"""Slices of a partition of rows: main rows with everything that belongs to them, as many as fit into memory.

The number of a partition's rows follows from its items, and is known only once they are counted. So it is processed in
slices, ordered by a hash of the main rows' keys. Each slice is collected by reading the partition's files from their
beginning: if it grows too large, its end moves down, and the next slice takes the rest. The rows of one main row are
never divided.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import localcontext
from typing import Any

from msgspec import Struct, field

from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.jobs.rows import RowSpace, merge_row
from tailrace.encoding.keys import RowKey
from tailrace.encoding.numbers import EXACT

FIRST, LAST = b"", b"g"
"""Before all places, and after them: a place has 16 hexadecimal digits."""

_DIGITS = 16
_BEFORE_SPACE = _DIGITS + 1


def place_of(main: RowKey) -> bytes:
    """Return the place of a main row; it does not depend on the row's partition."""
    return hashlib.sha256(f"{main[0]}\n{main[1]}".encode()).hexdigest()[_DIGITS : 2 * _DIGITS].encode()


def placed(main: RowKey, line: bytes) -> bytes:
    """Return a line of a file that begins with the place of its main row."""
    return place_of(main) + b" " + line


class Slice(Struct):
    """The rows from one place to before another one; the end moves down if they are too many."""

    start: bytes = FIRST
    end: bytes = LAST

    def holds(self, place: bytes) -> bool:
        """Tell whether a place is in the slice."""
        return self.start <= place < self.end

    def lines(self, lines: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Yield place and text of the lines (:func:`placed`) that are in the slice."""
        for line in lines:
            if self.start <= line[:_DIGITS] < self.end:
                yield line[:_DIGITS], line[_BEFORE_SPACE:]


def end_of(weights: Mapping[bytes, int], most: int) -> bytes:
    """Return the end of a slice of at most ``most`` rows; it includes the whole first place in any case."""
    total = 0
    for place, weight in sorted(weights.items()):
        total += weight
        if total > most and total != weight:
            return place
    return LAST


class SliceOfKeys(Struct):
    """Collects the keys of the rows of a slice, for each of some generations.

    Attributes:
        spaces: the generations.
        most: the maximum number of keys.
        slice: their places; its end may move down while they are collected.
    """

    spaces: Sequence[RowSpace]
    most: int
    slice: Slice
    _found: list[set[RowKey]] = field(default_factory=list)
    _count: int = 0
    _limit: int = 0

    def __post_init__(self) -> None:
        self._found = [set() for _ in self.spaces]
        self._limit = self.most

    def add(self, position: int, place: bytes, key: RowKey) -> None:
        """Add a key of the generation at a position, unless it is outside the slice."""
        if not self.slice.holds(place):
            return
        keys = self._found[position]
        before = len(keys)
        keys.add(key)
        self._count += len(keys) - before
        if self._count > self._limit:
            self._shrink()

    def in_order(self) -> list[tuple[bytes, int, RowKey]]:
        """Return the place, generation and key of each row, in order of their places."""
        return sorted(self._all())

    def _all(self) -> Iterator[tuple[bytes, int, RowKey]]:
        for position, (space, keys) in enumerate(zip(self.spaces, self._found, strict=True)):
            yield from ((place_of(space.main_key(key)), position, key) for key in keys)

    def _shrink(self) -> None:
        self.slice.end = min(self.slice.end, end_of(Counter(place for place, _, _ in self._all()), self.most // 2))
        for position, space in enumerate(self.spaces):
            keys = self._found[position]
            self._found[position] = {key for key in keys if self.slice.holds(place_of(space.main_key(key)))}
        self._count = sum(map(len, self._found))
        self._limit = max(self.most, 2 * self._count)  # a single main row may exceed the maximum


def slice_of_base(
    lines: Iterable[bytes], space: RowSpace, where: Slice, most: int | None = None
) -> dict[RowKey, RowChange]:
    """Return the sums of a slice of a base by key; the slice's end moves down if they are more than ``most`` rows."""
    found: dict[RowKey, RowChange] = {}
    count, limit = 0, most
    with localcontext(EXACT):
        for _, text in where.lines(lines):
            count += merge_row(found, space, text)
            if most is not None and limit is not None and count > limit:
                places = {key: place_of(space.main_key(key)) for key in found}
                weights: Counter[bytes] = Counter()
                for key, row in found.items():
                    weights[places[key]] += 1 + len(row.value_changes)
                where.end = min(where.end, end_of(weights, most // 2))
                found = {key: row for key, row in found.items() if where.holds(places[key])}
                count = sum(1 + len(row.value_changes) for row in found.values())
                limit = max(most, 2 * count)
    return found


def together[Row: tuple[Any, ...]](
    rows: Sequence[Row], end: bytes, number: int
) -> Iterator[tuple[Sequence[Row], bytes]]:
    """Yield about ``number`` rows at a time, and the place of the next one; with the last rows, the end.

    The rows begin with their places, and are ordered by them; those at one place are not divided.
    """
    start = 0
    while True:
        stop = start + number
        while stop < len(rows) and rows[stop][0] == rows[stop - 1][0]:
            stop += 1
        yield rows[start:stop], rows[stop][0] if stop < len(rows) else end
        if stop >= len(rows):
            return
        start = stop
