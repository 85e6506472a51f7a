"""Rows read back in every way on DynamoDB Local, held against a recount of the orders by another route."""

import csv
import io
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

import pytest

from functions.aggregate.app import handler as aggregate
from tailrace import queries
from tailrace.aws import groups as listing
from tailrace.aws import rows as reading
from tailrace.aws.settings import ApiSettings
from tailrace.envelopes import loads
from tests.gateway import send
from tests.streams import event, history

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ZONE = ZoneInfo("Europe/Berlin")
SHOPS = ["a", "b#%", "c"]
DIGITS = Context(prec=38)
SHARDS = [f"shardId-{place:020d}-0a1b2c3d" for place in (1, 2, 3)]

type Row = dict[str, Any]

# Both changes of Berlin's clocks, the turn of a year, a year of the calendar's own weeks.
STARTS = [(2024, 3, 30, 21), (2024, 10, 26, 20), (2024, 12, 30, 12), (2025, 6, 14, 10)]
MOMENTS = [datetime(*start, 7, tzinfo=UTC) + timedelta(minutes=47 * step) for start in STARTS for step in range(24)]
ORDERS: list[Row] = [
    {"shop": shop, "placed": moment.isoformat(), "lines": (place * 7) % 11, "amount": Decimal(place * 13 % 17) / 10 + 1}
    for place, moment in enumerate(MOMENTS)
    for shop in (SHOPS if place % 4 else SHOPS[:1])
]


@pytest.fixture(scope="module")
def _filled(dynamodb: "DynamoDBClient", dynamodb_endpoint: str) -> Iterator[None]:
    """Fill the aggregates by way of three shards; once, since nothing here changes them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", dynamodb_endpoint)
        patch.setenv("TAILRACE_PIPELINE", "tests.pipelines.readable:pipeline")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "POWERTOOLS_METRICS_NAMESPACE"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for variable in ("ITEMS_TABLE", "AGGREGATES_TABLE", "IDEMPOTENCY_TABLE", "PROGRESS_TABLE"):
            keys = ["pk", "sk"] if variable in ("AGGREGATES_TABLE", "PROGRESS_TABLE") else ["pk"]
            dynamodb.create_table(
                TableName=f"reading-{variable}",
                KeySchema=[{"AttributeName": key, "KeyType": "RANGE" if key == "sk" else "HASH"} for key in keys],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                BillingMode="PAY_PER_REQUEST",
            )
            patch.setenv(variable, f"reading-{variable}")
        for name in {field.name.upper() for field in fields(ApiSettings)} - os.environ.keys():
            patch.setenv(name, "not-asked")
        gone = {"shop": "a", "placed": "2025-06-14T10:07:00Z"}
        for place, shard in enumerate(SHARDS):
            mine = [(f"{place} {number}", order) for number, order in enumerate(ORDERS) if number % 3 == place]
            records = history("orders", [*mine, ("gone", gone), ("gone", None)], 10_000 * place + 1)
            assert aggregate(event(records, shard=shard), None)["batchItemFailures"] == []
        yield


@pytest.fixture
def read(_filled: None) -> Callable[..., Any]:
    """Return a way to read the aggregates."""

    def page(path: str, accept: str = "application/json", **given: Any) -> dict[str, Any]:
        query = urlencode({name.rstrip("_"): value for name, value in given.items()}, doseq=True)
        return send("GET", f"/aggregates/{path}", None, query, accept=accept)

    return page


@pytest.fixture
def pages(read: Callable[..., Any]) -> Callable[..., list[list[Row]]]:
    """Return a way to read all pages."""

    def follow(path: str, **given: Any) -> list[list[Row]]:
        found: list[list[Row]] = []
        while True:
            answer = read(path, **given)
            assert answer["statusCode"] == 200, answer["body"]
            document = loads(answer["body"])
            assert len(document["rows"]) <= int(given.get("limit", 100))
            found.append(document["rows"])
            if "cursor" not in document:
                assert "Link" not in answer["headers"]
                return found
            target = answer["headers"]["Link"].partition(">")[0].partition("?")[2]
            assert dict(parse_qsl(target))["cursor"] == document["cursor"]
            given["cursor"] = document["cursor"]

    return follow


def label(order: Row, unit: str) -> str:
    """Return a bucket's label from the clock on the wall, by the calendar alone."""
    local = datetime.fromisoformat(order["placed"]).astimezone(ZONE)
    match unit:
        case "minute":
            return local.isoformat(timespec="minutes")
        case "hour":
            return local.replace(minute=0).isoformat(timespec="minutes")
        case "week":
            return (local.date() - timedelta(days=local.weekday())).isoformat()
        case "month":
            return f"{local:%Y-%m}"
    return f"{local:%Y-%m-%d}"


def recounted(orders: Iterable[Row], unit: str, *, time_first: bool = False, ends: bool = False) -> list[Row]:
    """Return what the rows of each shop and bucket have to be, in the order of the key."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for order in orders:
        groups[label(order, unit), order["shop"]].append(order)
    # the key escapes what separates its parts, and so it sorts
    escaped = {shop: shop.replace("%", "%25").replace("#", "%23") for shop in SHOPS}
    order_of = (lambda key: (key[0], escaped[key[1]])) if time_first else (lambda key: (escaped[key[1]], key[0]))
    return [row_of(time, shop, groups[time, shop], ends=ends) for time, shop in sorted(groups, key=order_of)]


def row_of(time: str, shop: str, orders: list[Row], *, ends: bool) -> Row:
    amounts = [order["amount"] for order in orders]
    size, total = len(orders), sum(amounts)
    row = {
        "time": time,
        "shop": shop,
        "orders": size,
        "lines": sum(order["lines"] for order in orders),
        "amount": DIGITS.divide(total, size),
        "spread": DIGITS.divide(sum(amount * amount for amount in amounts) * size - total * total, size * size),
    }
    if ends:
        by_time = sorted(orders, key=lambda order: (order["placed"], order["lines"]))
        row |= {"least": min(amounts), "most": max(amounts)}
        row |= {"earliest": by_time[0]["lines"], "latest": by_time[-1]["lines"]}
    return row


def seen(rows: Iterable[Row], *, ends: bool = False) -> list[Row]:
    """Return rows as the recount has them."""
    found = []
    for row in rows:
        time = next(row[name] for name in ("hour", "day", "minute") if name in row)
        kept = {"time": time} | {name: row[name] for name in ("shop", "orders", "lines", "amount", "spread")}
        if ends:
            kept |= {name: row[name] for name in ("least", "most")}
            kept |= {name: row[name]["value"] for name in ("earliest", "latest")}
        found.append(kept)
    return found


def joined(pages: list[list[Row]]) -> list[Row]:
    return [row for page in pages for row in page]


@pytest.mark.parametrize("name", ["hours", "lanes"])
@pytest.mark.parametrize("interval", [None, "day", "week", "month"])
@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
def test_rows_and_intervals_of_a_shop(pages: Callable[..., Any], name: str, interval: str | None, limit: int) -> None:
    for shop in SHOPS:
        expected = recounted([order for order in ORDERS if order["shop"] == shop], interval or "hour")
        given = {"shop": shop, "limit": limit} | ({"interval": interval} if interval else {})
        if limit > 2 or interval:
            assert seen(joined(pages(f"{name}/rows", **given))) == expected
            assert seen(joined(pages(f"{name}/rows", order="desc", **given))) == expected[::-1]


def test_the_ends_of_an_interval_are_those_of_its_rows(pages: Callable[..., Any]) -> None:
    mine = [order for order in ORDERS if order["shop"] == "a"]
    found = joined(pages("hours/rows", shop="a", interval="month"))
    assert seen(found, ends=True) == recounted(mine, "month", ends=True)
    assert all(
        datetime.fromisoformat(row["earliest"]["at"]) <= datetime.fromisoformat(row["latest"]["at"]) for row in found
    )


@pytest.mark.parametrize("name", ["days", "lane_days"])
@pytest.mark.parametrize("interval", [None, "week", "month"])
@pytest.mark.parametrize("limit", [1, 3, 1000])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_rows_and_intervals_of_days_in_front(
    pages: Callable[..., Any], name: str, interval: str | None, limit: int, order: str
) -> None:
    expected = recounted(ORDERS, interval or "day", time_first=True)
    given = {"from_": "2024-03-01", "to": "2025-07-15", "limit": limit, "order": order}
    found = joined(pages(f"{name}/rows", **given, **({"interval": interval} if interval else {})))
    assert seen(found) == (expected if order == "asc" else expected[::-1])
    # what cannot be added up is not there, rather than wrong
    assert all(("median" in row, "kinds" in row) == (name == "days" and not interval,) * 2 for row in found)


def test_minutes_become_hours_also_when_clocks_change(pages: Callable[..., Any]) -> None:
    for day in ("2024-03-31", "2024-10-27"):
        mine = [order for order in ORDERS if label(order, "day") == day]
        found = seen(joined(pages("minutes/rows", from_=day, to=day, interval="hour")))
        expected = recounted(mine, "hour", time_first=True)
        assert sorted(found, key=lambda row: (row["time"], row["shop"])) == sorted(
            expected, key=lambda row: (row["time"], row["shop"])
        )
        assert [datetime.fromisoformat(row["time"]) for row in found] == sorted(
            datetime.fromisoformat(row["time"]) for row in found
        )


def test_groups_behind_the_time_are_added_up_each_by_itself(pages: Callable[..., Any]) -> None:
    expected: dict[tuple[str, int], int] = defaultdict(int)
    for order in ORDERS:
        if order["shop"] == "c":
            expected[label(order, "month"), order["lines"]] += 1
    for limit in (1, 4, 1000):
        found = joined(pages("sizes/rows", shop="c", interval="month", limit=limit))
        assert {(row["hour"], row["lines"]): row["n"] for row in found} == expected
        places = [(row["hour"], str(row["lines"])) for row in found]
        assert places == sorted(places)


def test_a_range_is_widened_to_whole_intervals(pages: Callable[..., Any]) -> None:
    mine = [order for order in ORDERS if order["shop"] == "a"]
    ranges = [
        ("2024-10-27T02:30", "2024-10-27"),
        ("2024-03-30T23:00", "2024-03-31T00:30"),
        ("2025-06", "2025-06-14"),
        ("2024-12-31", "2025-01"),
    ]
    for first, last in ranges:
        for unit in ("day", "week", "month"):
            begin = first + {7: "-01T00:00", 10: "T00:00"}.get(len(first), "")
            end = last + {7: "-31T23:59", 10: "T23:59"}.get(len(last), "")
            ends = [datetime.fromisoformat(text).replace(tzinfo=ZONE).isoformat() for text in (begin, end)]
            touched = [label({"placed": instant}, unit) for instant in ends]
            expected = [row for row in recounted(mine, unit) if touched[0] <= row["time"] <= touched[1]]
            found = joined(pages("hours/rows", shop="a", interval=unit, from_=first, to=last))
            assert seen(found) == expected, (first, last, unit)


def test_many_empty_days_are_passed_over_page_by_page(
    pages: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_MOST_READS", 40)
    for order in ("asc", "desc"):
        found = pages("days/rows", from_="2024-01-01", to="2025-12-31", interval="month", order=order)
        expected = recounted(ORDERS, "month", time_first=True)
        assert seen(joined(found)) == (expected if order == "asc" else expected[::-1])
        assert len(found) > 10


def test_what_takes_too_many_reads_is_refused(read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_READS", 1)
    monkeypatch.setattr(queries, "MOST_IN", {("hour", "day"): 2})
    monkeypatch.setattr(queries, "_MANY", 2)
    for _ in range(2):
        answer = read("hours/rows", shop="a", interval="month", limit=1)
        assert (answer["statusCode"], "too-much" in answer["body"]) == (422, True)
    monkeypatch.setattr(reading, "_MOST_READS", 0)
    answer = read("hours/top", shop="a", by="orders")
    assert (answer["statusCode"], "too-much" in answer["body"]) == (422, True)


@pytest.mark.parametrize("by", ["orders", "lines", "amount", "spread", "most", "kinds"])
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_a_ranking_is_what_sorting_gives(pages: Callable[..., Any], by: str, order: str) -> None:
    rows = joined(pages("days/rows", day="2024-10-27"))
    for most in (1, 2, 100):
        found = joined(pages("days/top", day="2024-10-27", by=by, n=most, order=order))
        expected = sorted(rows, key=lambda row: row[by], reverse=order == "desc")
        assert found == expected[:most]
    assert len(joined(pages("days/top", day="2024-10-27", by=by))) == 3


@pytest.mark.parametrize("name", ["hours", "lanes"])
def test_hours_of_a_shop_are_ranked_too(pages: Callable[..., Any], name: str) -> None:
    mine = recounted([order for order in ORDERS if order["shop"] == "a"], "hour")
    expected = sorted(mine, key=lambda row: -row["lines"])[:5]
    assert seen(joined(pages(f"{name}/top", shop="a", by="lines", n=5))) == expected
    march = [row for row in mine if row["time"] < "2024-04"]
    assert seen(joined(pages(f"{name}/top", shop="a", by="lines", n=100, from_="2024-03", to="2024-03"))) == sorted(
        march, key=lambda row: -row["lines"]
    )


@pytest.mark.parametrize(
    ("path", "given", "status", "name"),
    [
        ("hours/top", {"by": "orders"}, 422, "key-order"),
        ("hours/top", {"by": "orders", "hour": "2024-10-27T02:00+01:00"}, 422, "key-order"),
        ("days/top", {"by": "orders", "from": "2024-10-01", "to": "2024-10-31"}, 422, "key-order"),
        ("totals/top", {"by": "orders", "shop": "a"}, 422, "key-order"),
        ("days/top", {"day": "2024-10-27"}, 400, "invalid-request"),
        ("days/top", {"day": "2024-10-27", "by": "usual"}, 400, "invalid-request"),
        ("days/top", {"day": "2024-10-27", "by": "orders", "n": "101"}, 400, "invalid-request"),
        ("days/top", {"day": "2024-10-27", "by": "orders", "limit": "1"}, 400, "invalid-request"),
        ("days/top", {"day": "2024-10-27", "by": "orders", "order": "up"}, 400, "invalid-request"),
        ("minutes/rows", {"from": "2024-10-27", "to": "2024-10-28", "interval": "day"}, 422, "key-order"),
        ("days/rows", {"from": "2024-10-27", "to": "2024-10-28", "interval": "hour"}, 400, "invalid-request"),
        ("days/rows", {"day": "2024-10-27", "interval": "month"}, 400, "invalid-request"),
        ("totals/rows", {"shop": "a", "interval": "day"}, 400, "invalid-request"),
        ("hours/rows", {"shop": "a", "interval": "hour"}, 400, "invalid-request"),
        ("hours/rows", {"shop": "a", "order": "backwards"}, 400, "invalid-request"),
        ("nothing/top", {"by": "orders"}, 404, "not-found"),
    ],
)
def test_what_the_key_does_not_allow_is_told(
    read: Callable[..., Any], path: str, given: dict[str, str], status: int, name: str
) -> None:
    answer = read(path, **given)
    assert (answer["statusCode"], json.loads(answer["body"])["type"].rpartition(":")[2]) == (status, name)


def test_a_cursor_is_of_one_query_in_one_order(read: Callable[..., Any]) -> None:
    cursor = loads(read("hours/rows", shop="a", interval="day", limit=1)["body"])["cursor"]
    assert read("hours/rows", shop="a", interval="day", limit=5, cursor=cursor)["statusCode"] == 200
    for other in ({"interval": "month"}, {}, {"interval": "day", "order": "desc"}):
        assert read("hours/rows", shop="a", cursor=cursor, **other)["statusCode"] == 400


@pytest.mark.parametrize("path", ["hours/rows", "days/top"])
def test_every_form_says_the_same(read: Callable[..., Any], path: str) -> None:
    given = {"shop": "b#%"} if path == "hours/rows" else {"day": "2024-10-27", "by": "lines"}
    rows = loads(read(path, **given)["body"])["rows"]
    lines = read(path, "application/x-ndjson", **given)
    assert lines["headers"]["Content-Type"] == "application/x-ndjson"
    assert [loads(line) for line in lines["body"].splitlines()] == rows
    table = read(path, "text/csv", **given)
    assert table["headers"]["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert json.loads(table["headers"]["Tailrace-Freshness"]).keys() == {"newest_change", "age_s", "behind_s"}
    assert table["body"].endswith("\r\n")
    cells = list(csv.DictReader(io.StringIO(table["body"], newline="")))
    assert [{name: _cell(value) for name, value in row.items() if name in rows[0]} for row in cells] == [
        {name: _plain(value) for name, value in row.items()} for row in rows
    ]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | None) else json.loads(json.dumps(value, default=str))


def _cell(text: str) -> Any:
    try:
        return _plain(loads(text)) if text else None
    except Exception:  # noqa: BLE001 - a text stands as it is
        return text


def test_pages_of_lines_lead_on_by_their_header(read: Callable[..., Any]) -> None:
    found: list[Row] = []
    given: dict[str, Any] = {"shop": "b#%", "limit": 7, "order": "desc"}
    while True:
        answer = read("hours/rows", "application/x-ndjson", **given)
        found += map(loads, answer["body"].splitlines())
        if "Link" not in answer["headers"]:
            break
        address, relation = answer["headers"]["Link"].removeprefix("<").split(">; ")
        path, _, query = address.partition("?")
        assert (path, relation) == ("/aggregates/hours/rows", 'rel="next"')
        given = dict(parse_qsl(query))
    assert found == loads(read("hours/rows", shop="b#%", order="desc", limit=1000)["body"])["rows"]


def test_the_values_of_the_first_group_are_listed_with_their_items(read: Callable[..., Any]) -> None:
    counted = {shop: sum(order["shop"] == shop for order in ORDERS) for shop in SHOPS}
    for name in ("hours", "lanes", "totals"):
        document = loads(read(f"{name}/groups")["body"])
        assert (document["aggregate"], document["group"]) == (name, "shop")
        assert {one["value"]: one["items"] for one in document["groups"]} == counted
        assert [one["items"] for one in document["groups"]] == sorted(counted.values(), reverse=True)
        assert loads(read(f"{name}/groups", n=1)["body"])["groups"] == document["groups"][:1]


def test_a_list_in_the_order_of_the_key_goes_on_at_its_cursor(read: Callable[..., Any]) -> None:
    found, given = [], {"order": "key", "n": 1}
    while True:
        document = loads(read("hours/groups", **given)["body"])
        found += [one["value"] for one in document["groups"]]
        if "cursor" not in document:
            break
        given["cursor"] = document["cursor"]
    assert found == SHOPS
    for changed in (str(given["cursor"])[::-1], "", "e30"):
        assert read("hours/groups", order="key", cursor=changed)["statusCode"] == 400
    assert read("totals/groups", order="key", cursor=given["cursor"])["statusCode"] == 400
    assert read("hours/groups", cursor=given["cursor"])["statusCode"] == 400


def test_a_list_that_there_is_not_is_refused(read: Callable[..., Any]) -> None:
    for name in ("days", "lane_days", "minutes"):
        answer = read(f"{name}/groups")
        assert (answer["statusCode"], json.loads(answer["body"])["type"].rpartition(":")[2]) == (422, "key-order")
    assert read("nothing/groups")["statusCode"] == 404
    assert read("hours/groups", shop="a")["statusCode"] == 400


def test_more_values_than_can_be_read_are_not_ranked(read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_MOST_READS", 0)
    answer = read("hours/groups")
    assert (answer["statusCode"], json.loads(answer["body"])["type"].rpartition(":")[2]) == (422, "too-much")


@pytest.mark.parametrize("name", ["hours", "lanes", "totals"])
@pytest.mark.parametrize("given", [{}, {"from_": "2024-10-26", "to": "2024-10-27"}, {"interval": "day"}])
def test_rows_of_several_groups_follow_each_other(
    read: Callable[..., Any], pages: Callable[..., list[list[Row]]], name: str, given: dict[str, Any]
) -> None:
    if name == "totals" and given:
        assert read("totals/rows", shop=SHOPS, **given)["statusCode"] == 400
        return
    asked = [SHOPS[2], SHOPS[0], SHOPS[1]]
    single = [row for shop in asked for row in joined(pages(f"{name}/rows", shop=shop, **given))]
    for limit in (1 if name == "totals" else 7, 1000):
        assert joined(pages(f"{name}/rows", shop=asked, limit=limit, **given)) == single


def test_too_many_groups_and_one_twice_are_refused(read: Callable[..., Any]) -> None:
    assert read("hours/rows", shop=["a", "a"])["statusCode"] == 400
    assert read("hours/rows", shop=[f"s{number}" for number in range(26)])["statusCode"] == 400
    assert read("days/rows", day=["2024-10-27", "2024-10-28"])["statusCode"] == 400
    assert read("hours/top", shop=["a", "c"], by="orders")["statusCode"] == 400
