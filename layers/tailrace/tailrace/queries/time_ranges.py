"""Stretches of time as a reader names them, and the labels of the buckets that they cover."""

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

# Longer than any step back of a clock that the time zone database knows of since 1970.
_CLOCK_CHANGE_HORIZON = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class BucketRange:
    """The buckets from ``first`` to ``last``, by their labels, both included; None leaves an end open."""

    bucket: BucketGroup
    first: str | None
    last: str | None

    def contains(self, label: str) -> bool:
        """Tell whether a bucket is in the window, by time, not by the text of its label."""
        order = _time_order(self.bucket, label)
        after = self.first is None or _time_order(self.bucket, self.first) <= order
        return after and (self.last is None or order <= _time_order(self.bucket, self.last))

    def labels(self) -> Iterator[str]:
        """Yield the label of each bucket, in the order of time; the window has both ends.

        The last hours that a calendar can hold end it, too.
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
        """Return a number of buckets that is not below the window's; the window has both ends."""
        if self.first is None or self.last is None:
            raise ValueError("a window with an open end has no number of buckets")
        start, end = (
            datetime.fromisoformat(label if self._is_within_a_day() else f"{label}-01"[: len("YYYY-MM-DD")])
            for label in (self.first, self.last)
        )
        return int((end - start) / _MIN_DURATION[self.bucket.unit]) + 1

    def key_bounds(self) -> tuple[str, str]:
        """Return two texts between which the labels sort, and with them whatever follows a label in a sort key.

        Where clocks go back, local times sort otherwise than time does: the bounds then take in some more, which
        :meth:`contains` leaves out again.
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
        # "~" sorts after the offset of a label and after the "#" that comes before another group
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
    """Return by how much clocks go back within the horizon after (or before) a label; nothing if they do not."""
    try:
        moment = datetime.fromisoformat(label)
        early, late = sorted((moment, moment + horizon))
        before, after = (found.astimezone(bucket.zone).utcoffset() or timedelta() for found in (early, late))
    except OverflowError:  # within hours of the first or the last day of the calendar
        return timedelta()
    return max(before - after, timedelta())


def _shifted(label: str, shift: timedelta) -> str:
    shifted = datetime.fromisoformat(label).replace(tzinfo=None) + shift
    return shifted.isoformat(timespec="minutes")


def bucket_range(bucket: BucketGroup, first: str | None, last: str | None) -> BucketRange:
    """Return the buckets from the one that holds the beginning of ``first`` to the one that holds the end of ``last``.

    Both are instants (``2013-01-01T05:00:00-05:00``, without an offset in the bucket's time zone), dates, or months.

    Raises:
        InvalidMessage: one of them is no time, or they are in the wrong order.
    """
    start = None if first is None else bucket_bounds(bucket, first)[0]
    end = None if last is None else bucket_bounds(bucket, last)[1]
    if start is not None and end is not None and _time_order(bucket, start) > _time_order(bucket, end):
        raise InvalidMessage(f"from={first} is after to={last}")
    return BucketRange(bucket, start, end)


def bucket_bounds(bucket: BucketGroup, text: str) -> tuple[str, str]:
    """Return the labels of the first and the last bucket of an instant, a date or a month.

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
    # the "+" of an offset that was not escaped in the address has become a space
    moment = datetime.fromisoformat(re.sub(r"(?<=:[0-9]{2}) (?=[0-9]{2}:?[0-9]{2}$)", "+", text))
    return moment.replace(fold=0), moment.replace(fold=1)


def _whole_days(first: date, last: date) -> tuple[datetime, datetime]:
    # where the clock shows an hour twice, the earlier one begins the day and the later one ends it
    return datetime.combine(first, time.min), datetime.combine(last, time.max).replace(fold=1)
