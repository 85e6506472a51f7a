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
from tailrace.queries.cursors import decode_cursor, encode_cursor
from tailrace.queries.rollup import MAX_BUCKETS_PER_INTERVAL, coarse_label
from tailrace.queries.time_ranges import BucketRange, bucket_bounds

_MAX_SKIPPED = 1_000_000
_ASSUMED_BUCKETS_PER_INTERVAL = 1000


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Rows of one partition: all whose sort key begins with ``prefix``, or lies within ``between``, both included."""

    pk: str
    prefix: str = ""
    between: tuple[str, str] | None = None

    def contains(self, sk: str) -> bool:
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

    ``texts`` are the values of the groups that are given, in the order of the key and without the bucket of
    ``bucket_range``. With an ``interval`` the rows of each such stretch of time are added up. ``other_values`` are
    further values of the first group, whose rows follow one after the other.
    """

    aggregate: Aggregate
    texts: tuple[str, ...]
    bucket_range: BucketRange | None
    limit: int
    descending: bool = False
    interval: str | None = None
    start: Position | None = None
    other_values: tuple[str, ...] = ()

    def ranges(self) -> Iterator[KeyRange]:
        """Yield the ranges to read, in order, from the start on. There may be very many: take what you need."""
        if not self._bucket_first():
            found = [self._range_for(texts) for texts in self._given_texts()]
            first_range = next(
                (index for index, key_range in enumerate(found) if self.start and key_range.pk == self.start.pk), 0
            )
            yield from found[first_range:]
            return
        if self.bucket_range is not None:
            labels = self._from_start(self.bucket_range).labels()
            yield from (
                self._bucket_partition(label) for label in (reversed(list(labels)) if self.descending else labels)
            )

    def includes(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row that lies in a range is asked for; only near a change of the clocks it may not be."""
        return self.bucket_range is None or self.bucket_range.contains(row[self.bucket_range.bucket.name])

    def merge_key(self, pk: str, sk: str) -> tuple[str, ...]:
        """Return what rows have in common that are added up: all lanes of one row, or the groups down to the interval.

        Such rows lie one behind the other.
        """
        bucket = self.aggregate.bucket
        texts = group_texts(pk, self.row_sk(sk))
        if self.interval is None or bucket is None:
            return texts
        index = list(self.aggregate.by).index(bucket)
        return (*texts[:index], coarse_label(texts[index], self.interval))

    def stored_rows_per_row(self) -> int:
        """Return about how many stored rows a row is made from, 1 only where it is one."""
        bucket = self.aggregate.bucket
        if self.interval is None or bucket is None:
            return self.aggregate.lanes
        return self.aggregate.lanes * MAX_BUCKETS_PER_INTERVAL.get(
            (bucket.unit, self.interval), _ASSUMED_BUCKETS_PER_INTERVAL
        )

    def row_sk(self, sk: str) -> str:
        """Return the sort key of a row from that of one of its lanes."""
        return sk.rpartition("#")[0] if self.aggregate.lanes > 1 else sk

    def cursor(self, position: Position) -> str:
        """Return an opaque text from which the same query goes on behind a position."""
        values = [position.pk, position.sk, position.skip]
        return encode_cursor([*values, self._checksum(values)])

    def starting_at(self, cursor: str) -> "RowQuery":
        """Return the query that goes on at a cursor.

        Raises:
            InvalidMessage: the cursor comes from another query, or was changed on the way.
        """
        try:
            pk, sk, skip, checksum = decode_cursor(cursor)
            if checksum == self._checksum([pk, sk, skip]) and self._covers(pk, sk) and 0 <= skip < _MAX_SKIPPED:
                return replace(self, start=Position(pk, sk, int(skip)))
        except (ValueError, TypeError, InvalidMessage):
            pass
        raise InvalidMessage("the cursor is not one of this query")

    def _bucket_first(self) -> bool:
        return self.bucket_range is not None and self.aggregate.by[0] is self.bucket_range.bucket

    def _given_texts(self) -> list[tuple[str, ...]]:
        """Return the groups that are given, once for each value of the first one."""
        return [self.texts, *((other, *self.texts[1:]) for other in self.other_values)]

    def _range_for(self, texts: tuple[str, ...]) -> KeyRange:
        pk, sk = self._key(texts)
        if self.bucket_range is not None:
            low, high = self.bucket_range.key_bounds()
            before = "" if len(texts) == 1 else f"{sk}#"
            return KeyRange(pk, between=(before + low, before + high))
        return self._narrow(pk, sk, texts)

    def _bucket_partition(self, label: str) -> KeyRange:
        texts = (label, *self.texts)
        return self._narrow(*self._key(texts), texts)

    def _narrow(self, pk: str, sk: str, texts: tuple[str, ...]) -> KeyRange:
        if len(texts) == len(self.aggregate.by):
            return KeyRange(pk, prefix=lane_key(sk, "")) if self.aggregate.lanes > 1 else KeyRange(pk, between=(sk, sk))
        return KeyRange(pk, prefix="" if len(texts) == 1 else f"{sk}#")

    def _key(self, texts: tuple[str, ...]) -> tuple[str, str]:
        return row_key(self.aggregate.name, self.aggregate.version, texts)

    def _from_start(self, whole: BucketRange) -> BucketRange:
        if self.start is None:
            return whole
        label = group_texts(self.start.pk, "-")[0]
        first, last = (whole.first, label) if self.descending else (label, whole.last)
        return BucketRange(whole.bucket, first, last)

    def _covers(self, pk: Any, sk: Any) -> bool:
        if not isinstance(pk, str) or not isinstance(sk, str | None):
            return False
        if not self._bucket_first():
            found = next(
                (key_range for key_range in map(self._range_for, self._given_texts()) if key_range.pk == pk), None
            )
        else:
            label = group_texts(pk, "-")[0]
            if (
                self.bucket_range is None
                or bucket_bounds(self.bucket_range.bucket, label) != (label, label)
                or not self.bucket_range.contains(label)
            ):
                return False
            found = self._bucket_partition(label)
        return found is not None and found.pk == pk and (sk is None or found.contains(sk))

    def _checksum(self, values: Sequence[Any]) -> str:
        # against mixing up and mistyping; who forges it reaches no further than the query does without a cursor
        ends = None if self.bucket_range is None else [self.bucket_range.first, self.bucket_range.last]
        groups = [self.texts, self.other_values]
        query = [self.aggregate.name, self.aggregate.version, groups, ends, self.descending, self.interval]
        return hashlib.sha256(json.dumps([query, values]).encode()).hexdigest()[:16]
