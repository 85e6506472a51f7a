"""Reads moving sums: for some buckets at a time, the rows of all their windows."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from tailrace.aws.aggregates.row_reader import MAX_BYTES, MAX_READS, Page, RowReader, Serializer, response_size
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import QueryTooLarge
from tailrace.queries.cursors import is_beyond
from tailrace.queries.moving_sums import MovingSums, measures_without_window
from tailrace.queries.rows import RowQuery, WindowPosition
from tailrace.queries.time_ranges import BucketRange
from tailrace.queries.windows import stored_range

_BUCKETS_AT_ONCE = 1000
_PARTITIONS_AT_ONCE = 90


class _Target(Struct, frozen=True):
    """A bucket to show, and the positions of the start and end of its window."""

    label: str
    start: datetime
    end: datetime


class WindowReader(Struct, frozen=True):
    """Reads moving sums from the aggregates table."""

    rows: RowReader

    def read(self, query: RowQuery, format_row: Serializer = dumps) -> Page:
        """Return the rows of a query with a window.

        A page may hold fewer rows than requested, even none, and still have a cursor.

        Raises:
            QueryTooLarge: the windows of the first buckets, up to ``limit`` of them, need more reads than a request may
                make, or has time for.
            Transient, Permanent: as :meth:`RowReader.read`.
        """
        found: list[str] = []
        left_out = measures_without_window(query.aggregate)
        size, reads = 0, MAX_READS
        for position, targets in _chunks(query):
            if reads < MAX_READS and not self.rows.has_time():
                return Page(tuple(found), query.window_cursor(position), left_out)
            try:
                rows, used = self.rows.stored(query.of_window(position.part, _stored(query, targets)), reads)
            except QueryTooLarge:
                if reads == MAX_READS:
                    raise
                return Page(tuple(found), query.window_cursor(position), left_out)
            reads -= used
            sums = MovingSums(query.aggregate, query.interval, query.step(), rows)
            for target in targets:
                after = position.after if target.label == position.label else ""
                made = sums.rows(target.label, target.start, target.end, descending=query.descending)
                for key, row in made:
                    if not is_beyond(key, after, descending=query.descending):
                        continue
                    text = format_row(row)
                    size += response_size(text)
                    if len(found) == query.limit or (found and size > MAX_BYTES):
                        here = WindowPosition(position.part, target.label, after)
                        return Page(tuple(found), query.window_cursor(here), left_out)
                    found.append(text)
                    after = key
        return Page(tuple(found), None, left_out)


def _chunks(query: RowQuery) -> Iterator[tuple[WindowPosition, list[_Target]]]:
    """Yield the buckets to show, some at a time, each time with the position at which they begin."""
    start = query.window_start or WindowPosition(0, "")
    for part in range(start.part, query.window_parts()):
        label = start.label if part == start.part and start.label else None
        after = start.after if label else ""
        chunk: list[_Target] = []
        for target in _targets(query, label):
            if chunk and not _fits(query, [*chunk, target]):
                yield WindowPosition(part, chunk[0].label, after), chunk
                chunk, after = [], ""
            chunk.append(target)
        if chunk:
            yield WindowPosition(part, chunk[0].label, after), chunk


def _targets(query: RowQuery, start: str | None) -> Iterator[_Target]:
    step, window = query.step(), query.window
    if window is None:
        raise ValueError("the query has no window")
    for label in query.steps().labels(start=start, descending=query.descending):
        yield _Target(label, *window.ends(step, label))


def _fits(query: RowQuery, targets: list[_Target]) -> bool:
    """Tell whether the windows of some buckets can be read at once; each bucket may be a partition of its own."""
    if len(targets) > min(query.limit, _BUCKETS_AT_ONCE):
        return False
    is_first = query.aggregate.by[0] is query.aggregate.bucket
    return not is_first or _stored(query, targets).max_bucket_count() <= _PARTITIONS_AT_ONCE


def _stored(query: RowQuery, targets: list[_Target]) -> BucketRange:
    """Return the stored buckets in the windows of some buckets."""
    bucket = query.aggregate.bucket
    if bucket is None:
        raise ValueError("the aggregate has no time bucket")
    first, last = min(target.start for target in targets), max(target.end for target in targets)
    return stored_range(bucket, first, last, query.step())
