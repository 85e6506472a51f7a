"""Windows: the time that a moving sum reaches back from the end of a bucket.

Seconds, minutes and hours are counted as they pass, so that a window of 24 hours has 24 hours in every night. Days,
weeks, months, quarters and years are those of the clock and the calendar: the window of a day that ends at 10:00 begins
at 10:00 of the day before. A window has the buckets that begin within it. The window of a day, or of a longer bucket,
has the buckets of its dates, even where another day interrupts one of these.
"""

import re
from datetime import UTC, date, datetime, time, timedelta

from msgspec import Struct
from msgspec.structs import replace

from tailrace.definition.groups.buckets import CLOCK_UNITS, DAY, BucketGroup
from tailrace.definition.times.calendar_units import date_label, first_day, last_day
from tailrace.definition.times.clocks import first_instant
from tailrace.errors import InvalidMessage
from tailrace.queries.time_ranges import BucketRange, bounds

MAX_WINDOW_BUCKETS = 10_000
"""The most buckets in a window."""

WITHOUT_WINDOW = "a window adds up sums; order measures and counts of items in several buckets are not sums"
"""Why some measures have no moving sums."""

_FORM = re.compile(r"([0-9]{1,6})(s|min|h|d|w|mo|q|y)", re.ASCII)
_CLOCK = {"s": "second", "min": "minute", "h": "hour"}
_DAYS = {"d": 1, "w": 7}
_MONTHS = {"mo": 1, "q": 3, "y": 12}
_MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}
_EXAMPLES = {"day": "7d", "week": "4w", "month": "12mo", "quarter": "4q", "year": "5y"}


class Window(Struct, frozen=True):
    """The length of a window: an elapsed time, a number of days, or a number of months; the others are 0."""

    text: str
    elapsed: timedelta = timedelta()
    days: int = 0
    months: int = 0

    def ends(self, step: BucketGroup, label: str) -> tuple[datetime, datetime]:
        """Return where the window that ends with a bucket begins, and where it ends, both as :func:`position`.

        Raises:
            OverflowError: it begins before the calendar.
        """
        if step.is_within_day:
            end = bounds(step, label)[1]
            if self.elapsed:
                return end - self.elapsed, end
            local = end.astimezone(step.zone).replace(tzinfo=None, fold=0) - self.days * DAY
            return first_instant(local, step.zone), end
        last = last_day(label, step.unit)
        if self.months:
            first = _months_before(first_day(label), self.months - _MONTHS_OF[step.unit])
        else:
            first = last - (self.days - 1) * DAY
        return datetime.combine(first, time.min, UTC), datetime.combine(last, time.max, UTC)


def position(bucket: BucketGroup, label: str, step: BucketGroup) -> datetime:
    """Return where a stored bucket is in time: when it begins; for the windows of days and longer, its first date."""
    return bounds(bucket, label)[0] if step.is_within_day else datetime.combine(first_day(label), time.min, UTC)


def stored_range(bucket: BucketGroup, start: datetime, end: datetime, step: BucketGroup) -> BucketRange:
    """Return the stored buckets between two positions, the second one excluded."""
    last = end - datetime.resolution
    if step.is_within_day:
        return BucketRange(bucket, bucket.label(start), bucket.label(last))
    if bucket.is_within_day:
        return BucketRange(bucket, start.date().isoformat(), last.date().isoformat())
    return BucketRange(bucket, *(date_label(moment.date(), bucket.unit) for moment in (start, last)))


def parse_window(text: str, step: BucketGroup) -> Window:
    """Return the window of a text such as ``24h``, for buckets of ``step``.

    Raises:
        InvalidMessage: it is not a window, or not a whole number of these buckets.
    """
    found = _FORM.fullmatch(text)
    if found is None or not int(found[1]):
        raise InvalidMessage(
            f"window must be a number with a unit (s, min, h, d, w, mo, q or y), such as 24h or 7d, not {text[:20]!r}"
        )
    number, unit = int(found[1]), found[2]
    window = Window(text)
    if unit in _CLOCK:
        window = replace(window, elapsed=CLOCK_UNITS[_CLOCK[unit]] * number)
    elif unit in _DAYS:
        window = replace(window, days=_DAYS[unit] * number)
    else:
        window = replace(window, months=_MONTHS[unit] * number)
    buckets = _buckets_in(window, step)
    if buckets is None:
        example = "24h or 7d" if step.length is not None else _EXAMPLES[step.unit]
        raise InvalidMessage(f"window={text} is not a whole number of {step.plural}: give one such as {example}")
    if buckets > MAX_WINDOW_BUCKETS:
        raise InvalidMessage(f"window={text} has more than {MAX_WINDOW_BUCKETS} {step.plural}")
    return window


def _buckets_in(window: Window, step: BucketGroup) -> int | None:
    """Return how many buckets a window has, about; None if it does not have a whole number of them."""
    if step.length is not None:
        length = window.elapsed or window.days * DAY
        return None if window.months or length % step.length else length // step.length
    if step.unit in ("day", "week"):
        per_bucket = 1 if step.unit == "day" else _DAYS["w"]
        return None if not window.days or window.days % per_bucket else window.days // per_bucket
    per_bucket = _MONTHS_OF[step.unit]
    return None if not window.months or window.months % per_bucket else window.months // per_bucket


def _months_before(day: date, months: int) -> date:
    count = day.year * 12 + day.month - 1 - months
    if count < 12:  # noqa: PLR2004 - January of the year 1
        raise OverflowError
    return day.replace(year=count // 12, month=count % 12 + 1)
