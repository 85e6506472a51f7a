"""The changes of the clock in every zone of the time zone database, and the real buckets around them.

They are computed from the database's files by integer arithmetic, without the standard library's zones.
A change is the same in all zones that make it at the same instant between the same offsets, so each is there once.
"""

import importlib.resources
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import tailrace
from tailrace import day, hour, minute, month, quarter, week, year
from tailrace.definition.groups.buckets import BucketGroup

DAY = 86_400
NEVER = 1 << 62
LAST_YEAR = 2037
LENGTHS = {
    "second": 1,
    "10 seconds": 10,
    "minute": 60,
    "15 minutes": 900,
    "45 minutes": 2700,
    "hour": 3600,
    "6 hours": 21_600,
    "12 hours": 43_200,
}
MAKERS: dict[str, Callable[..., BucketGroup]] = {
    "second": tailrace.second,
    "10 seconds": lambda source, **options: tailrace.seconds(10, source, **options),
    "minute": minute,
    "15 minutes": lambda source, **options: tailrace.minutes(15, source, **options),
    "45 minutes": lambda source, **options: tailrace.minutes(45, source, **options),
    "hour": hour,
    "6 hours": lambda source, **options: tailrace.hours(6, source, **options),
    "12 hours": lambda source, **options: tailrace.hours(12, source, **options),
    "day": day,
    "week": week,
    "month": month,
    "quarter": quarter,
    "year": year,
}
DATABASE = importlib.resources.files("tzdata")


@dataclass(frozen=True)
class Change:
    """At this second, a zone's offset changes from ``before`` to ``after``."""

    zone: str
    at: int
    before: int
    after: int

    @property
    def days(self) -> list[date]:
        """The local dates that the change may touch."""
        first, last = sorted([(self.at - 1 + self.before) // DAY, (self.at + self.after) // DAY])
        return [date(1970, 1, 1) + timedelta(days=number) for number in range(first, last + 1)]


class Bucket(NamedTuple):
    """A real bucket within a day: the seconds from ``start`` to ``end``; its clock shows ``first`` as it begins."""

    start: int
    end: int
    first: int
    offset: int
    precision: str

    @property
    def label(self) -> str:
        clock = timezone(timedelta(seconds=self.offset))
        return datetime.fromtimestamp(self.first - self.offset, clock).isoformat(timespec=self.precision)


@cache
def transitions(zone: str) -> list[tuple[int, int, int]]:
    """Return a zone's changes of offset, each as (second, before, after), from its TZif file (RFC 8536)."""
    data = DATABASE.joinpath("zoneinfo", *zone.split("/")).read_bytes()
    isutc, isstd, leap, times, types, chars = struct.unpack_from(">6l", data, 20)
    data = data[44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isutc :]  # skip the 32-bit block
    isutc, isstd, leap, times, types, chars = struct.unpack_from(">6l", data, 20)
    seconds = struct.unpack_from(f">{times}q", data, 44)
    indexes = struct.unpack_from(f">{times}B", data, 44 + times * 8)
    offsets = [struct.unpack_from(">lBB", data, 44 + times * 9 + 6 * index)[0] for index in range(types)]
    changes = [(second, offsets[index]) for second, index in zip(seconds, indexes, strict=True)]
    footer = data[44 + times * 9 + types * 6 + chars + leap * 12 + isstd + isutc :].strip().decode()
    changes += [change for change in rule_changes(footer) if not seconds or change[0] > seconds[-1]]
    found, before = [], offsets[0]
    for second, after in changes:
        if after != before:
            found.append((second, before, after))
            before = after
    return found


RULE = re.compile(
    r"(?:<[^>]+>|[A-Za-z]+)([-+\d:]+)(?:<[^>]+>|[A-Za-z]+)([-+\d:]*),"
    r"M(\d+)\.(\d)\.(\d)(?:/([-\d:]+))?,M(\d+)\.(\d)\.(\d)(?:/([-\d:]+))?"
)


@cache
def rule_changes(footer: str) -> list[tuple[int, int]]:
    """Return the changes that a zone's rule makes until 2037, each as (second, new offset)."""
    found = RULE.fullmatch(footer)
    if found is None:
        assert "," not in footer, f"a rule of another kind: {footer}"
        return []
    standard = -seconds_of(found[1])
    summer = -seconds_of(found[2]) if found[2] else standard + 3600
    return sorted(
        (day_of_rule(of_year, *map(int, rule)) * DAY + seconds_of(at or "2") - before, after)
        for of_year in range(1970, LAST_YEAR + 1)
        for rule, at, before, after in (
            (found.group(3, 4, 5), found[6], standard, summer),
            (found.group(7, 8, 9), found[10], summer, standard),
        )
    )


def seconds_of(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    parts = [*map(int, text.lstrip("+-").split(":")), 0, 0]
    return sign * (parts[0] * 3600 + parts[1] * 60 + parts[2])


def day_of_rule(of_year: int, month_number: int, nth: int, weekday: int) -> int:
    """Return the day since 1970 of a month's n-th weekday (0 is Sunday); of the fifth, its last."""
    first = date(of_year, month_number, 1)
    days = [first + timedelta(days=number) for number in range(31)]
    matching = [one for one in days if one.month == month_number and one.isoweekday() % 7 == weekday]
    return (matching[min(nth, len(matching)) - 1] - date(1970, 1, 1)).days


@cache
def all_changes() -> tuple[Change, ...]:
    unique: dict[tuple[int, int, int], Change] = {}
    for zone in DATABASE.joinpath("zones").read_text().split():
        for at, before, after in transitions(zone):
            if at >= 0:
                unique.setdefault((at, before, after), Change(zone, at, before, after))
    return tuple(unique.values())


@cache
def earlier_changes() -> tuple[Change, ...]:
    """Return some of the changes before 1970, most of them from a town's solar time, whose offset has seconds."""
    zones = DATABASE.joinpath("zones").read_text().split()
    unique = {change[1:]: Change(zone, *change) for zone in zones for change in transitions(zone) if change[0] < 0}
    return tuple(unique.values())[::8]


def buckets_around(change: Change, length: int, reach: int) -> list[Bucket]:
    """Return the real buckets of a length from ``reach`` seconds before to ``reach`` seconds after a change."""
    changes = transitions(change.zone)
    known = [(-NEVER, 0, changes[0][1]), *changes, (NEVER, 0, 0)]
    return [
        bucket
        for (start, _, offset), (end, _, _) in pairwise(known)
        for bucket in cut(max(start, change.at - reach), min(end, change.at + reach), offset, length)
    ]


def cut(start: int, end: int, offset: int, length: int) -> Iterator[Bucket]:
    """Cut the seconds between two changes of a zone at each multiple of a length that its clock shows."""
    precision = "minutes" if length >= 60 else "seconds"
    while start < end:
        first = (start + offset) // length * length
        following = min(end, first - offset + length)
        yield Bucket(start, following, first, offset, precision)
        start = following


def group_of(unit: str, change: Change) -> BucketGroup:
    return MAKERS[unit]("t", tz=change.zone)


@cache
def kinds(period: int = 3600) -> tuple[Change, ...]:
    """Return one change for each size and local time within a period of seconds."""
    return tuple({((c.at + c.before) % period, c.after - c.before): c for c in all_changes()}.values())
