"""Local time: from a zone's clock to instants and back, around every change of the clock.

When clocks go forward, local times are skipped; when they go back, local times occur twice. A day may begin in a gap
(Cairo 2024-04-26 begins at 01:00), be missing altogether (Apia 2011-12-30), or be interrupted by the next one (until
2011, clocks in St. John's went back at 00:01).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

_SECOND, _MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """Return a moment in a zone; without an offset, it is local time of the zone.

    A time that the clocks skip is read with the offset before the gap (RFC 5545, section 3.3.5): 02:30 is 03:30.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(zone)
    early, late = moment.replace(tzinfo=zone, fold=0), moment.replace(tzinfo=zone, fold=1)
    if _offset(early) < _offset(late):
        return early.astimezone(UTC).astimezone(zone)
    return late if moment.fold else early


@lru_cache(maxsize=16_384)
def span(label: str, length: timedelta, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the start and end (UTC) of an hour or minute, given its first local time with its offset.

    If the clock changes within it, the bucket is the part in which the zone has the label's offset.

    Raises:
        ValueError: the zone has this offset at no time of the bucket, or the label is not a time with an offset.
        OverflowError: the bucket extends past the calendar.
    """
    first = datetime.fromisoformat(label)
    start = first.astimezone(UTC)
    end = start + length
    before, after = _offset(start.astimezone(zone)), _offset((end - _MICROSECOND).astimezone(zone))
    if before == after == first.utcoffset():
        return start, end
    if first.utcoffset() not in (before, after) or before == after:
        raise ValueError(f"{label} is not a time of {zone}")
    change = _clock_change(start, end, zone)
    return (start, change) if before == first.utcoffset() else (change, end)


def first_instant(local: datetime, zone: tzinfo) -> datetime:
    """Return the first instant (UTC) at which a zone's clock shows a local time, or has passed it if it is skipped.

    Raises:
        OverflowError: it is outside the calendar.
    """
    early, late = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return early if early <= late else _clock_change(late, early, zone)


def day_start(day: date, zone: tzinfo) -> datetime:
    """Return the first instant (UTC) of a local day; for a day that the clocks skip, the instant at which they do.

    Raises:
        OverflowError: it is before the calendar.
    """
    early, late = _midnights(day, zone)
    return early if early <= late else _clock_change(late, early, zone)


def day_end(day: date, zone: tzinfo) -> datetime:
    """Return the instant (UTC) after the last one of a local day.

    Raises:
        OverflowError: it is after the calendar.
    """
    early, late = _midnights(day + timedelta(days=1), zone)
    if early > late:
        return _clock_change(late, early, zone)
    # midnight occurs twice: the second one ends this day only if the clocks went back into this day
    return late if (late - _MICROSECOND).astimezone(zone).date() == day else early


def constant_parts(start: datetime, end: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """Yield the first and last microsecond of each part of a day in which the zone's offset is constant."""
    last = end - _MICROSECOND
    if start > last:
        return
    if _offset(start.astimezone(zone)) == _offset(last.astimezone(zone)):
        yield start, last
        return
    change = _clock_change(start, last, zone)
    yield start, change - _MICROSECOND
    yield change, last


def _midnights(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return midnight with the offset before and after a change of the clock there; in a gap, the later one first."""
    midnight = datetime.combine(day, time.min, zone)
    return midnight.astimezone(UTC), midnight.replace(fold=1).astimezone(UTC)


def _clock_change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Return the second at which a zone's offset changes, given instants (UTC) with the old and the new offset."""
    old = _offset(before.astimezone(zone))
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        if middle <= before:
            middle += _SECOND
        if _offset(middle.astimezone(zone)) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()
