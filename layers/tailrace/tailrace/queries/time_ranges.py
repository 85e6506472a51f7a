"""Time ranges as given in a request, and the bucket labels they cover."""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from tailrace.definition.groups import BucketGroup
from tailrace.errors import InvalidMessage

_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})", re.ASCII)
_WITHIN_A_DAY = ("minute", "hour")
_MIN_DURATION = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=28),
}

# Longer than any backward clock change since 1970 in the time zone database.
_CLOCK_CHANGE_HORIZON = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class BucketRange:
    """The buckets from label ``first`` to label ``last``, inclusive; None leaves an end open."""

    bucket: BucketGroup
    first: str | None
    last: str | None

    def contains(self, label: str) -> bool:
        """Return whether a bucket is in the range, compared by time, not by label."""
        order = _time_order(self.bucket, label)
        after = self.first is None or _time_order(self.bucket, self.first) <= order
        return after and (self.last is None or order <= _time_order(self.bucket, self.last))

    def labels(self) -> Iterator[str]:
        """Yield the label of each bucket in time order; both ends must be given.

        Stops at the end of the calendar.
        """
        label = self.first
        while (
            label is not None
            and self.last is not None
            and _time_order(self.bucket, label) <= _time_order(self.bucket, self.last)
        ):
            yield label
            try:
                label = self.bucket.label(self.bucket.end(label))
            except (ValueError, OverflowError):
                return

    def max_bucket_count(self) -> int:
        """Return an upper bound of the number of buckets; both ends must be given."""
        if self.first is None or self.last is None:
            raise ValueError("the buckets of an open range cannot be counted")
        start, end = (
            datetime.fromisoformat(label if self._is_within_a_day() else f"{label}-01"[: len("YYYY-MM-DD")])
            for label in (self.first, self.last)
        )
        return int((end - start) / _MIN_DURATION[self.bucket.unit]) + 1

    def key_bounds(self) -> tuple[str, str]:
        """Return lower and upper bounds for sort keys that start with a label of this range.

        When clocks go back, local times do not sort chronologically: the bounds then include a few more labels, which
        :meth:`contains` excludes.
        """
        return self._low(), self._high()

    def _low(self) -> str:
        if self.first is None:
            return "0"
        return (
            self.first
            if not self._is_within_a_day()
            else _shifted(self.first, -_backward_step(self.bucket, self.first, _CLOCK_CHANGE_HORIZON))
        )

    def _high(self) -> str:
        # "~" sorts after a label's offset and after the "#" before the next group
        if self.last is None:
            return "~"
        label = self.last
        if self._is_within_a_day():
            label = _shifted(label, _backward_step(self.bucket, label, -_CLOCK_CHANGE_HORIZON))
        return f"{label}~"

    def _is_within_a_day(self) -> bool:
        return self.bucket.unit in _WITHIN_A_DAY


def _time_order(bucket: BucketGroup, label: str) -> Any:
    return datetime.fromisoformat(label) if bucket.unit in _WITHIN_A_DAY else label


def _backward_step(bucket: BucketGroup, label: str, horizon: timedelta) -> timedelta:
    """Return how far clocks go back within the horizon after (or, if negative, before) a label; zero if they do not."""
    try:
        moment = datetime.fromisoformat(label)
        early, late = sorted((moment, moment + horizon))
        before, after = (found.astimezone(bucket.zone).utcoffset() or timedelta() for found in (early, late))
    except OverflowError:  # within hours of either end of the calendar
        return timedelta()
    return max(before - after, timedelta())


def _shifted(label: str, shift: timedelta) -> str:
    shifted = datetime.fromisoformat(label).replace(tzinfo=None) + shift
    return shifted.isoformat(timespec="minutes")


def bucket_range(bucket: BucketGroup, first: str | None, last: str | None) -> BucketRange:
    """Return the buckets from the start of ``first`` to the end of ``last``.

    Each is an instant (``2013-01-01T05:00:00-05:00``; without an offset, in the bucket's time zone), a date or a month.

    Raises:
        InvalidMessage: one of them is malformed, or ``first`` is after ``last``.
    """
    start = None if first is None else bucket_bounds(bucket, first)[0]
    end = None if last is None else bucket_bounds(bucket, last)[1]
    if start is not None and end is not None and _time_order(bucket, start) > _time_order(bucket, end):
        raise InvalidMessage(f"from={first} is after to={last}")
    return BucketRange(bucket, start, end)


def bucket_bounds(bucket: BucketGroup, text: str) -> tuple[str, str]:
    """Return the labels of the first and last bucket of an instant, a date or a month.

    Raises:
        InvalidMessage: the text is none of these.
    """
    try:
        first, last = _instants(text)
        return bucket.label(first), bucket.label(last)
    except (ValueError, OverflowError) as error:
        raise InvalidMessage(f"not a time, date or month: {text[:60]!r}") from error


def _instants(text: str) -> tuple[datetime, datetime]:
    found = _MONTH.fullmatch(text)
    if found is not None:
        first = date(int(found[1]), int(found[2]), 1)
        return _whole_days(first, first.replace(day=calendar.monthrange(first.year, first.month)[1]))
    try:
        return _whole_days(date.fromisoformat(text), date.fromisoformat(text))
    except ValueError:
        pass
    # an unescaped "+" in a query string arrives as a space
    moment = datetime.fromisoformat(re.sub(r"(?<=:[0-9]{2}) (?=[0-9]{2}:?[0-9]{2}$)", "+", text))
    return moment.replace(fold=0), moment.replace(fold=1)


def _whole_days(first: date, last: date) -> tuple[datetime, datetime]:
    # if the clock shows an hour twice, the day starts with the first one and ends with the second
    return datetime.combine(first, time.min), datetime.combine(last, time.max).replace(fold=1)
