"""Field groups and time buckets: which one an item falls into, and where buckets begin and end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tailrace import (
    DefinitionError,
    day,
    days,
    field,
    hop,
    hour,
    hours,
    minute,
    minutes,
    month,
    quarter,
    second,
    seconds,
    week,
    year,
)
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.errors import InvalidItem

NEW_YORK = "America/New_York"


@pytest.mark.parametrize(
    ("group", "time", "label"),
    [
        (minute("t"), "2013-01-01T05:17:59Z", "2013-01-01T05:17+00:00"),
        (hour("t", tz=NEW_YORK), "2013-01-01T10:17:00Z", "2013-01-01T05:00-05:00"),
        (hour("t", tz=NEW_YORK), "2013-01-01T05:17:00", "2013-01-01T05:00-05:00"),
        (hour("t", tz="Asia/Kolkata"), "2013-01-01T00:10:00+00:00", "2013-01-01T05:00+05:30"),
        (day("t", tz=NEW_YORK), "2013-01-01T04:59:59Z", "2012-12-31"),
        (day("t"), "2013-01-01", "2013-01-01"),
        (day("t"), 1_357_000_000, "2013-01-01"),
        (day("t"), Decimal("1357000000.5"), "2013-01-01"),
        (hour("t"), Decimal("1357001999.9999999"), "2013-01-01T00:00+00:00"),
        (hour("t"), "2013-01-01T00:59:59.9999999Z", "2013-01-01T00:00+00:00"),
        (day("t"), Decimal("-0.00000000000000000000000000000000001"), "1969-12-31"),
        (minute("t"), 253_402_300_799, "9999-12-31T23:59+00:00"),
        (week("t"), "2013-01-06T23:59:59Z", "2012-12-31"),
        (week("t"), "2013-01-07T00:00:00Z", "2013-01-07"),
        (month("t", tz=NEW_YORK), "2013-02-01T04:00:00Z", "2013-01"),
        (quarter("t", tz=NEW_YORK), "2013-04-01T03:59:59Z", "2013-Q1"),
        (quarter("t"), "2013-12-31T23:59:59Z", "2013-Q4"),
        (year("t", tz=NEW_YORK), "2013-01-01T04:59:59Z", "2012"),
        (second("t"), "2013-01-01T05:17:59.999Z", "2013-01-01T05:17:59+00:00"),
        (seconds(20, "t"), "2013-01-01T05:17:59.999Z", "2013-01-01T05:17:40+00:00"),
        (minutes(15, "t", tz="Asia/Kathmandu"), "2013-01-01T05:17:59Z", "2013-01-01T11:00+05:45"),
        (minutes(90, "t"), "2013-01-01T05:17:59Z", "2013-01-01T04:30+00:00"),
        (hours(6, "t", tz="Europe/Berlin"), "2024-03-31T00:59:59Z", "2024-03-31T00:00+01:00"),
        (hours(6, "t", tz="Europe/Berlin"), "2024-03-31T01:00:00Z", "2024-03-31T00:00+02:00"),
        (second("t", unit="ms"), 1_357_001_999_999, "2013-01-01T00:59:59+00:00"),
        (second("t", unit="ms"), Decimal("1357001999999.9999999"), "2013-01-01T00:59:59+00:00"),
        (second("t", unit="us"), -1, "1969-12-31T23:59:59+00:00"),
        (day("t", unit="ns"), 1_357_001_999_999_999_999, "2013-01-01"),
        (year("t", unit="ms"), "2013-01-01T05:17:59Z", "2013"),
    ],
)
def test_a_time_falls_into_its_bucket(group: BucketGroup, time: Any, label: str) -> None:
    assert group.value({"t": time}) == label


def test_the_repeated_hour_when_clocks_go_back_is_two_buckets() -> None:
    group = hour("t", tz=NEW_YORK)
    labels = [group.value({"t": f"2013-11-03T{utc}:30:00Z"}) for utc in ("04", "05", "06", "07")]
    assert labels == [
        "2013-11-03T00:00-04:00",
        "2013-11-03T01:00-04:00",
        "2013-11-03T01:00-05:00",
        "2013-11-03T02:00-05:00",
    ]
    assert labels == sorted(str(label) for label in labels)


@pytest.mark.parametrize(
    ("zone", "time", "hour_label", "day_label"),
    [
        ("Europe/Berlin", "2024-03-31T02:30", "2024-03-31T03:00+02:00", "2024-03-31"),
        ("Europe/Berlin", "2024-10-27T02:30", "2024-10-27T02:00+02:00", "2024-10-27"),
        ("America/New_York", "2024-03-10T02:00:00", "2024-03-10T03:00-04:00", "2024-03-10"),
        ("Africa/Cairo", "2024-04-26T00:15", "2024-04-26T01:00+03:00", "2024-04-26"),
        ("America/Santiago", "2024-09-08T00:59:59", "2024-09-08T01:00-03:00", "2024-09-08"),
        ("Australia/Lord_Howe", "2024-10-06T02:10", "2024-10-06T02:00+11:00", "2024-10-06"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-31T12:00+14:00", "2011-12-31"),
        ("America/New_York", "0001-01-01T00:00", "0001-01-01T00:00-04:56:02", "0001-01-01"),
        ("America/New_York", "9999-12-31T23:59", "9999-12-31T23:00-05:00", "9999-12-31"),
    ],
)
def test_a_time_that_the_clocks_skip_is_in_the_real_bucket_after_the_gap(
    zone: str, time: str, hour_label: str, day_label: str
) -> None:
    assert (hour("t", tz=zone).value({"t": time}), day("t", tz=zone).value({"t": time})) == (hour_label, day_label)


def test_buckets_are_contiguous_where_clocks_move_by_half_an_hour() -> None:
    group = hour("t", tz="Australia/Lord_Howe")
    labels = ["2024-04-07T00:00+11:00"]
    while len(labels) < 4:
        labels.append(group.label(group.end(labels[-1])))
    assert labels[1:] == ["2024-04-07T01:00+11:00", "2024-04-07T01:00+10:30", "2024-04-07T02:00+10:30"]


@pytest.mark.parametrize(
    ("group", "label", "end"),
    [
        (hour("t", tz=NEW_YORK), "2013-01-01T05:00-05:00", datetime(2013, 1, 1, 11, tzinfo=UTC)),
        (minute("t"), "2013-01-01T05:17+00:00", datetime(2013, 1, 1, 5, 18, tzinfo=UTC)),
        (day("t", tz=NEW_YORK), "2013-03-10", datetime(2013, 3, 11, 4, tzinfo=UTC)),
        (week("t"), "2012-12-31", datetime(2013, 1, 7, tzinfo=UTC)),
        (month("t"), "2012-12", datetime(2013, 1, 1, tzinfo=UTC)),
        (month("t"), "2013-01", datetime(2013, 2, 1, tzinfo=UTC)),
        (quarter("t"), "2013-Q4", datetime(2014, 1, 1, tzinfo=UTC)),
        (year("t", tz=NEW_YORK), "2013", datetime(2014, 1, 1, 5, tzinfo=UTC)),
        (minutes(15, "t"), "2013-01-01T05:45+00:00", datetime(2013, 1, 1, 6, tzinfo=UTC)),
        (second("t"), "2013-01-01T05:17:59+00:00", datetime(2013, 1, 1, 5, 18, tzinfo=UTC)),
    ],
)
def test_a_bucket_ends_where_the_next_one_starts(group: BucketGroup, label: str, end: datetime) -> None:
    assert group.end(label) == end


@pytest.mark.parametrize("number", [7, 0, -15, 1440, 15.0, True, "15", None])
def test_the_size_of_a_bucket_divides_a_day(number: Any) -> None:
    with pytest.raises(DefinitionError, match="must divide a day"):
        minutes(number, "t")


@pytest.mark.parametrize("name", ["", 0, False])
def test_a_name_that_is_none_is_not_replaced_by_the_default(name: Any) -> None:
    makers: list[Any] = [field, day, lambda of, name: hop(of, size=hours(2), every=hours(1), name=name)]
    for make in makers:
        with pytest.raises(DefinitionError, match=r"name= must be a non-empty string, not "):
            make("t", name=name)


def test_durations_have_no_field() -> None:
    assert (seconds(90), minutes(1.5), hours(36), days(2)) == (
        timedelta(seconds=90),
        timedelta(seconds=90),
        timedelta(days=1, hours=12),
        timedelta(days=2),
    )
    with pytest.raises(DefinitionError, match="a group needs its field"):
        minutes(15, tz=NEW_YORK)  # type: ignore[call-overload]


@pytest.mark.parametrize("item", [{}, {"f": None}])
def test_a_missing_or_null_field_has_no_group_value(item: dict[str, Any]) -> None:
    assert field("f").value(item) is None
    assert hour("f").value(item) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a#b", "a#b"),
        (4, "4"),
        (Decimal("0.50"), "0.5"),
        (Decimal("-0.0"), "0"),
        (Decimal("-0E+999"), "0"),
        (True, "true"),
    ],
)
def test_equal_values_have_the_same_text(value: Any, text: str) -> None:
    assert field("f").text(field("f").value({"f": value})) == text


def test_a_container_cannot_be_a_group() -> None:
    with pytest.raises(InvalidItem, match="list"):
        field("f").value({"f": [1]})


@pytest.mark.parametrize("value", [10**38 + 1, Decimal("1E-131"), Decimal("1E+126")])
def test_a_number_that_dynamodb_cannot_store_cannot_be_a_group(value: Any) -> None:
    with pytest.raises(InvalidItem, match="cannot store"):
        field("f").value({"f": value})


def test_long_numbers_are_compared_to_the_last_digit() -> None:
    one, other = (Decimal("0." + "1" * 37 + digit) for digit in "12")
    assert field("n").text(one) == str(one)
    assert field("n").text(other) == str(other)
    assert field("n").text(Decimal("1.50")) == "1.5"
