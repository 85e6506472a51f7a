"""Which groups there are, and rows of several of them in one request."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tailrace.aws.aggregates import group_reader as listing
from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import loads
from tests.storage.reading.recount import ORDERS, SHOPS, joined


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
    monkeypatch.setattr(listing, "_MAX_READS", 0)
    answer = read("hours/groups")
    assert (answer["statusCode"], json.loads(answer["body"])["type"].rpartition(":")[2]) == (422, "too-much")


def test_values_without_items_do_not_end_a_list_in_the_order_of_the_key(
    read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: a page may be short, even empty, and still have a cursor."""
    ask = listing.GroupReader._query_page
    monkeypatch.setattr(listing, "_MAX_READS", 1)

    def one_by_one(reader: listing.GroupReader, query: Any, start: Any) -> Any:
        found = ask(reader, query, start)
        (first, *more) = found["Items"]
        emptied = first | ({"~n": {"N": "0"}} if first["sk"]["S"] == SHOPS[0] else {})
        return {"Items": [emptied]} | ({"LastEvaluatedKey": {"sk": first["sk"]}} if more else {})

    monkeypatch.setattr(listing.GroupReader, "_query_page", one_by_one)
    found: list[Any] = []
    cursor: dict[str, Any] = {}
    for _ in SHOPS:
        document = loads(read("hours/groups", order="key", n=2, **cursor)["body"])
        found += [one["value"] for one in document["groups"]]
        cursor = {"cursor": document.get("cursor")}
    assert (found, cursor) == (SHOPS[1:], {"cursor": None})


@pytest.mark.parametrize("name", ["hours", "lanes", "totals"])
@pytest.mark.parametrize("given", [{}, {"from_": "2024-10-26", "to": "2024-10-27"}, {"interval": "day"}])
def test_rows_of_several_groups_follow_each_other(
    read: Callable[..., Any], pages: Callable[..., list[list[Json]]], name: str, given: dict[str, Any]
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
    ranked = json.loads(read("hours/top", shop=["a", "c"], by="orders")["body"])["rows"]
    assert [row["orders"] for row in ranked] == sorted((row["orders"] for row in ranked), reverse=True)
    assert {row["shop"] for row in ranked} <= {"a", "c"}
