"""Durations, such as ``days(90)``; with a time field, seconds, minutes and hours are groups: ``minutes(15, "at")``."""

from datetime import timedelta
from typing import Unpack, overload

from tailrace.definition.groups.buckets import BucketGroup, TimeOptions, bucket
from tailrace.errors import DefinitionError


def days(number: float) -> timedelta:
    """Return a duration of this many days, for ``keep=``.

    Raises:
        DefinitionError: the argument is not a number, or is too large.

    Example:
        >>> from tailrace import days
        >>> days(90)
        datetime.timedelta(days=90)
    """
    return _duration("days", number)


@overload
def hours(number: float) -> timedelta: ...
@overload
def hours(number: int, source: str, **options: Unpack[TimeOptions]) -> BucketGroup: ...
def hours(number: float, source: str | None = None, **options: Unpack[TimeOptions]) -> timedelta | BucketGroup:
    """Return a duration; with a time field, a group by several hours, whose attribute is ``hours``, or ``name``.

    Raises:
        DefinitionError: as :func:`minutes`.

    Example:
        >>> from tailrace import hours
        >>> hours(36)
        datetime.timedelta(days=1, seconds=43200)
        >>> hours(6, "at", tz="Europe/Berlin").value({"at": "2024-06-01T11:30:00Z"})
        '2024-06-01T12:00+02:00'
    """
    return _duration_or_bucket("hour", number, source, options)


@overload
def minutes(number: float) -> timedelta: ...
@overload
def minutes(number: int, source: str, **options: Unpack[TimeOptions]) -> BucketGroup: ...
def minutes(number: float, source: str | None = None, **options: Unpack[TimeOptions]) -> timedelta | BucketGroup:
    """Return a duration; with a time field, a group by several minutes, whose attribute is ``minutes``, or ``name``.

    The buckets begin at local midnight, so the number of minutes must divide a day.

    Raises:
        DefinitionError: the number does not divide a day, or is not a number; or an option is unknown.

    Example:
        >>> from tailrace import minutes
        >>> minutes(90)
        datetime.timedelta(seconds=5400)
        >>> minutes(15, "at").value({"at": "2024-06-01T11:44:59Z"})
        '2024-06-01T11:30+00:00'
    """
    return _duration_or_bucket("minute", number, source, options)


@overload
def seconds(number: float) -> timedelta: ...
@overload
def seconds(number: int, source: str, **options: Unpack[TimeOptions]) -> BucketGroup: ...
def seconds(number: float, source: str | None = None, **options: Unpack[TimeOptions]) -> timedelta | BucketGroup:
    """Return a duration; with a time field, a group by several seconds, whose attribute is ``seconds``, or ``name``.

    Raises:
        DefinitionError: as :func:`minutes`.

    Example:
        >>> from tailrace import seconds
        >>> seconds(10, "at", unit="ms").value({"at": 1729992659500})
        '2024-10-27T01:30:50+00:00'
    """
    return _duration_or_bucket("second", number, source, options)


def _duration_or_bucket(unit: str, number: float, source: str | None, options: TimeOptions) -> timedelta | BucketGroup:
    if source is not None:
        return bucket(unit, source, 0 if number is None else number, **options)  # type: ignore[arg-type]  # a size is checked there
    if options:
        raise DefinitionError(
            f'{unit}s({number!r}, {", ".join(options)}=…): a group needs its field: {unit}s({number!r}, "at")'
        )
    return _duration(f"{unit}s", number)


def _duration(units: str, number: float) -> timedelta:
    try:
        return timedelta(**{units: number})
    except (TypeError, ValueError, OverflowError) as error:
        raise DefinitionError(f"{units}({number!r}) is not a duration: give a number, such as {units}(90)") from error
