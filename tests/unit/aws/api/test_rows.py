"""api: rows out by HTTP, as readers see them: ranges, pages, and which aggregates there are."""

import csv
import io
import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from functions.api.app import handler
from tailrace.aws.aggregates import group_reader as listing
from tailrace.aws.aggregates import row_reader as reading
from tailrace.aws.api.aggregates import left_out_header
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.testing import history
from tests.api_client import call, problem, request
from tests.unit.aws.api.counting import count, order
from tests.unit.aws.conftest import Cloud


def rows(name: str, **given: Any) -> list[dict[str, Any]]:
    status, document = call(
        "GET", f"/aggregates/{name}/rows", query=urlencode({key.rstrip("_"): value for key, value in given.items()})
    )
    assert status == 200
    assert "cursor" not in document
    found: list[dict[str, Any]] = document["rows"]
    return found


@pytest.mark.usefixtures("cloud")
def test_rows_are_as_readers_see_them() -> None:
    writes = [
        ("1", order(9, amount=Decimal("0.1"))),
        ("2", order(9, amount=Decimal("0.2"), paid=False)),
        ("3", order(9, amount=7)),
    ]
    count(history("orders", [*writes, ("3", order(10, amount=None))]))
    answer = handler(request("GET", "/aggregates/shop_hours/rows", query="shop=a%231"), None)
    document = loads(answer["body"])
    assert document.keys() == {"aggregate", "version", "rows", "generation", "freshness"}
    assert (document["aggregate"], document["version"]) == ("shop_hours", 1)
    first, second = document["rows"]
    assert first.pop("updated_at")[:2] == "20"
    assert first == {
        "shop": "a#1",
        "hour": "2024-03-05T09:00+01:00",
        "orders": 2,
        "paid": 1,
        "revenue": Decimal("0.1"),
        "basket": Decimal("0.15"),
        "spread": Decimal("0.0025"),
    }
    assert (second["hour"], second["basket"], second["spread"]) == ("2024-03-05T10:00+01:00", None, None)
    # every digit: 0.15, not what is nearest to it in binary
    assert '"basket":0.15,' in answer["body"]


@pytest.mark.usefixtures("cloud")
def test_empty_groups_are_left_out() -> None:
    count(history("orders", [("1", order(9)), ("2", order(10)), ("1", None)]))
    assert [row["hour"] for row in rows("shop_hours", shop="a#1")] == ["2024-03-05T10:00+01:00"]


@pytest.mark.usefixtures("cloud")
def test_a_range_of_time_is_ascending_and_holds_both_its_ends() -> None:
    count(history("orders", [(str(hour), order(hour)) for hour in (12, 9, 11, 10)]))
    found = rows("shop_hours", shop="a#1", from_="2024-03-05T10:59:59+01:00", to="2024-03-05T10:00:00Z")
    assert [row["hour"] for row in found] == ["2024-03-05T10:00+01:00", "2024-03-05T11:00+01:00"]
    assert len(rows("shop_hours", shop="a#1", from_="2024-03-05", to="2024-03-05")) == 4
    assert rows("shop_hours", shop="a#1", from_="2024-03-06") == []
    assert [row["orders"] for row in rows("shop_hours", shop="a#1", hour="2024-03-05T09:00+01:00")] == [1]
    assert rows("shop_hours", shop="nobody") == []


@pytest.mark.usefixtures("cloud")
def test_days_in_front_are_read_day_after_day() -> None:
    shops = [("a#1", 5), ("b", 5), ("b", 6), ("c", 8)]
    count(history("orders", [(str(n), order(9, shop=shop, day=day)) for n, (shop, day) in enumerate(shops)]))
    found = [(row["day"], row["shop"]) for row in rows("days", from_="2024-03-05", to="2024-03-08")]
    assert found == [("2024-03-05", "a#1"), ("2024-03-05", "b"), ("2024-03-06", "b"), ("2024-03-08", "c")]
    assert [row["day"] for row in rows("days", from_="2024-03", to="2024-03", shop="b")] == ["2024-03-05", "2024-03-06"]
    assert [row["shop"] for row in rows("days", day="2024-03-05")] == ["a#1", "b"]


def paged(name: str, limit: int, **given: Any) -> list[list[dict[str, Any]]]:
    """Read all pages of a query."""
    query = {key.rstrip("_"): value for key, value in given.items()} | {"limit": limit}
    pages: list[list[dict[str, Any]]] = []
    while True:
        status, document = call("GET", f"/aggregates/{name}/rows", query=urlencode(query))
        assert status == 200
        pages.append(document["rows"])
        if "cursor" not in document:
            return pages
        query["cursor"] = document["cursor"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
@pytest.mark.usefixtures("cloud")
def test_pages_together_are_the_whole(limit: int) -> None:
    orders = [order(hour, day=day, shop=shop) for day in (5, 6, 9) for shop in ("a#1", "b") for hour in (9, 10)]
    writes: list[tuple[str, Any]] = [(str(n), item) for n, item in enumerate(orders)]
    count(history("orders", [*writes, ("0", None), ("1", None)]))
    for name, given in (("shop_hours", {"shop": "a#1"}), ("days", {"from_": "2024-03-01", "to": "2024-03-31"})):
        pages = paged(name, limit, **given)
        assert [row for page in pages for row in page] == rows(name, **given)
        assert all(len(page) <= limit for page in pages)


@pytest.mark.usefixtures("cloud")
def test_a_page_ends_when_it_has_read_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_READS", 4)
    count(history("orders", [("1", order(9, day=1)), ("2", order(9, day=30))]))
    pages = paged("days", 1000, from_="2024-03-01", to="2024-03-30")
    assert len(pages) == 8
    assert [row["day"] for page in pages for row in page] == ["2024-03-01", "2024-03-30"]


@pytest.mark.usefixtures("cloud")
def test_a_page_ends_before_it_is_too_large_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 500)
    count(history("orders", [(str(hour), order(hour)) for hour in range(20)]))
    pages = paged("shop_hours", 1000, shop="a#1")
    assert [row["hour"] for page in pages for row in page] == [f"2024-03-05T{hour:02d}:00+01:00" for hour in range(20)]
    assert all(sum(len(dumps(row)) for row in page) <= 500 for page in pages)
    assert len(pages) > 3


@pytest.mark.usefixtures("cloud")
def test_a_list_ends_before_it_is_too_large_for_an_answer_and_a_ranking_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 200)
    monkeypatch.setattr(listing, "MAX_BYTES", 200)
    shops = [f'{"quoted" * 5}"{number}' for number in range(9)]
    count(history("orders", [(shop, order(9, shop=shop)) for shop in shops] + [("x", order(10, shop=shops[0]))]))
    for path, query in (("shop_hours/groups", "n=9"), ("shop_hours/top", f"shop={shops[0]}&by=orders&n=2")):
        assert problem("GET", f"/aggregates/{path}", query=query) == (422, "too-much")
        assert call("GET", f"/aggregates/{path}", query=query.replace("n=2", "n=1").replace("n=9", "n=3"))[0] == 200
    found, query = [], "order=key"
    for _ in range(3):
        _, document = call("GET", "/aggregates/shop_hours/groups", query=query)
        found += [one["value"] for one in document["groups"]]
        query = f"order=key&cursor={document.get('cursor')}"
    assert (found, "cursor" in document) == (shops, False)


def test_readers_do_not_see_what_another_version_counted(cloud: Cloud) -> None:
    count(history("orders", [("1", order(9))]))
    (row,) = [
        row for row in cloud.dynamodb.scan(TableName="aggregates")["Items"] if row["pk"]["S"].startswith("months@2#")
    ]
    cloud.dynamodb.put_item(TableName="aggregates", Item=row | {"pk": {"S": "months@1#2024-03"}, "~n": {"N": "99"}})
    assert len(rows("months", from_="2024-01", to="2024-12")) == 1


@pytest.mark.usefixtures("cloud")
def test_aggregates_are_listed_as_they_are_defined() -> None:
    status, document = call("GET", "/aggregates")
    assert status == 200
    found = {one["name"]: one for one in document["aggregates"]}
    assert list(found) == ["shop_hours", "days", "large_weeks", "months", "pages"]
    assert found["shop_hours"]["keep_s"] == 36_500 * 86_400
    assert found["months"]["version"] == 2
    assert [(group["name"], group["kind"]) for group in found["days"]["groups"]] == [("day", "day"), ("shop", "field")]
    assert found["days"]["groups"][0]["time_zone"] == "Asia/Kolkata"
    assert found["pages"]["bucket"] is None
    assert problem("GET", "/aggregates", query="name=days") == (400, "invalid-request")


@pytest.mark.usefixtures("cloud")
def test_rows_of_intervals_and_windows_say_what_they_hold() -> None:
    count(history("orders", [("1", order(9, amount=1)), ("2", order(10, amount=2)), ("3", order(9, day=6, amount=4))]))

    def read(accept: str = "application/json", **given: str) -> Any:
        query = urlencode({"shop": "a#1", "from": "2024-03-05", "to": "2024-03-06"} | given)
        answer = handler(request("GET", "/aggregates/shop_hours/rows", query=query, headers={"accept": accept}), None)
        assert answer["statusCode"] == 200, answer["body"]
        return answer

    document = loads(read(interval="day")["body"])
    assert (document["interval"], document["bucket"]) == ("day", "day")
    assert [(row["day"], row["orders"]) for row in document["rows"]] == [("2024-03-05", 2), ("2024-03-06", 1)]
    document = loads(read(window="24h", limit="1000")["body"])
    assert document["window"] == "24h"
    assert {"interval", "bucket"}.isdisjoint(document)
    sums = {row["hour"]: row["orders"] for row in document["rows"]}
    assert [sums[f"2024-03-0{day}T{hour}:00+01:00"] for day, hour in [(5, "09"), (5, "10"), (5, "23")]] == [1, 2, 2]
    assert [sums[f"2024-03-06T{hour}:00+01:00"] for hour in ("08", "09", "10")] == [2, 2, 1]
    document = loads(read(window="2d", interval="day")["body"])
    assert [(row["day"], row["revenue"]) for row in document["rows"]] == [("2024-03-05", 3), ("2024-03-06", 7)]
    lines = list(csv.reader(io.StringIO(read("text/csv", window="2d", interval="day")["body"])))
    assert lines[0][:3] == ["shop", "day", "orders"]
    assert [line[1:3] for line in lines[1:]] == [["2024-03-05", "2"], ["2024-03-06", "3"]]
    assert problem("GET", "/aggregates/shop_hours/rows", query="shop=a%231&window=24h")[0] == 400


@pytest.mark.parametrize(("count_", "size", "kept"), [(30, 9, 30), (90, 9, 90), (90, 255, 15)])
def test_the_header_of_what_is_left_out_leaves_room_for_others(count_: int, size: int, kept: int) -> None:
    """The gateway fails if all headers together have more than 10,240 bytes."""
    reasons = {f"m{number:0{size}}": "rows store how many there are" for number in range(count_)}
    header = left_out_header(reasons)
    assert len(header) <= 4000
    assert re.findall(r'"(m\d+)"', header) == list(reasons)[:kept]
    assert ("reason=" in header) is (count_ == 30)


@pytest.mark.usefixtures("cloud")
def test_a_ranking_that_there_is_no_time_for_is_refused() -> None:
    query = urlencode({"from": "2024-03-01", "to": "2024-03-31", "by": "n"})
    for left_ms, status in ((12_000, 422), (29_000, 200)):
        context = SimpleNamespace(get_remaining_time_in_millis=lambda left_ms=left_ms: left_ms)
        answer = handler(request("GET", "/aggregates/days/top", query=query), context)
        assert answer["statusCode"] == status
        assert ("urn:problem-type:tailrace:too-much" in answer["body"]) is (status != 200)


@pytest.mark.usefixtures("cloud")
def test_a_next_page_whose_address_fits_into_no_header_has_its_cursor_in_the_body() -> None:
    count(history("orders", [("1", order(9, shop="é")), ("2", order(10, shop="é"))]))
    others = [("shop", f"{number}{'é' * 40}") for number in range(24)]
    query = urlencode([("shop", "é"), *others, ("limit", "1")])
    answers = {
        accept: handler(request("GET", "/aggregates/shop_hours/rows", query=query, headers={"accept": accept}), None)
        for accept in ("application/json", "text/csv", "application/x-ndjson")
    }
    assert [answer["statusCode"] for answer in answers.values()] == [200, 400, 400]
    found = answers["application/json"]
    assert "cursor" in loads(found["body"])
    assert "Link" not in found["headers"]
    assert "fewer or shorter values" in answers["text/csv"]["body"]
