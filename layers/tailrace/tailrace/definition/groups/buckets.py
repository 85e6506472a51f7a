"""Time buckets: groups by a time field, from its second to its year, or by several seconds, minutes or hours."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypedDict, Unpack

from tailrace.definition.fields.arguments import check_attribute_name, check_field, check_options
from tailrace.definition.fields.paths import FieldPath, field_path
from tailrace.definition.times import clocks
from tailrace.definition.times.calendar_units import CALENDAR_UNITS, date_label, first_day, last_day
from tailrace.definition.times.instants import (
    OUT_OF_RANGE,
    check_epoch_unit,
    not_a_time,
    parse_instant,
    time_error,
)
from tailrace.definition.times.zones import time_zone
from tailrace.encoding.json_types import Item
from tailrace.errors import DefinitionError

CLOCK_UNITS = {"second": timedelta(seconds=1), "minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
"""The units shorter than a day, and their lengths."""

UNITS = (*CLOCK_UNITS, *CALENDAR_UNITS)

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BucketGroup:
    """A group by the second, minute, hour, day, week, month, quarter or year of a time, in a time zone.

    ``size`` seconds, minutes or hours make one bucket; they begin at local midnight, so ``size`` divides a day. The
    field holds an ISO 8601 string (local time of the zone if it has no offset) or a number of ``epoch_unit`` since
    1970. Labels: second ``2013-01-01T05:00:00-05:00``, minute and hour ``2013-01-01T05:00-05:00`` (the offset
    distinguishes the two hours that share a local time when clocks go back), day ``2013-01-01``, week the date of its
    Monday, month ``2013-01``, quarter ``2013-Q1``, year ``2013``. A local time that the clocks skip is read with the
    offset before the gap, one that occurs twice is the first. A bucket in which the clock changes is two: each part has
    its own offset.
    """

    source: str
    name: str
    unit: str
    zone: tzinfo
    size: int = 1
    epoch_unit: str = "s"
    path: FieldPath = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", field_path(self.source))

    @property
    def length(self) -> timedelta | None:
        """The length of a bucket that is shorter than a day; None for days and longer ones."""
        return CLOCK_UNITS[self.unit] * self.size if self.unit in CLOCK_UNITS else None

    @property
    def is_within_day(self) -> bool:
        """Whether the buckets are shorter than a day."""
        return self.unit in CLOCK_UNITS

    @property
    def spelled(self) -> str:
        """The group as a definition has it: ``hour('at')``, ``minutes(15, 'at')``."""
        return f"{self.unit}s({self.size}, {self.source!r})" if self.size > 1 else f"{self.unit}({self.source!r})"

    @property
    def noun(self) -> str:
        """One bucket in words: ``hour``, ``bucket of 15 minutes``."""
        return self.unit if self.size == 1 else f"bucket of {self.size} {self.unit}s"

    @property
    def plural(self) -> str:
        """Several buckets in words: ``hours``, ``buckets of 15 minutes``."""
        return f"{self.unit}s" if self.size == 1 else f"buckets of {self.size} {self.unit}s"

    def value(self, item: Item) -> str | None:
        """Return the label of the bucket that contains the field's time."""
        value = self.path.read(item)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise not_a_time(value, self.source)
        find = _cached_label.__wrapped__ if _is_long(value) else _cached_label
        return find(value, self.unit, self.size, self.zone, self.source, self.epoch_unit)

    def text(self, value: Any) -> str:
        """Return the label itself."""
        return str(value)

    def label(self, moment: datetime) -> str:
        """Return the label of the bucket that contains a moment (a naive datetime is local time of the zone)."""
        return _bucket_label(self.unit, self.size, clocks.in_zone(moment, self.zone))

    def start(self, label: str) -> datetime:
        """Return the first instant (UTC) of the bucket with this label.

        Raises:
            ValueError: the zone's clock never shows this label.
            OverflowError: it is before the calendar.
        """
        if self.length is not None:
            return clocks.span(label, self.length, self.zone)[0]
        return clocks.day_start(first_day(label), self.zone)

    def end(self, label: str) -> datetime:
        """Return the instant (UTC) at which the bucket with this label ends.

        Raises:
            ValueError: the zone's clock never shows this label.
            OverflowError: it is after the calendar.
        """
        if self.length is not None:
            return clocks.span(label, self.length, self.zone)[1]
        return clocks.day_end(last_day(label, self.unit), self.zone)

    def last_end(self, label: str) -> datetime:
        """Return the instant (UTC) after which no item can enter a row with this label by its time."""
        return self.end(label)


def clock_label(local: datetime, unit: str) -> str:
    """Return the label of a bucket within a day that starts at a local time with an offset."""
    return local.isoformat(timespec="seconds" if unit == "second" else "minutes")


def _bucket_label(unit: str, size: int, local: datetime) -> str:
    if unit not in CLOCK_UNITS:
        return date_label(local.date(), unit)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    since = local.replace(tzinfo=None) - midnight
    # keep the moment's own offset: where clocks go back by half an hour, the full hour may have another one
    start = (midnight + since - since % (CLOCK_UNITS[unit] * size)).replace(
        tzinfo=timezone(local.utcoffset() or timedelta())
    )
    return clock_label(start, unit)


_MAX_CACHED_CHARACTERS = 64  # of a time, whose fraction may have any number of digits
_MAX_CACHED_DECIMAL = 20
"""Characters of a time that is a decimal: nanoseconds. With more, a sender could choose any number of times with one
hash, and each look-up would compare them all."""


def _is_long(value: str | int | Decimal) -> bool:
    if isinstance(value, str):
        return len(value) > _MAX_CACHED_CHARACTERS
    return isinstance(value, Decimal) and len(str(value)) > _MAX_CACHED_DECIMAL


# Times recur within a batch, and parsing and converting one costs ten times as much as a cache hit.
@lru_cache(maxsize=65_536)
def _cached_label(  # noqa: PLR0913, PLR0917 - all are part of the cache's key; hashing the group would cost more
    value: str | int | Decimal, unit: str, size: int, zone: tzinfo, source: str, epoch_unit: str
) -> str:
    local = parse_instant(value, zone, source, epoch_unit)
    try:
        return _bucket_label(unit, size, local)
    except (ValueError, OverflowError) as error:
        raise time_error(value, source, OUT_OF_RANGE) from error


class TimeOptions(TypedDict, total=False):
    """Where a time field's times are read: the time zone, the unit of numbers since 1970, and the row attribute."""

    tz: str
    unit: str
    name: str | None


def bucket(kind: str, source: str, size: int | None = None, /, **options: Unpack[TimeOptions]) -> BucketGroup:
    """Build a time bucket of ``size`` times ``kind``; its default name is the kind, in the plural if there is a size.

    Raises:
        DefinitionError: a unit, the size, the time zone or an option is unknown.
    """
    if kind not in UNITS:
        raise DefinitionError(f"unknown time unit {kind!r}; expected one of {', '.join(UNITS)}")
    context = kind if size is None else f"{kind}s"
    check_options(context, options, TimeOptions.__annotations__)
    unit = options.get("unit", "s")
    check_field(context, source)
    check_epoch_unit(context, unit)
    check_attribute_name(f"{context}({source!r})", options.get("name"))
    if size is not None:
        _check_size(kind, size)
    name, zone = options.get("name") or context, time_zone(options.get("tz", "UTC"))
    return BucketGroup(source, name, kind, zone, size or 1, unit)


def _check_size(unit: str, size: object) -> None:
    most = DAY // CLOCK_UNITS[unit]
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < most or most % size:
        raise DefinitionError(
            f"{unit}s({size!r}, …): the number of {unit}s must divide a day and be shorter than one, such as "
            f"{unit}s({15 if unit != 'hour' else 6}, …)"
        )


def second(source: str, **options: Unpack[TimeOptions]) -> BucketGroup:
    """Group by the second of a time field; the row attribute is ``second``, or ``name``.

    Example:
        >>> from tailrace import second
        >>> second("at", unit="ms").value({"at": 1729992659500})
        '2024-10-27T01:30:59+00:00'
    """
    return bucket("second", source, **options)


def minute(source: str, **options: Unpack[TimeOptions]) -> BucketGroup:
    """Group by the minute of a time field; the row attribute is ``minute``, or ``name``.

    Example:
        >>> from tailrace import minute
        >>> minute("at").value({"at": "2024-10-27T01:30:59Z"})
        '2024-10-27T01:30+00:00'
    """
    return bucket("minute", source, **options)


def hour(source: str, **options: Unpack[TimeOptions]) -> BucketGroup:
    """Group by the hour of a time field; the row attribute is ``hour``, or ``name``.

    Example:
        >>> from tailrace import hour
        >>> hour("at", tz="Europe/Berlin").value({"at": "2024-10-27T00:30:00Z"})
        '2024-10-27T02:00+02:00'
        >>> hour("at", tz="Europe/Berlin").value({"at": "2024-10-27T01:30:00Z"})  # the clocks went back
        '2024-10-27T02:00+01:00'
    """
    return bucket("hour", source, **options)


def day(source: str, **options: Unpack[TimeOptions]) -> BucketGroup:
    """Group by the day of a time field; the row attribute is ``day``, or ``name``.

    Example:
        >>> from tailrace import day
        >>> day("at", tz="America/New_York").value({"at": "2024-10-27T01:30:00Z"})
        '2024-10-26'
    """
    return bucket("day", source, **options)


def week(source: str, **options: Unpack[TimeOptions]) -> BucketGroup:
    """Group by the ISO week (Monday to Sunday) of a time field; the row attribute is ``week``, or ``name``.

    Example:
        >>> from tailrace import week
        >>> week("at").value({"at": "2024-10-27T01:30:00Z"})
        '2024-10-21'
    """
    return bucket("week", source, **options)


def month(source: str, **options: Unpack[TimeOptions]) -> BucketGroup:
    """Group by the month of a time field; the row attribute is ``month``, or ``name``.

    Example:
        >>> from tailrace import month
        >>> month("at").value({"at": 1729992600})
        '2024-10'
    """
    return bucket("month", source, **options)


def quarter(source: str, **options: Unpack[TimeOptions]) -> BucketGroup:
    """Group by the quarter of a time field; the row attribute is ``quarter``, or ``name``.

    Example:
        >>> from tailrace import quarter
        >>> quarter("at").value({"at": "2024-10-27T01:30:00Z"})
        '2024-Q4'
    """
    return bucket("quarter", source, **options)


def year(source: str, **options: Unpack[TimeOptions]) -> BucketGroup:
    """Group by the year of a time field; the row attribute is ``year``, or ``name``.

    Example:
        >>> from tailrace import year
        >>> year("at", tz="America/New_York").value({"at": "2025-01-01T01:30:00Z"})
        '2024'
    """
    return bucket("year", source, **options)
