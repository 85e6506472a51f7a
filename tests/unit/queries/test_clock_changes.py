"""Buckets around every change of the clock since 1970, in every zone of the time zone database, and some before.

The expected buckets are computed from the database's files by integer arithmetic, without the standard library's zones.
A change is the same in all zones that make it at the same instant between the same offsets, so each is tested once.
Labels are tested around all changes with one unit, and with all units around one change of each kind.
"""

import importlib.resources
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from itertools import combinations_with_replacement, pairwise
from typing import NamedTuple

import pytest

import tailrace
from tailrace import day, hour, minute, month, quarter, week, year
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.queries.intervals import aligned, coarse_label, coarser_units
from tailrace.queries.time_ranges import bucket_label, bucket_range

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
DATE_UNITS = ("hour", "day", "week", "month", "quarter", "year")
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


def text_of(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def seconds(length: timedelta) -> int:
    return round(length.total_seconds())


@pytest.mark.parametrize("unit", [unit for unit, length in LENGTHS.items() if length >= 60])
def test_each_day_has_exactly_its_own_buckets(unit: str) -> None:
    for change in (*(all_changes() if unit == "hour" else kinds()), *earlier_changes()):
        group, days = group_of(unit, change), group_of("day", change)
        real = buckets_around(change, LENGTHS[unit], 50 * 3600)
        for one, midnight in [(one.isoformat(), (one - date(1970, 1, 1)).days * DAY) for one in change.days]:
            of_day = [bucket for bucket in real if midnight <= bucket.first < midnight + DAY]
            labels = list(bucket_range(group, one, one).labels())
            assert labels == [bucket.label for bucket in of_day], (change, one)
            length = sum(seconds(group.end(label) - group.start(label)) for label in labels)
            assert length == sum(bucket.end - bucket.start for bucket in of_day), (change, one)
            first, last = (of_day[0].start, of_day[-1].start) if of_day else (NEVER, NEVER)
            others = sum(b.end - b.start for b in real if first < b.start < last)
            others -= sum(b.end - b.start for b in of_day[1:-1])
            assert seconds(days.end(one) - days.start(one)) == length + others, (change, one)


@pytest.mark.parametrize("unit", LENGTHS)
def test_each_bucket_has_one_label_and_its_real_length(unit: str) -> None:
    for change in (*(all_changes() if unit == "hour" else kinds(DAY)), *earlier_changes()):
        group = group_of(unit, change)
        for bucket in buckets_around(change, LENGTHS[unit], 2 * LENGTHS[unit]):
            if change.at - bucket.start < 2 * LENGTHS[unit] < change.at + 2 * LENGTHS[unit] - bucket.end:
                continue
            for second in (bucket.start, bucket.end - 1):
                assert group.value({"t": second}) == bucket.label, (change, bucket)
            assert bucket_label(group, bucket.label) == bucket.label, (change, bucket)
            following = group.end(bucket.label)
            assert group.label(following) == group.value({"t": round(following.timestamp())}), (change, bucket)


def test_every_bucket_is_in_its_longer_buckets() -> None:
    every_unit = {*kinds(DAY), *earlier_changes()}
    for change in (*all_changes(), *earlier_changes()):
        units = MAKERS if change in every_unit else DATE_UNITS
        groups = {unit: group_of(unit, change) for unit in units}
        for at in (change.at - 3600, change.at - 1, change.at, change.at + 3599):
            labels = {unit: str(group.value({"t": at})) for unit, group in groups.items()}
            for fine, group in groups.items():
                for coarse in coarser_units(group):
                    assert coarse_label(labels[fine], coarse) == labels[coarse], (change, fine, coarse)


def test_a_time_without_offset_is_in_a_real_bucket() -> None:
    every_unit = {*kinds(DAY), *earlier_changes()}
    for change in (*all_changes(), *earlier_changes()):
        first, last = sorted([change.at + change.before, change.at + change.after])
        for local in {first, (first + last) // 2, last - 1}:
            text = text_of(local).removesuffix("+00:00")
            before, after = local - change.before, local - change.after
            instant = before if before < change.at or after < change.at else after
            for unit in MAKERS if change in every_unit else ("hour",):
                group = group_of(unit, change)
                assert group.value({"t": text}) == group.value({"t": instant}), (change, unit, text)


@pytest.mark.parametrize("size", [16, 45, 60, 80, 90, 144, 360])
def test_a_range_of_instants_has_the_buckets_between_them(size: int) -> None:
    length = size * 60
    reach = 30 * max(length, 3600)
    for change in kinds():
        group = tailrace.minutes(size, "t", tz=change.zone)
        real = [
            b
            for b in buckets_around(change, length, reach)
            if change.at - 27 * length < b.start < change.at + 24 * length
        ]
        middle = next(number for number, bucket in enumerate(real) if bucket.end > change.at)
        for first, last in combinations_with_replacement((18, *range(middle - 2, middle + 4), len(real) - 1), 2):
            expected = [bucket.label for bucket in real[first : last + 1]]
            found = bucket_range(group, text_of(real[first].start), text_of(real[last].end - 1))
            low, high = found.key_bounds()
            labels = list(found.labels())
            assert sorted(labels) == sorted(expected), (change, expected)
            assert [b.label for b in real if found.contains(b.label)] == expected, (change, expected)
            assert all(low <= label <= high for label in expected), (change, expected)
            assert list(found.labels(descending=True)) == labels[::-1]
            assert next(found.labels(start=expected[-1])) == expected[-1]


@pytest.mark.parametrize(
    ("fine", "coarse"), [("minute", "hour"), ("15 minutes", "hour"), ("second", "minute"), ("10 seconds", "minute")]
)
def test_an_interval_has_all_its_buckets(fine: str, coarse: str) -> None:
    length = LENGTHS[coarse]
    for change in kinds():
        group = group_of(fine, change)
        around = [b for b in buckets_around(change, length, 5 * length) if abs(b.start - change.at) < 2 * length]
        short = buckets_around(change, LENGTHS[fine], 5 * length)
        for bucket in around:
            expected = [one.label for one in short if bucket.start <= one.start < bucket.end]
            for one in (expected[0], expected[-1]):
                assert list(aligned(bucket_range(group, one, one), coarse).labels()) == expected, (change, bucket)


def test_a_range_from_a_day_to_the_one_that_interrupts_it_has_both() -> None:
    # at Casey station, the clocks went back from 02:00 to 23:00 of the day before
    ends, zone = ("2010-03-04T14:00Z", "2010-03-04T15:30Z"), "Antarctica/Casey"
    assert list(bucket_range(day("t", tz=zone), *ends).labels()) == ["2010-03-04", "2010-03-05"]
    hours = aligned(bucket_range(hour("t", tz=zone), *ends), "day")
    low, high = hours.key_bounds()
    assert low < high
    assert len(list(hours.labels())) == 24 + 1 + 2 + 24
