"""Buckets around every change of the clock since 1970, in every zone of the time zone database, and some before.

Labels are tested around all changes with one unit, and with all units around one change of each kind.
"""

from datetime import UTC, date, datetime, timedelta
from itertools import combinations_with_replacement

import pytest

import tailrace
from tailrace import day, hour
from tailrace.queries.intervals import aligned, coarse_label, coarser_units
from tailrace.queries.time_ranges import bucket_label, bucket_range
from tests.unit.queries.calendar.clock_changes import (
    DAY,
    LENGTHS,
    MAKERS,
    NEVER,
    all_changes,
    buckets_around,
    earlier_changes,
    group_of,
    kinds,
)

DATE_UNITS = ("hour", "day", "week", "month", "quarter", "year")


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
