"""Intervals, rankings and windows that cannot be had: each is refused with the reason and what to ask instead."""

from typing import Any

import pytest

from tailrace import Aggregate, Collection, count, day, distinct, field, hop, hour, hours, minutes, second, top, week
from tailrace.errors import InvalidMessage, NotAdditive, UnsupportedKeyOrder
from tailrace.http.openapi.aggregates import aggregate_paths
from tailrace.queries.parameters import parse_group_query, parse_ranking_query, parse_row_query
from tailrace.queries.time_ranges import BucketRange

SALES = Collection("sales", schema={"type": "object"})


def by(*groups: Any) -> Aggregate:
    return Aggregate("sales_by", of=SALES, by=list(groups), measures={"n": count(), "kinds": distinct("kind")})


SHOP = field("shop")
HOURS, QUARTERS, ODD = by(SHOP, hour("at")), by(SHOP, minutes(15, "at")), by(SHOP, minutes(45, "at"))
WEEKS, DAYS, SHOPS, FROM = by(week("at"), SHOP), by(day("at"), SHOP), by(SHOP), by(field("from"))
HOP, HOP_FIRST = by(SHOP, hop("at", size=hours(3), every=hours(1))), by(hop("at", size=hours(3), every=hours(1)), SHOP)
RANGE = [("from", "2024-10-26"), ("to", "2024-10-27")]
OF_SHOP = [("shop", "a")]

ROWS: list[tuple[Aggregate, list[tuple[str, str]], type[Exception], str]] = [
    (
        HOURS,
        [*OF_SHOP, ("interval", "hour")],
        InvalidMessage,
        "rows are already by hour: leave interval out",
    ),
    (
        HOURS,
        [*OF_SHOP, ("interval", "minute")],
        InvalidMessage,
        "a minute is not a whole number of hours: interval",
    ),
    (
        HOURS,
        [*OF_SHOP, ("from", "1729983600")],
        InvalidMessage,
        r"'1729983600' \(expected ISO 8601, such as 2024-06-01T10:00:00Z\)",
    ),
    (
        HOURS,
        [*OF_SHOP, ("hour", "2024-10-26T01:00+00:00"), ("interval", "day")],
        InvalidMessage,
        "hour is a single hour: use from and to with interval",
    ),
    (HOURS, [*OF_SHOP, ("interval", "Day")], InvalidMessage, "interval must be one of day, week"),
    (HOURS, [*OF_SHOP, ("interval", "")], InvalidMessage, "interval must be one of day, week"),
    (ODD, [*OF_SHOP, ("interval", "hour")], InvalidMessage, "an hour is not a whole number of buckets of 45 minutes"),
    (WEEKS, [*RANGE, ("interval", "month")], InvalidMessage, "a month is not a whole number of weeks"),
    (DAYS, [*RANGE, ("interval", "year")], UnsupportedKeyOrder, "each day of sales_by is its own partition"),
    (SHOPS, [*OF_SHOP, ("interval", "range")], InvalidMessage, "takes no interval: it has no time bucket"),
    (SHOPS, [*OF_SHOP, ("from", "2024")], InvalidMessage, "has no time bucket for from and to$"),
    (FROM, [("from", "/")], InvalidMessage, "for from and to: group.from selects the group of that name"),
    (HOP, [*OF_SHOP, ("interval", "day")], NotAdditive, "takes no interval: windows overlap"),
    (HOP, [*OF_SHOP, ("interval", "range")], NotAdditive, "takes no interval: windows overlap"),
    (HOP_FIRST, [*RANGE, ("interval", "range")], NotAdditive, "takes no interval: windows overlap"),
    (HOP, [*OF_SHOP, *RANGE, ("window", "3h")], NotAdditive, "has no moving sums"),
    (QUARTERS, [*OF_SHOP, *RANGE, ("window", "10min")], InvalidMessage, "not a whole number of buckets of 15 minutes"),
    (HOURS, [*OF_SHOP, *RANGE, ("window", "90min")], InvalidMessage, "window=90min is not a whole number of hours"),
    (WEEKS, [*RANGE, ("window", "10d")], InvalidMessage, "not a whole number of weeks: give one such as 4w"),
]
RANKINGS: list[tuple[Aggregate, list[tuple[str, str]], type[Exception], str]] = [
    (SHOPS, [], UnsupportedKeyOrder, "has one row per shop: give up to 25 values of shop to rank"),
    (SHOPS, OF_SHOP, UnsupportedKeyOrder, "has one row per shop: ranking needs"),
    (DAYS, [], UnsupportedKeyOrder, "give day to rank shop within it, or a time range"),
    (DAYS, [("from", "2024")], InvalidMessage, "give both from and to"),
    (DAYS, [*RANGE, ("interval", "day")], InvalidMessage, "rows are already by day: leave interval out"),
    (HOP, [*OF_SHOP, *RANGE, ("interval", "range")], NotAdditive, "takes no interval: windows overlap"),
    (HOP_FIRST, RANGE, NotAdditive, "n of several rows cannot be ranked: windows overlap"),
    (HOURS, [*OF_SHOP, ("window", "24h")], InvalidMessage, "unknown parameter 'window'"),
]


@pytest.mark.parametrize(("aggregate", "parameters", "error", "message"), ROWS)
def test_rows_that_cannot_be_had(
    aggregate: Aggregate, parameters: list[tuple[str, str]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        parse_row_query(aggregate, parameters)


@pytest.mark.parametrize(("aggregate", "parameters", "error", "message"), RANKINGS)
def test_rankings_that_cannot_be_had(
    aggregate: Aggregate, parameters: list[tuple[str, str]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        parse_ranking_query(aggregate, [*parameters, ("by", "n")])


@pytest.mark.parametrize("by_measure", [[("by", "usual")], [("by", "gone")], []])
def test_rows_are_ranked_by_a_single_value_only(by_measure: list[tuple[str, str]]) -> None:
    sales = Aggregate("sales_by", of=SALES, by=[SHOP, day("at")], measures={"n": count(), "usual": top("kind", 2)})
    with pytest.raises(InvalidMessage, match=r"by must be a measure to rank by: n$"):
        parse_ranking_query(sales, [*OF_SHOP, *by_measure])


def test_only_a_list_in_key_order_continues_at_a_cursor() -> None:
    for order in ([], [("order", "items")]):
        with pytest.raises(InvalidMessage, match="cursor requires order=key"):
            parse_group_query(SHOPS, [*order, ("cursor", parse_group_query(SHOPS, []).cursor("a"))])


def test_a_range_may_have_ten_thousand_buckets() -> None:
    seconds = by(second("at"), SHOP)
    parse_row_query(seconds, [("from", "2024-10-26T00:00"), ("to", "2024-10-26T02:46:39")])
    with pytest.raises(InvalidMessage, match="more than 10000 time buckets apart"):
        parse_row_query(seconds, [("from", "2024-10-26T00:00"), ("to", "2024-10-26T02:46:40")])


def test_windows_offer_neither_intervals_nor_moving_sums() -> None:
    for aggregate, offered in ((HOURS, {"interval", "window"}), (HOP, set()), (HOP_FIRST, set())):
        paths = aggregate_paths(aggregate)
        named = {one["name"] for path in paths.values() for one in path["get"].get("parameters", ()) if "name" in one}
        assert named & {"interval", "window"} == offered


@pytest.mark.parametrize("label", ["2024-04-07T01:00+10:30", "2024-04-07T01:00+11:00"])
def test_a_label_with_an_unescaped_plus_sign_is_that_label(label: str) -> None:
    # clocks went back at 02:00 to 01:30: as an instant, the first label is in the bucket of the second one
    bucket = hour("at", tz="Australia/Lord_Howe")
    local = by(SHOP, bucket)
    (escaped,) = parse_row_query(local, [*OF_SHOP, ("hour", label)]).ranges()
    assert escaped.between == (label, label)
    assert next(parse_row_query(local, [*OF_SHOP, ("hour", label.replace("+", " "))]).ranges()) == escaped
    ends = [("from", label.replace("+", " ")), ("to", label.replace("+", " "))]
    assert parse_row_query(local, [*OF_SHOP, *ends]).bucket_range == BucketRange(bucket, label, label)
