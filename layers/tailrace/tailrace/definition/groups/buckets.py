"""Time buckets: groups by the minute, hour, day, week or month of a time field."""

import calendar
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any

from tailrace.definition.fields import clocks
from tailrace.definition.fields.checks import check_field
from tailrace.definition.fields.instants import parse_instant, time_error, time_zone
from tailrace.definition.fields.paths import FieldPath, field_path
from tailrace.encoding.json_types import Item
from tailrace.errors import DefinitionError

_UNITS = ("minute", "hour", "day", "week", "month")
_LENGTHS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class BucketGroup:
    """A group by the minute, hour, day, week or month of a time, in a time zone.

    The field holds an ISO 8601 string (local time of the zone if it has no offset) or a number of seconds since the
    epoch. Labels: minute and hour ``2013-01-01T05:00-05:00`` (the offset distinguishes the two hours that share a local
    time when clocks go back), day ``2013-01-01``, week the date of its Monday, month ``2013-01``. A local time that the
    clocks skip is read with the offset before the gap, one that occurs twice is the first.
    """

    source: str
    name: str
    unit: str
    zone: tzinfo
    path: FieldPath = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", field_path(self.source))

    def value(self, item: Item) -> str | None:
        """Return the label of the bucket that contains the field's time."""
        value = self.path.read(item)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise time_error(value, self.source)
        return _cached_label(value, self.unit, self.zone, self.source)

    def text(self, value: Any) -> str:
        """Return the label itself."""
        return str(value)

    def label(self, moment: datetime) -> str:
        """Return the label of the bucket that contains a moment (a naive datetime is local time of the zone)."""
        return _bucket_label(self.unit, clocks.in_zone(moment, self.zone))

    def start(self, label: str) -> datetime:
        """Return the first instant (UTC) of the bucket with this label.

        Raises:
            ValueError: the zone's clock never shows this label.
            OverflowError: it is before the calendar.
        """
        if self.unit in _LENGTHS:
            return clocks.span(label, _LENGTHS[self.unit], self.zone)[0]
        return clocks.day_start(date.fromisoformat(f"{label}-01"[: len("YYYY-MM-DD")]), self.zone)

    def end(self, label: str) -> datetime:
        """Return the instant (UTC) at which the bucket with this label ends.

        Raises:
            ValueError: the zone's clock never shows this label.
            OverflowError: it is after the calendar.
        """
        if self.unit in _LENGTHS:
            return clocks.span(label, _LENGTHS[self.unit], self.zone)[1]
        return clocks.day_end(last_day(label, self.unit), self.zone)


def last_day(label: str, unit: str) -> date:
    """Return the last date of a day, week or month, by its label; of the calendar's last week, the last that exists."""
    if unit == "month":
        year, month = int(label[:4]), int(label[5:7])
        return date(year, month, calendar.monthrange(year, month)[1])
    first = date.fromisoformat(label)
    return first if unit == "day" else date.fromordinal(min(first.toordinal() + 6, date.max.toordinal()))


def _bucket_label(unit: str, local: datetime) -> str:
    match unit:
        case "minute":
            return local.isoformat(timespec="minutes")
        case "hour":
            # keep the moment's own offset: where clocks go back by half an hour, the full hour may have another one
            offset = timezone(local.utcoffset() or timedelta())
            return local.replace(minute=0, tzinfo=offset).isoformat(timespec="minutes")
        case "day":
            return local.date().isoformat()
        case "week":
            return monday(local.date()).isoformat()
        case _:
            return local.date().isoformat()[:7]


def monday(day: date) -> date:
    """Return the Monday of a date's week."""
    return day - timedelta(days=day.weekday())


# Times recur within a batch, and parsing and converting one costs ten times as much as a cache hit.
@lru_cache(maxsize=65_536)
def _cached_label(value: str | int | Decimal, unit: str, zone: tzinfo, source: str) -> str:
    local = parse_instant(value, zone, source)
    try:
        return _bucket_label(unit, local)
    except (ValueError, OverflowError) as error:
        raise time_error(value, source) from error


def bucket(unit: str, source: str, tz: str, name: str | None) -> BucketGroup:
    """Build a time bucket.

    Raises:
        DefinitionError: the unit or the time zone is unknown.
    """
    if unit not in _UNITS:
        raise DefinitionError(f"unknown time unit {unit!r}; expected one of {', '.join(_UNITS)}")
    check_field(unit, source)
    return BucketGroup(source, name or unit, unit, time_zone(tz))


def minute(source: str, *, tz: str = "UTC", name: str | None = None) -> BucketGroup:
    """Group by the minute of a time field; the row attribute is ``minute``, or ``name``.

    Example:
        >>> from tailrace import minute
        >>> minute("at").value({"at": "2024-10-27T01:30:59Z"})
        '2024-10-27T01:30+00:00'
    """
    return bucket("minute", source, tz, name)


def hour(source: str, *, tz: str = "UTC", name: str | None = None) -> BucketGroup:
    """Group by the hour of a time field; the row attribute is ``hour``, or ``name``.

    Example:
        >>> from tailrace import hour
        >>> hour("at", tz="Europe/Berlin").value({"at": "2024-10-27T00:30:00Z"})
        '2024-10-27T02:00+02:00'
        >>> hour("at", tz="Europe/Berlin").value({"at": "2024-10-27T01:30:00Z"})  # the clocks went back
        '2024-10-27T02:00+01:00'
    """
    return bucket("hour", source, tz, name)


def day(source: str, *, tz: str = "UTC", name: str | None = None) -> BucketGroup:
    """Group by the day of a time field; the row attribute is ``day``, or ``name``.

    Example:
        >>> from tailrace import day
        >>> day("at", tz="America/New_York").value({"at": "2024-10-27T01:30:00Z"})
        '2024-10-26'
    """
    return bucket("day", source, tz, name)


def week(source: str, *, tz: str = "UTC", name: str | None = None) -> BucketGroup:
    """Group by the ISO week (Monday to Sunday) of a time field; the row attribute is ``week``, or ``name``.

    Example:
        >>> from tailrace import week
        >>> week("at").value({"at": "2024-10-27T01:30:00Z"})
        '2024-10-21'
    """
    return bucket("week", source, tz, name)


def month(source: str, *, tz: str = "UTC", name: str | None = None) -> BucketGroup:
    """Group by the month of a time field; the row attribute is ``month``, or ``name``.

    Example:
        >>> from tailrace import month
        >>> month("at").value({"at": 1729992600})
        '2024-10'
    """
    return bucket("month", source, tz, name)
