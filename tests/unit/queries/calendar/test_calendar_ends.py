"""Every form of query at both ends of the calendar, in zones east and west of UTC."""

from datetime import date, datetime

import pytest

from tailrace import Aggregate, Collection, count, field, hour, minute, quarter, second, week, year
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.errors import InvalidMessage
from tailrace.queries import time_ranges
from tailrace.queries.intervals import aligned
from tailrace.queries.parameters import parse_ranking_query, parse_row_query
from tailrace.queries.time_ranges import bucket_range

SALES = Collection("sales", schema={"type": "object"})
ZONES = ["UTC", "Asia/Tokyo", "America/New_York"]
FORMS: list[list[tuple[str, str]]] = [[], [("order", "desc")], [("interval", "day")], [("window", "3h")]]


def sales_by(*groups: BucketGroup | str) -> Aggregate:
    by = [field(group) if isinstance(group, str) else group for group in groups]
    return Aggregate("sales_by", of=SALES, by=by, measures={"n": count()})


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "ends",
    [
        [("from", "9999-12-31T06:00:00Z")],
        [("from", "9999-12-30T22:30Z")],
        [("to", "0001-01-01T09:00:00")],
        [("to", "0001-01-02T00:00")],
        [("from", "9999-12-31"), ("to", "9999-12-31")],
        [("from", "0001-01-02"), ("to", "0001-01-02")],
    ],
)
def test_a_range_at_an_end_of_the_calendar_is_read(ends: list[tuple[str, str]], zone: str) -> None:
    bucket = hour("at", tz=zone)
    for form in FORMS if len(ends) > 1 else FORMS[:2]:
        for query in (
            parse_row_query(sales_by("shop", bucket), [("shop", "a"), *ends, *form]),
            *([parse_row_query(sales_by(bucket, "shop"), [*ends, *form])] if len(ends) > 1 else []),
        ):
            assert list(query.ranges())
            if query.window is not None:
                assert list(query.steps().labels(descending=True))
    if len(ends) > 1:
        for aggregate, given in ((sales_by("shop", bucket), [("shop", "a")]), (sales_by(bucket, "shop"), [])):
            parse_ranking_query(aggregate, [*given, *ends, ("by", "n")])


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ([("from", "9999-12-31T23:30:30")], "9999-12-31T23:00"),
        ([("to", "9999-12-31T23:30:30")], "9999-12-31T23:59"),
        ([("from", "0001-01-01T00:30:30")], "0001-01-01T00:00"),
        ([("to", "0001-01-01T00:30:30")], "0001-01-01T00:59"),
    ],
)
def test_a_range_at_an_end_of_the_calendar_is_widened_to_whole_hours(
    ends: list[tuple[str, str]], found: str, zone: str
) -> None:
    for bucket in (minute("at", tz=zone), second("at", tz=zone)):
        try:
            buckets = bucket_range(bucket, dict(ends).get("from"), dict(ends).get("to"))
        except InvalidMessage:  # in this zone, it is beyond the calendar
            continue
        widened = aligned(buckets, "hour")
        assert (widened.first or widened.last or "").startswith(found)


@pytest.mark.parametrize(
    ("day", "zone"),
    [
        ("0001-01-01", "UTC"),
        ("0001-01-01", "America/New_York"),
        ("9999-12-31", "UTC"),
        ("9999-12-31", "Asia/Tokyo"),
    ],
)
def test_the_first_and_the_last_day_have_24_hours(day: str, zone: str) -> None:
    bucket = hour("at", tz=zone)
    expected = [bucket.value({"at": f"{day}T{number:02}:30"}) for number in range(24)]
    assert list(bucket_range(bucket, day, day).labels()) == expected


@pytest.mark.parametrize("descending", [False, True])
def test_long_buckets_are_listed_without_a_look_at_each_day(
    monkeypatch: pytest.MonkeyPatch, *, descending: bool
) -> None:
    """Two thousand years of days take a request too long."""
    looked: list[date] = []
    labels_of = time_ranges._labels_of

    def look(bucket: BucketGroup, day: date, *ends: datetime) -> list[str]:
        looked.append(day)
        return labels_of(bucket, day, *ends)

    monkeypatch.setattr(time_ranges, "_labels_of", look)
    for bucket, last, size in ((year("at"), "9999", 9999), (quarter("at"), "0900", 3600), (week("at"), "0010", 522)):
        looked.clear()
        labels = list(bucket_range(bucket, "0001", last).labels(descending=descending))
        assert labels == sorted(labels, reverse=descending)
        assert len(labels) == len(set(labels)) == len(looked) == size
