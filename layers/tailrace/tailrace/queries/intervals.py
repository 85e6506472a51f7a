"""Intervals: the longer units that buckets roll up to, by the clock of the bucket's time zone."""

from dataclasses import replace
from datetime import datetime, timedelta

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups.buckets import CLOCK_UNITS, BucketGroup, clock_label
from tailrace.definition.row_attributes import UPDATED_AT
from tailrace.definition.times.calendar_units import CALENDAR_UNITS, date_label, first_day, last_day
from tailrace.queries.time_ranges import BucketRange

_COARSER_THAN = {
    "day": ("week", "month", "quarter", "year"),
    "week": (),
    "month": ("quarter", "year"),
    "quarter": ("year",),
    "year": (),
}
"""The units that a calendar unit fits into evenly; a week may span two months, and two years."""

_MAX_IN = {
    ("day", "week"): 7,
    ("day", "month"): 31,
    ("day", "quarter"): 92,
    ("day", "year"): 366,
    ("month", "quarter"): 3,
    ("month", "year"): 12,
    ("quarter", "year"): 4,
}

_LONGEST_DAY = timedelta(hours=27)
"""When clocks go back by three hours, as at Casey station."""

RANGE = "range"
"""The interval that rolls all buckets of a range up into one row of each group."""

MAX_PARTITIONS_PER_INTERVAL = 62
"""The most buckets in an interval if the time bucket is the first group: each bucket is a partition to query."""


def coarser_units(bucket: BucketGroup) -> tuple[str, ...]:
    """Return the units that a bucket rolls up to: those that it fits into evenly."""
    if bucket.length is None:
        return _COARSER_THAN[bucket.unit]
    within = [unit for unit, length in CLOCK_UNITS.items() if length > bucket.length and not length % bucket.length]
    return (*within, *CALENDAR_UNITS)


def why_not_rolled_up(bucket: BucketGroup, unit: str) -> str:
    """Return why buckets do not roll up to a unit that is not among :func:`coarser_units`, and what they roll up to."""
    intervals = ", ".join((*coarser_units(bucket), RANGE))
    if unit == bucket.unit and bucket.size == 1:
        return f"rows are already by {unit}: leave interval out, or give one of {intervals}"
    article = "an" if unit == "hour" else "a"
    return f"{article} {unit} is not a whole number of {bucket.plural}: interval must be one of {intervals}"


def max_buckets_in(bucket: BucketGroup, interval: str) -> int:
    """Return the most buckets in an interval other than :data:`RANGE`."""
    if bucket.length is None:
        return _MAX_IN[bucket.unit, interval]
    in_interval = CLOCK_UNITS.get(interval)
    if in_interval is not None:
        return in_interval // bucket.length
    in_day = -(-_LONGEST_DAY // bucket.length)
    return in_day * (1 if interval == "day" else _MAX_IN["day", interval])


def label_name(aggregate: Aggregate, interval: str | None) -> str | None:
    """Return the name under which rows have the label of their bucket; None if they have none.

    Rows of an interval name it after the interval: a row of ``interval=day`` has a ``day`` and no ``hour``. If a group
    or measure has that name already, it is prefixed with the bucket's own: ``hour_day``.
    """
    bucket = aggregate.bucket
    if bucket is None or interval == RANGE:
        return None
    if interval is None:
        return bucket.name
    taken = {group.name for group in aggregate.by if group is not bucket} | {*aggregate.measures, UPDATED_AT, "inexact"}
    name = interval
    while name in taken:
        name = f"{bucket.name}_{name}"
    return name


def coarse_label(label: str, interval: str) -> str:
    """Return the label of the longer bucket that contains a bucket or date; labels carry the local time."""
    if interval == RANGE:
        return ""
    if interval in CLOCK_UNITS:
        if "T" not in label:
            return label
        seconds = len(":SS") if label[len("YYYY-MM-DDTHH:MM")] == ":" else 0
        offset = label[len("YYYY-MM-DDTHH:MM") + seconds :]
        return f"{label[:14]}00{offset}" if interval == "hour" else f"{label[:16]}{offset}"
    return date_label(first_day(label), interval)


def aligned(bucket_range: BucketRange, interval: str) -> BucketRange:
    """Return the range extended to whole intervals."""
    if interval == RANGE:
        return bucket_range
    first, last = bucket_range.first, bucket_range.last
    return BucketRange(
        bucket_range.bucket,
        None if first is None else _bucket_ends(bucket_range.bucket, first, interval)[0],
        None if last is None else _bucket_ends(bucket_range.bucket, last, interval)[1],
    )


def _bucket_ends(bucket: BucketGroup, end: str, interval: str) -> tuple[str, str]:
    """Return the ends of a range that covers the interval of a label or date."""
    label = coarse_label(end, interval)
    if interval in CLOCK_UNITS:
        if "T" not in end:
            return end, end
        longer = replace(bucket, unit=interval, size=1)
        try:
            return bucket.label(longer.start(label)), bucket.label(longer.end(label) - timedelta(microseconds=1))
        except OverflowError:  # within a day of either end of the calendar, where no clock changes
            first, length = datetime.fromisoformat(label), bucket.length or timedelta()
            last = first + (CLOCK_UNITS[interval] - length)
            return clock_label(first, bucket.unit), clock_label(last, bucket.unit)
    days = first_day(label), last_day(label, interval)
    if bucket.is_within_day:
        return days[0].isoformat(), days[1].isoformat()
    return date_label(days[0], bucket.unit), date_label(days[1], bucket.unit)
