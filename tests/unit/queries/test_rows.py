"""Parsing row queries: parameters become bounded key ranges, or one clear error."""

import itertools
from collections.abc import Sequence

import pytest

from tailrace import Aggregate, day, field, hour, minute
from tailrace.errors import InvalidMessage
from tailrace.queries.parameter_values import parameter_name
from tailrace.queries.parameters import parse_row_query
from tailrace.queries.rows import KeyRange, Position
from tests.unit.queries.trips import CARRIER_HOURS, CARRIERS, DAYS, MONTHS, PLACES, WEEKS, aggregate, query


def ranges(of: Aggregate, **given: str) -> list[KeyRange]:
    return list(query(of, **given).ranges())


def test_the_first_group_alone_selects_its_partition() -> None:
    assert ranges(CARRIER_HOURS, carrier="UA") == [KeyRange("trips_by@3#UA")]


def test_values_are_escaped_as_in_the_key() -> None:
    found = ranges(PLACES, carrier="U#A%", origin="E#R")
    assert found == [KeyRange("trips_by@3#U%23A%25", prefix="E%23R#")]


def test_all_groups_select_one_row() -> None:
    assert ranges(CARRIERS, carrier="UA") == [KeyRange("trips_by@3#UA", between=("-", "-"))]
    at = "2013-01-01T05:00-05:00"
    assert ranges(CARRIER_HOURS, carrier="UA", hour=at) == [KeyRange("trips_by@3#UA", between=(at, at))]


@pytest.mark.parametrize(
    "text",
    [
        "2013-01-01T05:00-05:00",
        "2013-01-01T05:59:59",
        "2013-01-01T10:30Z",
        "2013-01-01T12:00+02:00",
        "2013-01-01T12:00 02:00",
    ],
)
def test_an_instant_selects_the_bucket_that_contains_it(text: str) -> None:
    assert ranges(CARRIER_HOURS, carrier="UA", hour=text) == ranges(
        CARRIER_HOURS, carrier="UA", hour="2013-01-01T05:00-05:00"
    )


@pytest.mark.parametrize(("of", "name"), [(MONTHS, "month"), (WEEKS, "week"), (DAYS, "day")])
def test_a_label_selects_its_bucket(of: Aggregate, name: str) -> None:
    label = {"month": "2013-02", "week": "2013-02-04", "day": "2013-02-06"}[name]
    (found,) = ranges(of, **{name: label})
    assert found.pk == f"trips_by@3#{label}"


def test_a_page_has_100_rows_by_default_and_at_most_1000() -> None:
    assert parse_row_query(CARRIER_HOURS, [("carrier", "UA")]).limit == 100
    assert parse_row_query(CARRIER_HOURS, [("carrier", "UA"), ("limit", "1000")]).limit == 1000


def contained(found: KeyRange, *labels: str) -> list[str]:
    return [label for label in labels if found.contains(label)]


def test_a_range_includes_both_ends() -> None:
    labels = [f"2013-01-{number:02d}T{at:02d}:00-05:00" for number in range(1, 4) for at in range(24)]
    (one_day,) = ranges(CARRIER_HOURS, carrier="UA", from_="2013-01-02", to="2013-01-02")
    assert contained(one_day, *labels) == labels[24:48]
    (some,) = ranges(CARRIER_HOURS, carrier="UA", from_="2013-01-01T23:59:59-05:00", to="2013-01-02T05:30Z")
    assert contained(some, *labels) == labels[23:25]
    (january,) = ranges(CARRIER_HOURS, carrier="UA", from_="2013-01", to="2013-01")
    assert contained(january, *labels, "2012-12-31T23:00-05:00", "2013-02-01T00:00-05:00") == labels
    for ordinal in ("2013-002", "2013002"):
        assert ranges(CARRIER_HOURS, carrier="UA", from_=ordinal, to=ordinal) == [one_day]
    for iso in ("2013-W01", "2013W01"):
        found = ranges(CARRIER_HOURS, carrier="UA", from_=iso, to=iso)
        assert found == ranges(CARRIER_HOURS, carrier="UA", from_="2012-12-31", to="2013-01-06")
        assert query(WEEKS, week=iso).texts == ("2012-12-31",)
    with pytest.raises(InvalidMessage, match="spans more than one day"):
        query(DAYS, day="2013-W01")
    with pytest.raises(InvalidMessage, match="no such week"):
        query(DAYS, from_="2013-W54", to="2014")


def test_a_range_may_be_open() -> None:
    labels = ["0999-01-01T00:00+00:00", "2013-01-01T05:00-05:00", "2013-01-01T06:00-05:00", "9999-12-31T23:00-05:00"]
    (later,) = ranges(CARRIER_HOURS, carrier="UA", from_="2013-01-01T06:00-05:00")
    assert contained(later, *labels) == labels[2:]
    (earlier,) = ranges(CARRIER_HOURS, carrier="UA", to="2013-01-01T05:00-05:00")
    assert contained(earlier, *labels) == labels[:2]


def test_a_range_includes_every_group_after_the_bucket() -> None:
    (found,) = ranges(PLACES, carrier="UA", origin="E", from_="2013-01-01", to="2013-01-02")
    inside = ["E#2013-01-01#ORD", "E#2013-01-02#\U0010ffff"]
    outside = ["E#2012-12-31#ORD", "E#2013-01-03#ORD", "EW#2013-01-01#ORD", "D#2013-01-01#ORD"]
    assert contained(found, *inside, *outside) == inside


def test_a_range_of_the_first_group_reads_one_partition_per_bucket() -> None:
    assert ranges(DAYS, from_="2012-12-31", to="2013-01-01") == [
        KeyRange("trips_by@3#2012-12-31"),
        KeyRange("trips_by@3#2013-01-01"),
    ]
    assert ranges(DAYS, from_="2013-01-01", to="2013-01-01", carrier="U#A") == [
        KeyRange("trips_by@3#2013-01-01", prefix="U%23A#")
    ]
    (row,) = ranges(DAYS, day="2013-01-01", carrier="UA", dest="ORD")
    assert row == KeyRange("trips_by@3#2013-01-01", between=("UA#ORD", "UA#ORD"))


@pytest.mark.parametrize(
    ("of", "first", "last", "labels"),
    [
        (MONTHS, "2012-11-15", "2013-02", ["2012-11", "2012-12", "2013-01", "2013-02"]),
        (WEEKS, "2013-01-02", "2013-01-14", ["2012-12-31", "2013-01-07", "2013-01-14"]),
        (aggregate(hour("at", tz="Europe/Berlin")), "2024-10-27T01:30", "2024-10-27T03:00",
         ["2024-10-27T01:00+02:00", "2024-10-27T02:00+02:00", "2024-10-27T02:00+01:00", "2024-10-27T03:00+01:00"]),
        (aggregate(hour("at", tz="Europe/Berlin")), "2024-03-31T01:00", "2024-03-31T03:00",
         ["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00"]),
        (aggregate(minute("at")), "2013-01-01T23:59", "2013-01-02T00:00:59.9",
         ["2013-01-01T23:59+00:00", "2013-01-02T00:00+00:00"]),
        # Samoa skipped a day when it crossed the date line
        (aggregate(day("at", tz="Pacific/Apia")), "2011-12-29", "2011-12-31", ["2011-12-29", "2011-12-31"]),
        (aggregate(day("at")), "9999-12-30", "9999-12-31", ["9999-12-30", "9999-12-31"]),
    ],
)  # fmt: skip
def test_buckets_are_in_time_order(of: Aggregate, first: str, last: str, labels: Sequence[str]) -> None:
    assert [found.pk for found in ranges(of, from_=first, to=last)] == [f"trips_by@3#{label}" for label in labels]


def test_a_long_range_is_generated_lazily() -> None:
    many = aggregate(minute("at")), {"from_": "2013-01-01", "to": "2013-01-06"}
    first = list(itertools.islice(query(many[0], **many[1]).ranges(), 2))
    assert [found.pk[-len("2013-01-01T00:00+00:00") :] for found in first] == [
        "2013-01-01T00:00+00:00",
        "2013-01-01T00:01+00:00",
    ]


@pytest.mark.parametrize(
    ("of", "given", "message"),
    [
        (CARRIER_HOURS, {}, "carrier is missing"),
        (CARRIER_HOURS, {"from": "2013-01-01", "to": "2013-01-02"}, "carrier is missing"),
        (CARRIER_HOURS, {"hour": "2013-01-01T05:00"}, "carrier is missing"),
        (CARRIER_HOURS, {"carrier": "UA", "hour": "2013-01-01"}, "more than one hour"),
        (CARRIER_HOURS, {"carrier": "UA", "hour": "2013-01-01T05:00", "to": "2013"}, "either hour, or from and to"),
        (CARRIER_HOURS, {"carrier": "UA", "colour": "red"}, "unknown parameter 'colour'"),
        (CARRIER_HOURS, {"carrier": "UA", "from": "soon"}, "not a time"),
        (CARRIER_HOURS, {"carrier": "UA", "from": ""}, "not a time"),
        (CARRIER_HOURS, {"carrier": "UA", "from": "2013-13"}, "not a time"),
        (CARRIER_HOURS, {"carrier": "UA", "from": "2013-02-30"}, "not a time"),
        (CARRIER_HOURS, {"carrier": "UA", "from": "2013-01-02", "to": "2013-01-01"}, "is after"),
        (CARRIER_HOURS, {"carrier": "UA", "limit": "0"}, "limit must be a whole number"),
        (CARRIER_HOURS, {"carrier": "UA", "limit": "1001"}, "limit must be a whole number"),
        (CARRIER_HOURS, {"carrier": "UA", "limit": "-1"}, "limit must be a whole number"),
        (CARRIER_HOURS, {"carrier": "UA", "limit": "٣"}, "limit must be a whole number"),
        (CARRIER_HOURS, {"carrier": "UA", "limit": "1" * 5000}, "limit must be a whole number"),
        (CARRIER_HOURS, {"carrier": "U" * 2050}, "longer than a DynamoDB key"),
        (PLACES, {"carrier": "UA", "origin": "E" * 1030}, "longer than a DynamoDB key"),
        (PLACES, {"carrier": "UA", "dest": "ORD"}, "dest requires origin"),
        (PLACES, {"carrier": "UA", "from": "2013-01-01"}, "from and to require origin"),
        (PLACES, {"carrier": "UA", "origin": "E", "from": "2013-01-01", "dest": "ORD"}, "dest requires one day"),
        (CARRIERS, {"carrier": "UA", "from": "2013-01-01"}, "no time bucket"),
        (DAYS, {}, "day is missing: give it, or from and to"),
        (DAYS, {"carrier": "UA"}, "day is missing"),
        (DAYS, {"from": "2013-01-01"}, "give both from and to"),
        (DAYS, {"from": "2013-01-01", "to": "2013-01-02", "dest": "ORD"}, "dest requires carrier"),
        (DAYS, {"from": "1900-01-01", "to": "2013-01-02"}, "narrow the range"),
        (aggregate(minute("at")), {"from": "2013-01-01", "to": "2013-01-31"}, "narrow the range"),
    ],
)
def test_an_unbounded_or_invalid_query_is_rejected_with_the_reason(
    of: Aggregate, given: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidMessage, match=message):
        parse_row_query(of, list(given.items()))


def test_a_parameter_may_not_be_repeated() -> None:
    with pytest.raises(InvalidMessage, match="more than once"):
        parse_row_query(PLACES, [("carrier", "UA"), ("origin", "EWR"), ("origin", "JFK")])


def test_the_first_group_may_be_repeated() -> None:
    found = parse_row_query(CARRIERS, [("carrier", "UA"), ("carrier", "B6")])
    assert [one.pk for one in found.ranges()] == ["trips_by@3#UA", "trips_by@3#B6"]
    later = found.starting_at(found.cursor(Position("trips_by@3#B6")))
    assert [one.pk for one in later.ranges()] == ["trips_by@3#B6"]


def test_groups_named_like_an_option_have_a_prefix() -> None:
    travels = aggregate(field("from"), field("to"), day("at"))
    (found,) = query(travels, ("group.from", "EWR"), ("group.to", "ORD"), ("from", "2013-01-01")).ranges()
    assert found.pk == "trips_by@3#EWR"
    assert contained(found, "ORD#2013-01-01", "ORD#2012-12-31", "SFO#2013-01-01") == ["ORD#2013-01-01"]


def test_no_two_groups_share_a_parameter() -> None:
    names = ["from", "group.from", "group.group.from", "group.of", "of"]
    assert len({parameter_name(field("value", name=name)) for name in names}) == len(names)
    travels = aggregate(field("from"), field("value", name="group.from"))
    (found,) = query(travels, ("group.from", "EWR"), ("group.group.from", "ORD")).ranges()
    assert contained(found, "ORD", "EWR") == ["ORD"]


def test_a_row_whose_label_the_zone_no_longer_has_is_still_read() -> None:
    """Rules change for times that are already stored."""
    skipped = "2013-03-10T02:00-05:00"
    found = query(CARRIER_HOURS, carrier="UA", from_="2013-03-10T00:00-05:00", to="2013-03-10T12:00-04:00")
    assert found.includes({"carrier": "UA", "hour": skipped})
    assert not query(CARRIER_HOURS, carrier="UA", from_="2013-03-10T04:00-04:00").includes({"hour": skipped})
