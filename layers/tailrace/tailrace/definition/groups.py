"""Groups: the values of an item that name its row, by field or by time bucket."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import ROUND_FLOOR, Context, Decimal
from functools import cache, lru_cache
from typing import Any, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from tailrace.definition.checks import check_field
from tailrace.encoding.numbers import EXACT, UNREPRESENTABLE, canonical_number, is_representable
from tailrace.errors import DefinitionError, InvalidItem, Violation

_EPOCH = datetime.fromtimestamp(0, UTC)


_MICROSECOND = Decimal("0.000001")


_FLOOR = Context(prec=20, rounding=ROUND_FLOOR)  # the last microsecond of the calendar has 18 digits


_UNITS = ("minute", "hour", "day", "week", "month")


@runtime_checkable
class Group(Protocol):
    """One element of ``by``: where the value comes from, and how it is written."""

    @property
    def name(self) -> str:
        """The attribute of the row that holds the value."""

    @property
    def source(self) -> str:
        """The item's field that the value is made from."""

    def value(self, item: dict[str, Any]) -> Any | None:
        """Return the group value of an item, None where its field is missing or null.

        Raises:
            InvalidItem: the field holds something that cannot be a group.
        """

    def text(self, value: Any) -> str:
        """Return the value as it stands in a key."""


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Groups by a field's own value: a string, number or boolean."""

    source: str
    name: str

    def value(self, item: dict[str, Any]) -> Any | None:
        """Return the field as it is."""
        value = item.get(self.source)
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, int | Decimal):
            raise InvalidItem([Violation(f"/{self.source}", "group", f"a {type(value).__name__} cannot be a group")])
        # a transform can make any number, and the row would be refused with each delivery
        if not is_representable(value):
            raise InvalidItem([Violation(f"/{self.source}", "digits", UNREPRESENTABLE)])
        return value

    def text(self, value: Any) -> str:
        """Return one text for each value; numbers that are equal have one spelling."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(canonical_number(value.normalize(EXACT)) if isinstance(value, Decimal) else value)


@dataclass(frozen=True, slots=True)
class BucketGroup:
    """Groups by the minute, hour, day, week or month of a time, in a time zone.

    The field holds an ISO 8601 text (without an offset it is read as local time of the zone) or a number of
    seconds since 1970. Values: minute and hour ``2013-01-01T05:00-05:00`` (the offset keeps the two hours apart that
    share a name when clocks go back), day ``2013-01-01``, week the date of its Monday, month ``2013-01``.
    """

    source: str
    name: str
    unit: str
    zone: tzinfo

    def value(self, item: dict[str, Any]) -> str | None:
        """Return the label of the bucket that the field's time falls into."""
        value = item.get(self.source)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise _time_error(value, self.source)
        return _cached_label(value, self.unit, self.zone, self.source)

    def text(self, value: Any) -> str:
        """Return the label itself."""
        return str(value)

    def label(self, moment: datetime) -> str:
        """Return the label of the bucket that holds a moment (a naive one is local time of the zone)."""
        return _bucket_label(self.unit, _in_zone(moment, self.zone))

    def end(self, label: str) -> datetime:
        """Return the instant (UTC) at which the bucket of this label is over."""
        if self.unit in ("minute", "hour"):
            return datetime.fromisoformat(label).astimezone(UTC) + timedelta(**{f"{self.unit}s": 1})
        start = datetime.fromisoformat(f"{label}-01" if self.unit == "month" else label)
        if self.unit == "month":
            start = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
        else:
            start += timedelta(days=7 if self.unit == "week" else 1)
        return start.replace(tzinfo=self.zone).astimezone(UTC)


def _in_zone(moment: datetime, zone: tzinfo) -> datetime:
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _bucket_label(unit: str, local: datetime) -> str:
    match unit:
        case "minute":
            return local.isoformat(timespec="minutes")
        case "hour":
            # the offset of the moment itself: where clocks go back by half an hour, the full hour may have another
            offset = timezone(local.utcoffset() or timedelta())
            return local.replace(minute=0, tzinfo=offset).isoformat(timespec="minutes")
        case "day":
            return local.date().isoformat()
        case "week":
            return (local.date() - timedelta(days=local.weekday())).isoformat()
        case _:
            return local.date().isoformat()[:7]


def parse_instant(value: Any, zone: tzinfo, source: str) -> datetime:
    """Return the time that a field holds, in the zone: an ISO 8601 text, or a number of seconds since 1970.

    Raises:
        InvalidItem: the value is no time.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _time_error(value, source)
    try:
        return _in_zone(datetime.fromisoformat(value) if isinstance(value, str) else _from_epoch(value), zone)
    except (ValueError, ArithmeticError) as error:
        raise InvalidItem([Violation(f"/{source}", "time", f"not a time: {str(value)[:40]!r}")]) from error


def _from_epoch(seconds: int | Decimal) -> datetime:
    # down to the microsecond, as a text is read: rounded to the nearest, an hour's last moment would be in the next one
    microseconds = seconds * 1_000_000 if isinstance(seconds, int) else _FLOOR.quantize(seconds, _MICROSECOND).scaleb(6)
    return _EPOCH + timedelta(microseconds=int(microseconds))


def _time_error(value: Any, source: str) -> InvalidItem:
    return InvalidItem([Violation(f"/{source}", "time", f"a {type(value).__name__} is not a time")])


# Times repeat a great deal in a batch; parsing and shifting one costs ten times as much as finding it again.
@lru_cache(maxsize=65_536)
def _cached_label(value: str | int | Decimal, unit: str, zone: tzinfo, source: str) -> str:
    local = parse_instant(value, zone, source)
    try:
        return _bucket_label(unit, local)
    except (ValueError, OverflowError) as error:
        raise InvalidItem([Violation(f"/{source}", "time", f"not a time: {str(value)[:40]!r}")]) from error


def field(source: str, *, name: str | None = None) -> FieldGroup:
    """Group by the value of a field. ``name`` is the row's attribute, by default the field's name."""
    check_field("field", source)
    return FieldGroup(source, name or source)


def bucket(unit: str, source: str, tz: str, name: str | None) -> BucketGroup:
    """Build a time bucket.

    Raises:
        DefinitionError: the time zone is unknown.
    """
    if unit not in _UNITS:
        raise DefinitionError(f"unknown unit of time {unit!r}: one of {', '.join(_UNITS)}")
    check_field(unit, source)
    return BucketGroup(source, name or unit, unit, time_zone(tz))


@cache
def time_zone(tz: str) -> tzinfo:
    """Return a time zone by its IANA name.

    Raises:
        DefinitionError: it is unknown.
    """
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise DefinitionError(f"unknown time zone {tz!r}") from error


def minute(source: str, *, tz: str = "UTC", name: str | None = None) -> BucketGroup:
    """Group by the minute of a time field; the row's attribute is ``minute``, or ``name``."""
    return bucket("minute", source, tz, name)


def hour(source: str, *, tz: str = "UTC", name: str | None = None) -> BucketGroup:
    """Group by the hour of a time field; the row's attribute is ``hour``, or ``name``."""
    return bucket("hour", source, tz, name)


def day(source: str, *, tz: str = "UTC", name: str | None = None) -> BucketGroup:
    """Group by the day of a time field; the row's attribute is ``day``, or ``name``."""
    return bucket("day", source, tz, name)


def week(source: str, *, tz: str = "UTC", name: str | None = None) -> BucketGroup:
    """Group by the ISO week (Monday to Sunday) of a time field; the row's attribute is ``week``, or ``name``."""
    return bucket("week", source, tz, name)


def month(source: str, *, tz: str = "UTC", name: str | None = None) -> BucketGroup:
    """Group by the month of a time field; the row's attribute is ``month``, or ``name``."""
    return bucket("month", source, tz, name)
