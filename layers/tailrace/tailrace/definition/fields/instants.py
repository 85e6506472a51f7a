"""Times in items: what a field must hold to be read as a time, and time zones by name."""

from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_FLOOR, Context, Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from tailrace.definition.fields import clocks
from tailrace.definition.fields.paths import field_path
from tailrace.encoding.times import LAST_MICROSECOND, TimeFormatError, check_leap_second, read_time
from tailrace.errors import DefinitionError, InvalidItem, Violation

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = Decimal("0.000001")
_FLOOR = Context(prec=20, rounding=ROUND_FLOOR)  # the last microsecond of the year 9999 has 18 digits


def parse_instant(value: Any, zone: tzinfo, source: str) -> datetime:
    """Parse a field's value as a time in the zone: an ISO 8601 string, or a number of seconds since the epoch.

    Raises:
        InvalidItem: the value is not a time.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise time_error(value, source)
    try:
        if not isinstance(value, str):
            return _from_epoch(value).astimezone(zone)
        moment = read_time(value)
        moment = moment.astimezone(zone) if moment.tzinfo is not None else clocks.in_zone(moment, zone)
        if moment.microsecond == LAST_MICROSECOND:
            check_leap_second(value, moment)
    except (ValueError, ArithmeticError) as error:
        raise time_error(value, source, error) from error
    return moment


def _from_epoch(seconds: int | Decimal) -> datetime:
    # round down, as fromisoformat does: rounding to nearest would move an hour's last moment into the next hour
    microseconds = seconds * 1_000_000 if isinstance(seconds, int) else _FLOOR.quantize(seconds, _MICROSECOND).scaleb(6)
    return _EPOCH + timedelta(microseconds=int(microseconds))


def time_error(value: Any, source: str, reason: Exception | None = None) -> InvalidItem:
    """Return the error for a value that is not a time."""
    told = f" ({reason})" if isinstance(reason, TimeFormatError) else ""
    return InvalidItem([Violation(field_path(source).pointer, "time", f"not a time: {str(value)[:40]!r}{told}")])


@cache
def time_zone(tz: str) -> tzinfo:
    """Return the time zone with this IANA name.

    Raises:
        DefinitionError: the name is unknown.
    """
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise DefinitionError(f"unknown time zone {tz!r}; use an IANA name such as 'Europe/Berlin'") from error
