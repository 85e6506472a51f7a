"""Time ranges as given in a request, and the bucket labels they cover."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import MINYEAR, UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import dropwhile

from msgspec import Struct
from msgspec.structs import force_setattr

from tailrace.definition.groups.buckets import BucketGroup, clock_label
from tailrace.definition.times.calendar_units import date_label, first_day, last_day
from tailrace.definition.times.clocks import constant_parts, day_end, day_start, in_zone, span
from tailrace.encoding.times import EXPECTED_FORM, TEXT_OF_NUMBER, TimeFormatError, check_leap_second, read_time
from tailrace.errors import InvalidMessage

_PERIODS = (
    ("month", re.compile(r"[0-9]{4}-[0-9]{2}", re.ASCII)),
    ("quarter", re.compile(r"[0-9]{4}-Q[1-4]", re.ASCII)),
    ("year", re.compile(r"[0-9]{4}", re.ASCII)),
)
_WEEK, _ORDINAL_DATE = re.compile(r"[0-9]{4}-?W[0-9]{2}", re.ASCII), re.compile(r"[0-9]{4}-?[0-9]{3}", re.ASCII)
_MIN_DAYS = {"day": 1, "week": 7, "month": 28, "quarter": 90, "year": 365}
_LONG_UNITS = ("week", "month", "quarter", "year")
_DAY = timedelta(days=1)

# Longer than any backward clock change in the time zone database: a zone that crosses the date line repeats a day.
_CLOCK_CHANGE_HORIZON = timedelta(hours=26)


class BucketRange(Struct, frozen=True):
    """The buckets from ``first`` to ``last``, inclusive; None leaves an end open.

    An end is a label or, for buckets within a day, also a date. Labels are compared by time, dates by the bucket's own
    date: where clocks go back over midnight, an hour of a day follows the first hour of the next one. A range from the
    first hour of the next day to that hour has both days.
    """

    bucket: BucketGroup
    first: str | None
    last: str | None

    def __post_init__(self) -> None:
        first, last = self.first or "", self.last or ""
        if last and "T" not in first + last and first > last:
            force_setattr(self, "first", last)
            force_setattr(self, "last", first)

    def contains(self, label: str) -> bool:
        """Return whether a bucket is in the range."""
        return (self.first is None or self._compare(self.first, label) <= 0) and (
            self.last is None or self._compare(self.last, label) >= 0
        )

    def _compare(self, end: str, label: str) -> int:
        """Return a number below, equal to or above 0 if the end is before, at or after the bucket."""
        if "T" not in end:
            day = label[: len(end)]
            return (end > day) - (end < day)
        limit, start = bounds(self.bucket, end)[0], bounds(self.bucket, label)[0]
        return (limit > start) - (limit < start)

    def labels(self, *, start: str | None = None, descending: bool = False) -> Iterator[str]:
        """Yield the label of each bucket by date, then by time, from ``start`` on; both ends must be given."""
        if self.first is None or self.last is None:
            raise ValueError("the buckets of an open range cannot be listed")
        first, last = map(_date, self.key_bounds())
        earliest = bounds(self.bucket, self.first)[0] if "T" in self.first else datetime.min.replace(tzinfo=UTC)
        latest = bounds(self.bucket, self.last)[0] if "T" in self.last else datetime.max.replace(tzinfo=UTC)
        from_day, to_day = first, last
        if start is not None:
            from_day, to_day = (first, _date(start)) if descending else (_date(start), last)
        for day in _days(from_day, to_day, self.bucket.unit, descending=descending):
            labels = _labels_of(self.bucket, day, earliest, latest)
            if descending:
                labels.reverse()
            if start is not None and day == _date(start):
                labels = list(dropwhile(lambda label: label != start, labels))
            yield from labels

    def max_bucket_count(self) -> int:
        """Return an upper bound of the number of buckets; both ends must be given."""
        if self.first is None or self.last is None:
            raise ValueError("the buckets of an open range cannot be counted")
        start, end = bounds(self.bucket, self.first)[0], bounds(self.bucket, self.last)[1]
        shortest = self.bucket.length or _MIN_DAYS[self.bucket.unit] * _DAY
        return -((start - end) // shortest)

    def key_bounds(self) -> tuple[str, str]:
        """Return lower and upper bounds for sort keys that start with a label of this range.

        When clocks go back, local times do not sort chronologically: the bounds then include a few more labels, which
        :meth:`contains` excludes.
        """
        return self._low(), self._high()

    def _low(self) -> str:
        if self.first is None or "T" not in self.first:
            return self.first or "0"
        start = bounds(self.bucket, self.first)[0]
        return _shifted(self.first, -_disorder(self.bucket, start, _CLOCK_CHANGE_HORIZON))

    def _high(self) -> str:
        # "~" sorts after a label's offset and after the "#" before the next group
        if self.last is None or "T" not in self.last:
            return f"{self.last or ''}~"
        start = bounds(self.bucket, self.last)[0]
        return f"{_shifted(self.last, _disorder(self.bucket, start, -_CLOCK_CHANGE_HORIZON))}~"


def _date(label: str) -> date:
    """Return the first date of a bucket, a date or a bound for sort keys."""
    return first_day(label.rstrip("~"))


def _days(first: date, last: date, unit: str, *, descending: bool) -> Iterator[date]:
    """Yield the dates from ``first`` to ``last``; for weeks and longer buckets, those on which one begins."""
    if unit not in _LONG_UNITS:
        numbers = range(first.toordinal(), last.toordinal() + 1)
        yield from map(date.fromordinal, reversed(numbers) if descending else numbers)
        return
    day = first_day(date_label(last if descending else first, unit))
    with suppress(OverflowError):  # at the end of the calendar
        while first <= day <= last:
            yield day
            day = first_day(date_label(day - _DAY if descending else last_day(day.isoformat(), unit) + _DAY, unit))


def _labels_of(bucket: BucketGroup, day: date, earliest: datetime, latest: datetime) -> list[str]:
    """Return the labels of the buckets within a day in time order, and of a longer bucket its label on its first day.

    Of those within a day, these are the ones that begin from ``earliest`` to ``latest``.
    """
    length = bucket.length
    if length is None:
        label = date_label(day, bucket.unit)
        start, end = bounds(bucket, label)
        return [label] if _date(label) == day and start < end else []
    labels = []
    for first, last in constant_parts(*bounds(bucket, day.isoformat()), bucket.zone):
        if first > latest:
            break
        local = datetime.fromisoformat(bucket.label(first))
        if first < earliest:  # a bucket that the part cuts off begins with the part
            local -= (local - earliest) // length * length
        with suppress(OverflowError):  # at the end of the calendar
            for _ in range((min(last, latest) - local) // length + 1):
                if local.date() == day:
                    labels.append(clock_label(local, bucket.unit))
                local += length
    return labels


@lru_cache(maxsize=16_384)
def bounds(bucket: BucketGroup, text: str) -> tuple[datetime, datetime]:
    """Return the start and end (UTC) of a label or date; those that are outside the calendar are cut off."""
    if "T" not in text:
        last = last_day(text, "day" if bucket.is_within_day else bucket.unit)
        try:
            start = day_start(_date(text), bucket.zone)
        except OverflowError:
            start = datetime.min.replace(tzinfo=UTC)
        try:
            end = day_end(last, bucket.zone)
        except OverflowError:  # the last instant that both UTC and the zone can name
            end = _cut_off(datetime.max.replace(tzinfo=bucket.zone))
        return start, end
    try:
        length = bucket.length
        return span(text, length, bucket.zone) if length else (bucket.start(text), bucket.end(text))
    except ValueError:  # stored under other rules of the time zone
        start = datetime.fromisoformat(text)
        return start, start
    except OverflowError:
        first = datetime.fromisoformat(text)
        last_start = datetime.max.replace(tzinfo=first.tzinfo) - (bucket.length or _DAY)
        return _cut_off(first), _cut_off(min(first, last_start) + (bucket.length or _DAY))


def _cut_off(moment: datetime) -> datetime:
    """Return a moment in UTC, or the end of the calendar beyond which it is."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if moment.year == MINYEAR else datetime.max.replace(tzinfo=UTC)


def _disorder(bucket: BucketGroup, start: datetime, reach: timedelta) -> timedelta:
    """Return how far back local times go within reach of an instant; zero if the clocks do not go back.

    The bucket after the change has its label from the local time at which it would have begun, up to its length before.
    """
    try:
        moments = sorted((start, start + reach))
        before, after = (moment.astimezone(bucket.zone).utcoffset() or timedelta() for moment in moments)
    except OverflowError:  # within two days of either end of the calendar, where no clock changes
        return timedelta()
    return before - after + (bucket.length or timedelta()) if before > after else timedelta()


def local_text(label: str) -> str:
    """Return a label's local time without its offset; other labels and dates have none."""
    return re.sub(r"[-+][0-9:]+$", "", label) if "T" in label else label


def _shifted(label: str, shift: timedelta) -> str:
    """Return a label's local time, shifted, without its offset."""
    local = local_text(label)
    return (datetime.fromisoformat(local) + shift).isoformat(timespec="seconds")[: len(local)]


def bucket_range(bucket: BucketGroup, first: str | None, last: str | None) -> BucketRange:
    """Return the buckets from the start of ``first`` to the end of ``last``.

    Each is an instant (``2013-01-01T05:00:00-05:00``; without an offset, in the bucket's time zone), a date, a week, a
    month, a quarter, a year, or a bucket's label.

    Raises:
        InvalidMessage: one of them is malformed, or ``first`` is after ``last``.
    """
    start = None if first is None else range_ends(bucket, first)[0]
    end = None if last is None else range_ends(bucket, last)[1]
    if start is not None and end is not None and _is_after(bucket, start, end):
        raise InvalidMessage(f"from={first} is after to={last}")
    return BucketRange(bucket, start, end)


def _is_after(bucket: BucketGroup, first: str, last: str) -> bool:
    if "T" not in first + last and first <= last:
        return False
    return bounds(bucket, first)[0] >= bounds(bucket, last)[1]


def range_ends(bucket: BucketGroup, text: str) -> tuple[str, str]:
    """Return the ends of a :class:`BucketRange` that covers an instant, a date, a week, a month, a quarter or a year.

    Raises:
        InvalidMessage: the text is none of these.
    """
    try:
        days = _dates(text)
        if days is not None:
            first, last = (day.isoformat() if bucket.is_within_day else date_label(day, bucket.unit) for day in days)
            return first, last
        return _label_at(bucket, text)
    except (ValueError, OverflowError) as error:
        # every parameter is a text, so none can become a number
        found = EXPECTED_FORM if str(error) == TEXT_OF_NUMBER else error
        reason = f" ({found})" if isinstance(error, TimeFormatError) else ""
        raise InvalidMessage(f"not a time, date or month: {text[:60]!r}{reason}") from error


def bucket_label(bucket: BucketGroup, text: str) -> str:
    """Return the label of the only bucket of a label, an instant, a date, a week, a month, a quarter or a year.

    Raises:
        InvalidMessage: the text is none of these, or has several buckets.
    """
    first, last = range_ends(bucket, text)
    if first != last or (bucket.is_within_day and "T" not in first):
        raise InvalidMessage(f"{text} spans more than one {bucket.noun}: use from and to")
    return first


def _label_at(bucket: BucketGroup, text: str) -> tuple[str, str]:
    # an unescaped "+" in a query string arrives as a space
    text = re.sub(r"(:[0-9]{2}(?:[.,][0-9]+)?) ([0-9]{2}:?[0-9]{2})$", r"\1+\2", text)
    if bucket.is_within_day and _is_label(bucket, text):
        return text, text
    moment = read_time(text)
    check_leap_second(text, in_zone(moment, bucket.zone))
    return bucket.label(moment.replace(fold=0)), bucket.label(moment.replace(fold=1))


def _is_label(bucket: BucketGroup, text: str) -> bool:
    """Tell whether a text is a label whose bucket exists; read as an instant, it may be in the bucket before."""
    try:
        return bucket.label(bucket.start(text)) == text
    except (ValueError, OverflowError):
        return False


def _dates(text: str) -> tuple[date, date] | None:
    for unit, form in _PERIODS:
        if form.fullmatch(text):
            return first_day(text), last_day(text, unit)
    if _WEEK.fullmatch(text):
        first = read_time(text).date()
        return first, last_day(first.isoformat(), "week")
    try:
        day = read_time(text).date() if _ORDINAL_DATE.fullmatch(text) else date.fromisoformat(text)
    except ValueError:
        return None
    return day, day
