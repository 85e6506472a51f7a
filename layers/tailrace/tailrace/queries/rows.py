"""Reading aggregates: a bounded list of key ranges for each query, and cursors to go on from.

Nothing is ever scanned: a query names the first group, or, where that is a time bucket, from when to when; the other
groups narrow it in the order of the key.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tailrace.definition.aggregate import Aggregate
from tailrace.encoding.keys import group_texts, lane_key, row_key
from tailrace.errors import InvalidMessage
from tailrace.queries.cursors import opened, sealed
from tailrace.queries.rollup import MOST_IN, coarse_label
from tailrace.queries.time_ranges import Window, bucket_of

_MOST_SKIPPED = 1_000_000
_MANY = 1000


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Rows of one partition: all whose sort key begins with ``prefix``, or lies within ``between``, both included."""

    pk: str
    prefix: str = ""
    between: tuple[str, str] | None = None

    def holds(self, sk: str) -> bool:
        """Tell whether a sort key is in the range; texts compare as DynamoDB compares their UTF-8."""
        if self.between is None:
            return sk.startswith(self.prefix)
        low, high = self.between
        return low <= sk <= high


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on: behind the row ``(pk, sk)``, or with the whole partition where ``sk`` is None.

    ``skip`` are the rows to leave out then, of those that begin there and are added up: they have been shown.
    """

    pk: str
    sk: str | None = None
    skip: int = 0


@dataclass(frozen=True, slots=True)
class RowQuery:
    """What to read of an aggregate: up to ``limit`` rows in the order of the key, or against it, from ``start`` on.

    ``texts`` are the values of the groups that are given, in the order of the key and without the bucket of ``window``.
    With an ``interval`` the rows of each such stretch of time are added up. ``others`` are further values of the first
    group, whose rows follow one after the other.
    """

    aggregate: Aggregate
    texts: tuple[str, ...]
    window: Window | None
    limit: int
    descending: bool = False
    interval: str | None = None
    start: Position | None = None
    others: tuple[str, ...] = ()

    def ranges(self) -> Iterator[KeyRange]:
        """Yield the ranges to read, in order, from the start on. There may be very many: take what you need."""
        if not self._bucket_first():
            found = [self._single(texts) for texts in self._each()]
            begun = next((place for place, one in enumerate(found) if self.start and one.pk == self.start.pk), 0)
            yield from found[begun:]
            return
        if self.window is not None:
            labels = self._from_start(self.window).labels()
            yield from (self._partition(label) for label in (reversed(list(labels)) if self.descending else labels))

    def keeps(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row that lies in a range is asked for; only near a change of the clocks it may not be."""
        return self.window is None or self.window.holds(row[self.window.bucket.name])

    def run_of(self, pk: str, sk: str) -> tuple[str, ...]:
        """Return what rows have in common that are added up: all lanes of one row, or the groups down to the interval.

        Such rows lie one behind the other.
        """
        bucket = self.aggregate.bucket
        texts = group_texts(pk, self.row_sk(sk))
        if self.interval is None or bucket is None:
            return texts
        place = list(self.aggregate.by).index(bucket)
        return (*texts[:place], coarse_label(texts[place], self.interval))

    def rows_in_one(self) -> int:
        """Return about how many stored rows a row is made from, 1 only where it is one."""
        bucket = self.aggregate.bucket
        if self.interval is None or bucket is None:
            return self.aggregate.lanes
        return self.aggregate.lanes * MOST_IN.get((bucket.unit, self.interval), _MANY)

    def row_sk(self, sk: str) -> str:
        """Return the sort key of a row from that of one of its lanes."""
        return sk.rpartition("#")[0] if self.aggregate.lanes > 1 else sk

    def cursor(self, position: Position) -> str:
        """Return an opaque text from which the same query goes on behind a position."""
        place = [position.pk, position.sk, position.skip]
        return sealed([*place, self._seal(place)])

    def starting_at(self, cursor: str) -> "RowQuery":
        """Return the query that goes on at a cursor.

        Raises:
            InvalidMessage: the cursor comes from another query, or was changed on the way.
        """
        try:
            pk, sk, skip, seal = opened(cursor)
            if seal == self._seal([pk, sk, skip]) and self._reaches(pk, sk) and 0 <= skip < _MOST_SKIPPED:
                return replace(self, start=Position(pk, sk, int(skip)))
        except (ValueError, TypeError, InvalidMessage):
            pass
        raise InvalidMessage("the cursor is not one of this query")

    def _bucket_first(self) -> bool:
        return self.window is not None and self.aggregate.by[0] is self.window.bucket

    def _each(self) -> list[tuple[str, ...]]:
        """Return the groups that are given, once for each value of the first one."""
        return [self.texts, *((other, *self.texts[1:]) for other in self.others)]

    def _single(self, texts: tuple[str, ...]) -> KeyRange:
        pk, sk = self._key(texts)
        if self.window is not None:
            low, high = self.window.bounds()
            before = "" if len(texts) == 1 else f"{sk}#"
            return KeyRange(pk, between=(before + low, before + high))
        return self._narrowed(pk, sk, texts)

    def _partition(self, label: str) -> KeyRange:
        texts = (label, *self.texts)
        return self._narrowed(*self._key(texts), texts)

    def _narrowed(self, pk: str, sk: str, texts: tuple[str, ...]) -> KeyRange:
        if len(texts) == len(self.aggregate.by):
            return KeyRange(pk, prefix=lane_key(sk, "")) if self.aggregate.lanes > 1 else KeyRange(pk, between=(sk, sk))
        return KeyRange(pk, prefix="" if len(texts) == 1 else f"{sk}#")

    def _key(self, texts: tuple[str, ...]) -> tuple[str, str]:
        return row_key(self.aggregate.name, self.aggregate.version, texts)

    def _from_start(self, whole: Window) -> Window:
        if self.start is None:
            return whole
        label = group_texts(self.start.pk, "-")[0]
        first, last = (whole.first, label) if self.descending else (label, whole.last)
        return Window(whole.bucket, first, last)

    def _reaches(self, pk: Any, sk: Any) -> bool:
        if not isinstance(pk, str) or not isinstance(sk, str | None):
            return False
        if not self._bucket_first():
            found = next((one for one in map(self._single, self._each()) if one.pk == pk), None)
        else:
            label = group_texts(pk, "-")[0]
            if (
                self.window is None
                or bucket_of(self.window.bucket, label) != (label, label)
                or not self.window.holds(label)
            ):
                return False
            found = self._partition(label)
        return found is not None and found.pk == pk and (sk is None or found.holds(sk))

    def _seal(self, place: Sequence[Any]) -> str:
        # against mixing up and mistyping; who forges it reaches no further than the query does without a cursor
        ends = None if self.window is None else [self.window.first, self.window.last]
        groups = [self.texts, self.others]
        of = [self.aggregate.name, self.aggregate.version, groups, ends, self.descending, self.interval]
        return hashlib.sha256(json.dumps([of, place]).encode()).hexdigest()[:16]
