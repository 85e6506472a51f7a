"""Times in items: what a field must hold to be read as a time."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any

from tailrace.definition.fields.paths import field_path
from tailrace.definition.times import clocks
from tailrace.encoding.numbers import EXACT
from tailrace.encoding.times import LAST_MICROSECOND, TimeFormatError, check_leap_second, read_time
from tailrace.errors import DefinitionError, InvalidItem, Violation

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = Decimal("0.000001")
_FLOOR = Context(prec=20, rounding=ROUND_FLOOR)  # the last microsecond of the year 9999 has 18 digits

_UNLIKELY_YEAR = 2200
OUT_OF_RANGE = TimeFormatError("out of range: the years are 1 to 9999, in the time zone of the field as well")

EPOCH_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""The units of numbers since 1970, and how many of each make a second."""


def parse_instant(value: Any, zone: tzinfo, source: str, epoch_unit: str = "s") -> datetime:
    """Parse a field's value as a time in the zone: an ISO 8601 string, or a number of ``epoch_unit`` since 1970.

    Raises:
        InvalidItem: the value is not a time.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise not_a_time(value, source)
    try:
        if not isinstance(value, str):
            return _from_epoch(value, epoch_unit).astimezone(zone)
        moment = read_time(value)
        moment = moment.astimezone(zone) if moment.tzinfo is not None else clocks.in_zone(moment, zone)
        if moment.microsecond == LAST_MICROSECOND:
            check_leap_second(value, moment)
    except TimeFormatError as error:
        raise time_error(value, source, error) from error
    except (ValueError, ArithmeticError) as error:  # within a day of either end of the calendar, or far beyond
        reason = None if isinstance(value, str) else _other_unit(value, epoch_unit)
        raise time_error(value, source, reason or OUT_OF_RANGE) from error
    return moment


def _from_epoch(number: int | Decimal, unit: str) -> datetime:
    # round down, as fromisoformat does: rounding to nearest would move an hour's last moment into the next hour
    per_second = EPOCH_UNITS[unit]
    if isinstance(number, int):
        return _EPOCH + timedelta(microseconds=number * 1_000_000 // per_second)
    seconds = EXACT.divide(number, per_second)
    return _EPOCH + timedelta(microseconds=int(_FLOOR.quantize(seconds, _MICROSECOND).scaleb(6)))


def _other_unit(number: int | Decimal, unit: str) -> Exception | None:
    """Return why a number since 1970 is out of range if it would be a time in a finer unit."""
    for finer in list(EPOCH_UNITS)[list(EPOCH_UNITS).index(unit) + 1 :]:
        with suppress(ArithmeticError):
            if _from_epoch(number, finer).year < _UNLIKELY_YEAR:
                return TimeFormatError(f"in {unit} since 1970 it is out of range; in {finer} it would be a time")
    return None


def is_time(text: str) -> bool:
    """Tell whether a text is a time, in some zone."""
    try:
        read_time(text)
    except TimeFormatError:
        return False
    return True


def check_epoch_unit(context: str, unit: object) -> None:
    """Check that ``unit`` is a unit of numbers since 1970.

    Raises:
        DefinitionError: it is not.
    """
    if not isinstance(unit, str) or unit not in EPOCH_UNITS:
        raise DefinitionError(f"{context}: the unit of times must be one of {', '.join(EPOCH_UNITS)}, not {unit!r}")


def time_error(value: Any, source: str, reason: Exception | None = None) -> InvalidItem:
    """Return the error for a value that is not a time."""
    detail = f" ({reason})" if isinstance(reason, TimeFormatError) else ""
    return InvalidItem([Violation(field_path(source).pointer, "time", f"not a time: {str(value)[:40]!r}{detail}")])


def not_a_time(value: Any, source: str) -> InvalidItem:
    """Return the error for a value of another type than times have."""
    return time_error(value, source, TimeFormatError("expected a text, or a number since 1970"))
