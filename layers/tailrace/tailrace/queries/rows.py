"""Queries for aggregate rows: a bounded list of key ranges, and cursors to continue from.

There are no scans: a query gives the first group or, if that is the time bucket, a time range. Further groups narrow it
in key order.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import replace
from itertools import dropwhile
from typing import Any

from msgspec import Struct

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.encoding.keys import group_texts, lane_key, row_key
from tailrace.errors import InvalidMessage
from tailrace.queries.cursors import decode_cursor, encode_cursor, is_beyond, is_sort_key, key_place
from tailrace.queries.intervals import MAX_PARTITIONS_PER_INTERVAL, RANGE, coarse_label, max_buckets_in
from tailrace.queries.time_ranges import BucketRange, bucket_label, local_text
from tailrace.queries.windows import Window

_ASSUMED_BUCKETS = 1000


class KeyRange(Struct, frozen=True):
    """Rows of one partition: those whose sort key starts with ``prefix``, or is in ``between`` (inclusive)."""

    pk: str
    prefix: str = ""
    between: tuple[str, str] | None = None

    def contains(self, sk: str) -> bool:
        """Return whether a sort key is in the range; Python compares texts in the same order as DynamoDB."""
        if self.between is None:
            return sk.startswith(self.prefix)
        low, high = self.between
        return low <= sk <= high


class Position(Struct, frozen=True):
    """Where to continue: after the row ``(pk, sk)``, or at the start of the partition if ``sk`` is None.

    ``after`` is the key of the last merged row of the partition that was already returned, without its first group;
    empty if none was. It is not their number, because rows may appear and disappear between two pages.
    """

    pk: str
    sk: str | None = None
    after: str = ""


class WindowPosition(Struct, frozen=True):
    """Where to continue with moving sums: in which part of the query, at which bucket, after which of its rows."""

    part: int
    label: str
    after: str = ""


class RowQuery(Struct, frozen=True):
    """A query for up to ``limit`` rows in ascending or descending key order, from ``start`` on.

    ``texts`` are the given group values in key order, without the bucket of ``bucket_range``; ``other_texts`` are
    further values in the same form, read one after the other. With an ``interval``, rows are rolled up to it.
    ``strings`` are the exact texts of groups that were given in another spelling of a number: their rows hold these
    texts or numbers, but no other texts.
    ``epoch`` is that of the generation that is read. With a ``window``, each row has the sums of the window that ends
    with its bucket, and ``window_start`` says where to continue.
    """

    aggregate: Aggregate
    texts: tuple[str, ...]
    bucket_range: BucketRange | None
    limit: int
    descending: bool = False
    interval: str | None = None
    start: Position | None = None
    other_texts: tuple[tuple[str, ...], ...] = ()
    strings: tuple[tuple[str, tuple[str, ...]], ...] = ()
    epoch: int = 0
    window: Window | None = None
    window_start: WindowPosition | None = None

    def ranges(self) -> Iterator[KeyRange]:
        """Yield the ranges to read, in order, from ``start`` on. There may be very many: take only what you need."""
        found = self._all_ranges()
        if self.start is None:
            return found
        return dropwhile(lambda key_range: not self._is_in(key_range, self.start), found)

    def _all_ranges(self) -> Iterator[KeyRange]:
        if self.bucket_range is None or not self._bucket_first():
            return map(self._range_for, self._given_texts())
        start = None if self.start is None else group_texts(self.start.pk, "-")[0]
        labels = self.bucket_range.labels(start=start, descending=self.descending)
        return (key_range for label in labels for key_range in self._bucket_partitions(label))

    @staticmethod
    def _is_in(key_range: KeyRange, position: Position | None) -> bool:
        return position is not None and (
            key_range.pk == position.pk and (position.sk is None or key_range.contains(position.sk))
        )

    def includes(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row in a key range belongs to the query.

        Some do not around clock changes, and texts that spell a number of the query in its key.
        """
        for name, texts in self.strings:
            if isinstance(row[name], str) and row[name] not in texts:
                return False
        return self.bucket_range is None or self.bucket_range.contains(row[self.bucket_range.bucket.name])

    def merge_key(self, pk: str, sk: str) -> tuple[str, ...]:
        """Return the key shared by rows to merge: that of the row for lanes, otherwise the groups down to the interval.

        Rows with the same merge key are adjacent. Within a partition, the two hours that share a local time when clocks
        go back have one merge key, because their minutes alternate there.
        """
        return self._merge_key(pk, self.row_sk(sk))

    def _merge_key(self, pk: str, row_sk: str) -> tuple[str, ...]:
        bucket, texts = self.aggregate.bucket, group_texts(pk, row_sk)
        if len(texts) < len(self.aggregate.by):  # the text of the second group is that of an empty sort key
            texts = (*texts, row_sk)
        if self.interval is None or bucket is None:
            return texts
        index = list(self.aggregate.by).index(bucket)
        if self.interval == RANGE:
            return texts[:index]
        label = coarse_label(texts[index], self.interval)
        return (*texts[:index], local_text(label)) if index else (label,)

    def is_left(self, merge_key: tuple[str, ...], key: str) -> bool:
        """Return whether a merged row comes after all that the pages before have returned."""
        if self.start is None or not self.start.after:
            return True
        returned = self._merge_key(self.start.pk, self.start.after)
        if merge_key == returned:
            return is_beyond(key, self.start.after, descending=self.descending)
        if merge_key[:1] != returned[:1]:
            return True
        # rows may have been added to a merged row that was returned already
        return is_beyond(key_place(merge_key), key_place(returned), descending=self.descending)

    def may_share_rows(self, pk: str, other: str) -> bool:
        """Return whether stored rows of two partitions may be merged into one row."""
        firsts = [group_texts(one, "-")[0] for one in (pk, other)]
        if self.interval is not None and self.aggregate.by[0] is self.aggregate.bucket:
            firsts = [coarse_label(one, self.interval) for one in firsts]
        return firsts[0] == firsts[1]

    def stored_rows_per_row(self) -> int:
        """Return roughly how many stored rows make one row; exactly 1 if rows are not merged."""
        bucket = self.aggregate.bucket
        if self.interval is None or bucket is None:
            return self.aggregate.lanes
        buckets = _ASSUMED_BUCKETS if self.interval == RANGE else max_buckets_in(bucket, self.interval)
        return self.aggregate.lanes * (buckets if buckets <= MAX_PARTITIONS_PER_INTERVAL else _ASSUMED_BUCKETS)

    def row_sk(self, sk: str) -> str:
        """Return the sort key of a row, given that of one of its lanes."""
        return sk.rpartition("#")[0] if self.aggregate.lanes > 1 else sk

    def cursor(self, position: Position) -> str:
        """Return the cursor with which this query continues at a position."""
        # 0 where no row was returned, as earlier releases wrote it: during a deployment in steps, both respond
        values = [position.pk, position.sk, position.after or 0]
        return encode_cursor([*values, self._checksum(values)])

    def starting_at(self, cursor: str) -> "RowQuery":
        """Return this query, continued at a cursor.

        Raises:
            InvalidMessage: the cursor is from another query or was tampered with.
        """
        try:
            if self.window is not None:
                return self._window_at(*decode_cursor(cursor))
            pk, sk, after, checksum = decode_cursor(cursor)
            is_known = checksum == self._checksum([pk, sk, after]) and (after == 0 or isinstance(after, str))
            if is_known and self._covers(pk, sk):
                found = replace(self, start=Position(pk, sk, after or ""))
                found.is_left((), "")  # raises if no row has this key
                return found
        except (ValueError, TypeError, LookupError, InvalidMessage):
            pass
        raise InvalidMessage(
            "invalid cursor: pass it on unchanged, with the same query; begin again if the aggregate was rebuilt"
        )

    def step(self) -> BucketGroup:
        """Return the buckets that rows show: those of the interval, if there is one."""
        bucket = self.aggregate.bucket
        if bucket is None:
            raise ValueError("the aggregate has no time bucket")
        return bucket if self.interval is None else replace(bucket, unit=self.interval, size=1)

    def steps(self) -> BucketRange:
        """Return the range of the buckets that rows show; both ends must be given."""
        if self.bucket_range is None or self.bucket_range.first is None or self.bucket_range.last is None:
            raise ValueError("the range is open")
        first, last = self.bucket_range.first, self.bucket_range.last
        if self.interval is not None:
            first, last = coarse_label(first, self.interval), coarse_label(last, self.interval)
        return BucketRange(self.step(), first, last)

    def window_parts(self) -> int:
        """Return the number of parts whose moving sums are read one after the other."""
        return 1 if self._bucket_first() else len(self._given_texts())

    def of_window(self, part: int, buckets: BucketRange) -> "RowQuery":
        """Return the query for the stored rows of a part in some buckets."""
        texts, *others = self._given_texts() if self._bucket_first() else [self._given_texts()[part]]
        return replace(
            self,
            texts=texts,
            other_texts=tuple(others),
            bucket_range=buckets,
            interval=None,
            descending=False,
            window=None,
            window_start=None,
        )

    def window_cursor(self, position: WindowPosition) -> str:
        """Return the cursor with which a query with a window continues at a position."""
        values = [position.part, position.label, position.after or 0]
        return encode_cursor([*values, self._checksum(values)])

    def _window_at(self, part: int, label: str, after: Any, checksum: str) -> "RowQuery":
        values = [part, label, after]
        is_known = checksum == self._checksum(values) and (after == 0 or isinstance(after, str))
        if not is_known or not 0 <= part < self.window_parts():
            raise ValueError("from another query")
        if bucket_label(self.step(), label) != label or not self.steps().contains(label):
            raise ValueError("not in the range")
        return replace(self, window_start=WindowPosition(part, label, after or ""))

    def _bucket_first(self) -> bool:
        return self.bucket_range is not None and self.aggregate.by[0] is self.bucket_range.bucket

    def _given_texts(self) -> list[tuple[str, ...]]:
        """Return the given group values, each combination once; those of one partition in key order."""
        given = [self.texts, *self.other_texts]
        ordered = sorted(given, key=key_place, reverse=self.descending)
        if self._bucket_first():
            return ordered
        firsts = [texts[:1] for texts in given]
        return sorted(ordered, key=lambda texts: firsts.index(texts[:1]))

    def _range_for(self, texts: tuple[str, ...]) -> KeyRange:
        pk, sk = self._key(texts)
        if self.bucket_range is not None:
            low, high = self.bucket_range.key_bounds()
            before = "" if len(texts) == 1 else f"{sk}#"
            return KeyRange(pk, between=(before + low, before + high))
        return self._narrow(pk, sk, texts)

    def _bucket_partitions(self, label: str) -> Iterator[KeyRange]:
        for given in self._given_texts():
            texts = (label, *given)
            yield self._narrow(*self._key(texts), texts)

    def _narrow(self, pk: str, sk: str, texts: tuple[str, ...]) -> KeyRange:
        if len(texts) == len(self.aggregate.by):
            return KeyRange(pk, prefix=lane_key(sk, "")) if self.aggregate.lanes > 1 else KeyRange(pk, between=(sk, sk))
        return KeyRange(pk, prefix="" if len(texts) == 1 else f"{sk}#")

    def _key(self, texts: tuple[str, ...]) -> tuple[str, str]:
        return row_key(self.aggregate.name, self.aggregate.version, texts, self.epoch)

    def _covers(self, pk: Any, sk: Any) -> bool:
        if not isinstance(pk, str) or not (sk is None or (isinstance(sk, str) and is_sort_key(sk))):
            return False
        if self.bucket_range is not None and self._bucket_first():
            label = group_texts(pk, "-")[0]
            if bucket_label(self.bucket_range.bucket, label) != label or not self.bucket_range.contains(label):
                return False
            ranges = self._bucket_partitions(label)
        else:
            ranges = map(self._range_for, self._given_texts())
        return any(self._is_in(key_range, Position(pk, sk)) for key_range in ranges)

    def _checksum(self, values: Sequence[Any]) -> str:
        # guards against mix-ups and typos, not forgery: a forged cursor reads nothing that the query itself could not
        ends = None if self.bucket_range is None else [self.bucket_range.first, self.bucket_range.last]
        groups = [self.texts, self.other_texts]
        query: list[Any] = [self.aggregate.name, self.aggregate.version, groups, ends, self.descending, self.interval]
        # the position in a window has no key, which would name the generation
        query += [] if self.window is None else [self.window.text, self.epoch]
        return hashlib.sha256(json.dumps([query, values]).encode()).hexdigest()[:16]
