"""Times in RFC 3339, ISO 8601 and numbers since 1970 are read; anything else is refused with the reason."""

from decimal import Decimal
from typing import Any

import pytest

from tailrace import DefinitionError, day, first, hour, minute, second
from tailrace.definition.groups import buckets
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.errors import InvalidItem, InvalidMessage
from tailrace.queries.time_ranges import bucket_label, bucket_range

NEW_YORK = "America/New_York"
READ = {
    "2024-06-01T10:00:00z": "2024-06-01T10:00+00:00",
    "2024-06-01t10:00:00.5Z": "2024-06-01T10:00+00:00",
    "2024-06-01 10:00:00+02:00": "2024-06-01T08:00+00:00",
    "2024-06-01T10:00:00\N{MINUS SIGN}02:00": "2024-06-01T12:00+00:00",
    "2024-06-01T10:00:00-00:00": "2024-06-01T10:00+00:00",
    "2024-06-01T24:00:00": "2024-06-02T00:00+00:00",
    "2024-12-31T24:00Z": "2025-01-01T00:00+00:00",
    "2024-02-28T24:00:00.000+01:00": "2024-02-28T23:00+00:00",
    "2016-12-31T23:59:60Z": "2016-12-31T23:59+00:00",
    "2016-12-31T23:59:60": "2016-12-31T23:59+00:00",
    "2017-01-01T00:59:60.9+01:00": "2016-12-31T23:59+00:00",
    "20150630T235960Z": "2015-06-30T23:59+00:00",
    "2024-06-01T10,5": "2024-06-01T10:30+00:00",
    "2024-06-01T10:30.25Z": "2024-06-01T10:30+00:00",
    "2024-06-01T10:00:59,999Z": "2024-06-01T10:00+00:00",
    "20240601T1000Z": "2024-06-01T10:00+00:00",
    "2024-153T10": "2024-06-01T10:00+00:00",
    "2024153": "2024-06-01T00:00+00:00",
    "2024-W22-6T10:00": "2024-06-01T10:00+00:00",
    "2024-06-01t24:00:00,0z": "2024-06-02T00:00+00:00",
    "2024-07-01T05:29:60+05:30": "2024-06-30T23:59+00:00",
    "2024-06-01T10+02": "2024-06-01T08:00+00:00",
    "2024-06-01 10:00:00 +0200": "2024-06-01T08:00+00:00",
    "2024-06-01T10:00:00-23:59": "2024-06-02T09:59+00:00",
    "2020-W53-7T00:00": "2021-01-03T00:00+00:00",
    "2024-366": "2024-12-31T00:00+00:00",
}


@pytest.mark.parametrize("time", READ)
def test_what_rfc_3339_and_iso_8601_allow_is_read(time: str) -> None:
    assert minute("t").value({"t": time}) == READ[time]
    if any(sign in time for sign in "Tt "):
        assert bucket_label(minute("t"), time) == READ[time]
    else:  # in a query, a date is the whole day
        with pytest.raises(InvalidMessage, match="spans more than one minute"):
            bucket_label(minute("t"), time)


@pytest.mark.parametrize(
    ("time", "clock"),
    [
        ("2024-06-01T10:30.25Z", "10:30:15"),
        ("2024-06-01T10.51", "10:30:36"),
        ("20240601T103007.9Z", "10:30:07"),
        ("2024-06-01T10:30:07,99999999+00", "10:30:07"),
        ("2024-06-30T23:59:60Z", "23:59:59"),
    ],
)
def test_a_fraction_belongs_to_the_last_element(time: str, clock: str) -> None:
    assert f"T{clock}" in str(second("t").value({"t": time}))


def test_the_end_of_a_day_is_local_midnight_also_where_clocks_skip_it() -> None:
    assert hour("t", tz="Africa/Cairo").value({"t": "2024-04-25T24:00"}) == "2024-04-26T01:00+03:00"
    assert day("t", tz="Africa/Cairo").value({"t": "2024-04-25T24:00"}) == "2024-04-26"


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2024-06-01T24:00:01", "hour 24 is only possible as 24:00:00"),
        ("2024-06-01T23:59:60Z", "RFC 3339: second 60 is a leap second"),
        ("2024-06-30T23:58:60Z", "RFC 3339: second 60 is a leap second"),
        ("2024-07-01T23:59:60+02:00", "RFC 3339: second 60 is a leap second"),
        ("2024-06-01T10:00:61Z", "ISO 8601: second must be in 0..59"),
        ("2024-06-01T25:00", "ISO 8601: hour must be in 0..23"),
        ("2024-06-01T10:60", "ISO 8601: minute must be in 0..59"),
        ("2024-02-30T10:00", "ISO 8601: day is out of range for month"),
        ("2023-366", "the year 2023 has no day 366"),
        ("2024-W54-1", "there is no such week"),
        ("2024-06-01T10:00+02:60", "RFC 3339: an offset is at most 23:59"),
        ("2024-06-01T10:00+24:00", "RFC 3339: an offset is at most 23:59"),
        ("2024-06", "ISO 8601: a point in time has a full date"),
        ("1717236000", "seconds since 1970 must be a number"),
        ("2024-06-01T10:00Z[UTC]", "RFC 9557"),
        ("2024-01-01/2024-01-02", "a duration or interval"),
        ("9999-12-31T24:00Z", "ISO 8601: date value out of range"),
        ("yesterday", "expected ISO 8601, such as"),
        ("2024-06-01+02:00", "an offset follows a time, not a date"),
        ("2024-06-01-05:00", "an offset follows a time, not a date"),
        ("2024-06-01Z", "an offset follows a time, not a date"),
        ("2024-06-01_10:00:00", "expected ISO 8601, such as"),
        ("2024-06-01T10:00:00\0", "expected ISO 8601, such as"),
        ("2024-06-01T10:000Z", "expected ISO 8601, such as"),
        ("2024-06-01T10:00:005+02:00", "expected ISO 8601, such as"),
        ("2024-06-01T10:00:00.123456]+02:00", "expected ISO 8601, such as"),
        ("2024-06-01T10:00:00 UTC", "RFC 3339: an offset is Z or like .02:00, not the name of a zone"),
        ("2024/06/01 10:00", "a date is written with hyphens"),
        ("01.06.2024", "a date begins with the year"),
        ("6/1/24", "a date begins with the year"),
        ("2024-6-1", "month and day have two digits"),
        ("20240601100000", "a T separates date and time"),
        (" 2024-06-01T10:00:00Z", "it begins or ends with a space"),
        ("[" * 400_000, "expected ISO 8601, such as"),
    ],
)
def test_what_is_not_read_has_a_reason(time: str, reason: str) -> None:
    with pytest.raises(InvalidItem, match=reason):
        minute("t").value({"t": time})
    if time not in ("2024-06", "1717236000"):
        with pytest.raises(InvalidMessage, match=reason):
            bucket_range(minute("t"), time, None)


@pytest.mark.parametrize(
    "time", ["", "yesterday", "2013-13-01", True, ["2013"], 10**30, Decimal("1E+99"), "0001-01-01T00:00:00+14:00"]
)
def test_an_invalid_time_makes_the_item_invalid(time: Any) -> None:
    with pytest.raises(InvalidItem):
        hour("t", tz=NEW_YORK).value({"t": time})


@pytest.mark.parametrize(
    ("group", "time", "finer"),
    [
        (hour("t"), 1_729_992_600_000, "ms"),
        (hour("t"), Decimal("1729992600000.5"), "ms"),
        (hour("t"), 1_729_992_600_000_000, "us"),
        (hour("t", unit="ms"), 1_729_992_600_000_000_000, "ns"),
    ],
)
def test_a_number_in_the_wrong_unit_is_refused_with_the_unit_that_fits(
    group: BucketGroup, time: Any, finer: str
) -> None:
    with pytest.raises(InvalidItem, match=f"out of range; in {finer} it would be a time"):
        group.value({"t": time})


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+14:00", 10**30, Decimal("1E+400")])
def test_a_time_beyond_the_calendar_is_refused_with_the_bounds(time: Any) -> None:
    with pytest.raises(InvalidItem, match="out of range: the years are 1 to 9999"):
        hour("t").value({"t": time})


@pytest.mark.parametrize("time", [True, [], {"a": 1}, b"2024"])
def test_a_value_that_can_be_no_time_is_refused_with_what_is_expected(time: Any) -> None:
    with pytest.raises(InvalidItem, match="expected a text, or a number since 1970"):
        hour("t").value({"t": time})


def test_an_unknown_unit_of_times_is_refused() -> None:
    with pytest.raises(DefinitionError, match="one of s, ms, us, ns, not 'min'"):
        hour("t", unit="min")
    with pytest.raises(DefinitionError, match="one of s, ms, us, ns"):
        first("x", by="t", by_unit="minutes")


def test_first_and_last_read_times_in_their_unit() -> None:
    entry = first("x", by="t", by_unit="ms").values.entry({"x": 1, "t": 1_729_992_600_500})
    assert entry is not None
    assert entry.labels == (1, "2024-10-27T01:30:00.500000Z")


def test_a_time_of_very_many_digits_is_not_remembered() -> None:
    """A process would run out of memory after some thousands of them."""
    long = {"at": f"2024-06-01T10:00:00.{'1' * 300_000}Z"}
    before = buckets._cached_label.cache_info().currsize
    assert hour("at").value(long) == hour("at").value({"at": "2024-06-01T10:00:00Z"})
    assert buckets._cached_label.cache_info().currsize <= before + 1
