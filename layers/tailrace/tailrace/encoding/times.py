"""Times as text: RFC 3339, and ISO 8601 as far as it names a point in time. A text that is not read has a reason."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

_FORM = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d|\d{8}|\d{4}-W\d\d(?:-\d)?|\d{4}W\d\d\d?|(?P<year>\d{4})-?(?P<day>\d{3}))"
    r"(?:[Tt ](?P<hour>\d\d)(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d))?)?(?:[.,](?P<fraction>\d+))?"
    r" ?(?:(?P<utc>[Zz])|(?P<sign>[-+\N{MINUS SIGN}])(?P<hours>\d\d)(?::?(?P<minutes>\d\d))?)?)?",
    re.ASCII,
)
_COMMON_FORM = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[-+]\d\d:[0-5]\d(?::[0-5]\d)?)?)?", re.ASCII
)
"""What Python reads as ISO 8601 does; of other forms it accepts too much, such as 10:000Z."""

_MAX_ZONE_HOURS, _MAX_MINUTES, _LEAP_SECOND, _END_OF_DAY = 23, 59, 60, 24
LAST_MICROSECOND = 999_999
"""The last microsecond of a second; leap seconds are read as this one."""

MAX_EPOCH_SECOND = 253_402_300_799
"""The last second of the year 9999, since 1970. A number of milliseconds since then has been greater since 1978."""

_MAX_FRACTION_DIGITS = 30
_MAX_EXPLAINED = 100

TEXT_OF_NUMBER = "seconds since 1970 must be a number, not a text"
EXPECTED_FORM = "expected ISO 8601, such as 2024-06-01T10:00:00Z"
"""The reasons of a text that has only digits, and of one that has no form for which there is another reason."""

_REASONS = (
    (r"\s.*|.*\s", "it begins or ends with a space"),
    (r".*\[.*\]", "a zone in brackets (RFC 9557) is not read; leave it out"),
    (r"\d{4}(-\d\d)?", "ISO 8601: a point in time has a full date"),
    (r"\d{12}|\d{14}", "ISO 8601: a T separates date and time"),
    (r"[-+]?\d+(\.\d+)?", TEXT_OF_NUMBER),
    (r"[-+]\d{5,}-.*", "ISO 8601: a year has four digits, unless sender and recipient agree on more"),
    (r"\d{4}/\d\d?/\d\d?\b.*", "ISO 8601: a date is written with hyphens, as in 2024-06-01"),
    (r"\d\d?([./])\d\d?\1\d{2,4}\b.*", "ISO 8601: a date begins with the year, as in 2024-06-01"),
    (r"\d{4}-(\d-\d\d?|\d\d-\d)\b.*", "ISO 8601: month and day have two digits, as in 2024-06-01"),
    (r"\d{4}-\d\d-\d\d ?([Zz]|[+-]\d\d:?(\d\d)?)", "ISO 8601: an offset follows a time, not a date"),
    (r"\d{4}-?\d\d-?\d\d[Tt ]\d.* ?[A-Za-z]{3,}.*", "RFC 3339: an offset is Z or like +02:00, not the name of a zone"),
    (r"P.*|.*/.*", "ISO 8601: a duration or interval is not a point in time"),
    (r"[Tt]?\d\d:.*", "ISO 8601: a point in time has a date"),
    (r".*[+-]\d\d:?\d\d:?\d\d", "RFC 3339: an offset has hours and minutes"),
)


class TimeFormatError(ValueError):
    """A text that is not a time, with the rule that it breaks."""


def read_time(text: str) -> datetime:
    """Return the time that a text names; without an offset, it is naive.

    A leap second is the last microsecond of its minute; :func:`check_leap_second` tells whether it can be one.
    Fractions below a microsecond are truncated.

    Raises:
        TimeFormatError: the text is not a time.
    """
    try:
        if _COMMON_FORM.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    return _read_strictly(text)


def check_leap_second(text: str, moment: datetime) -> None:
    """Check that a time with an offset is not second 60 of a minute that cannot have one.

    Raises:
        TimeFormatError: it is.
    """
    found = _FORM.fullmatch(text) if moment.microsecond == LAST_MICROSECOND else None
    if found is None or found["second"] != str(_LEAP_SECOND):
        return
    following = moment.astimezone(UTC) + timedelta(microseconds=1)
    if (following.day, following.hour, following.minute) != (1, 0, 0):
        raise TimeFormatError("RFC 3339: second 60 is a leap second, which only 23:59 UTC at the end of a month has")


def _read_strictly(text: str) -> datetime:
    found = _FORM.fullmatch(text)
    if found is None:
        raise TimeFormatError(_reason(text))
    try:
        day = datetime.combine(_date(found), datetime.min.time(), _zone(found))
        hour, minute, second, microseconds = _clock(found)
        if hour != _END_OF_DAY:
            return day.replace(hour=hour, minute=minute, second=second) + timedelta(microseconds=microseconds)
        if (minute, second, microseconds) == (0, 0, 0):
            return day + timedelta(days=1)
    except TimeFormatError:
        raise
    except (ValueError, OverflowError) as error:
        raise TimeFormatError(f"ISO 8601: {error}") from error
    raise TimeFormatError("ISO 8601: hour 24 is only possible as 24:00:00, the end of the day")


def _clock(found: re.Match[str]) -> tuple[int, int, int, int]:
    """Return hour, minute, second and microseconds; a fraction belongs to the last element given (ISO 8601)."""
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    if second == _LEAP_SECOND:
        return hour, minute, _MAX_MINUTES, LAST_MICROSECOND
    unit = 1_000_000 * (1 if found["second"] else 60 if found["minute"] else 3600)
    digits = (found["fraction"] or "0")[:_MAX_FRACTION_DIGITS]
    return hour, minute, second, int(digits) * unit // 10 ** len(digits)


def _date(found: re.Match[str]) -> date:
    if not found["day"]:
        try:
            return date.fromisoformat(found["date"])
        except ValueError as error:
            raise ValueError("there is no such week" if "W" in found["date"] else str(error)) from error
    first = date(int(found["year"]), 1, 1)
    day = first + timedelta(days=int(found["day"]) - 1)
    if day.year != first.year:
        raise ValueError(f"the year {first.year} has no day {found['day']}")
    return day


def _zone(found: re.Match[str]) -> timezone | None:
    if found["utc"]:
        return UTC
    if not found["sign"]:
        return None
    hours, minutes = int(found["hours"]), int(found["minutes"] or 0)
    if hours > _MAX_ZONE_HOURS or minutes > _MAX_MINUTES:
        raise TimeFormatError("RFC 3339: an offset is at most 23:59")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(offset if found["sign"] == "+" else -offset)


def _reason(text: str) -> str:
    text = text if len(text) <= _MAX_EXPLAINED else ""  # an item may hold 400 KB, and some patterns backtrack
    for pattern, reason in _REASONS:
        if re.fullmatch(pattern, text, re.ASCII | re.DOTALL):
            return reason
    return EXPECTED_FORM
