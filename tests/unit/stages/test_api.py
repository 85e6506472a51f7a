"""api: items in and out and rows out by HTTP; what is wrong with a request is told, never raised."""

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote, urlencode

import pytest
from botocore.stub import Stubber

from functions.aggregate.app import handler as aggregate
from functions.aggregate.app import stage as aggregate_stage
from functions.api.app import handler
from tailrace.aws import rows as reading
from tailrace.aws.clients import client
from tailrace.envelopes import dumps, loads
from tailrace.errors import Permanent
from tests.gateway import call, item_path, problem, request
from tests.streams import event as stream
from tests.streams import history
from tests.unit.stages.conftest import Cloud

ORDER: dict[str, Any] = {"shop": "a#~", "placed": "2024-10-27T00:30:00Z", "amount": Decimal("12.5")}
AWKWARD = [
    "1",
    "a/b",
    "/",
    "a#b",
    "~",
    "a b",
    "+",
    "é€\U0001f6eb",
    "a&b=c",
    "2013-01-01.UA.1",
    "a\\b",
    '"',
    "items/x",
    "..",
    "a\nb",
    ";:@,'(*)![]{}^|`<>",
]
UNSAFE_IN_PATHS = ["100%", "a?b", "%41", "%2F", "%", "?", "a%3Fb", "%25"]


@pytest.fixture(autouse=True)
def _forget_rows() -> None:
    """Let the aggregate function begin anew, as its table does: it remembers which rows there are."""
    aggregate_stage.cache_clear()


def test_an_item_is_put_replaced_patched_read_and_deleted(cloud: Cloud) -> None:
    path = item_path("7")
    assert call("PUT", path, ORDER) == (201, ORDER)
    assert call("PUT", path, ORDER | {"paid": False}) == (200, ORDER | {"paid": False})
    assert call("PATCH", path, {"paid": True, "amount": None, "notes": {"a": 1}}) == (
        200,
        {"shop": "a#~", "placed": ORDER["placed"], "paid": True, "notes": {"a": 1}},
    )
    assert call("GET", path) == (200, {"id": "7", "item": cloud.items()["orders#7"]})
    assert call("DELETE", path) == (204, None)
    assert cloud.items() == {}
    assert problem("GET", path) == (404, "not-found")
    assert problem("PATCH", path, {"paid": True}) == (404, "not-found")
    assert call("DELETE", path) == (204, None)


def test_numbers_keep_every_digit(cloud: Cloud) -> None:
    digits = "12345678901234567890.123456789012345678"
    body = dumps(ORDER | {"notes": {"n": 1}}).replace('"n":1', f'"n":{digits}')
    assert call("PUT", item_path("7"), body)[0] == 201
    assert cloud.items()["orders#7"]["notes"] == {"n": Decimal(digits)}
    assert digits in handler(request("GET", item_path("7")), None)["body"]


def test_what_get_answers_can_be_put(cloud: Cloud) -> None:
    notes = {"set": {"a", "b"}, "raw": b"\x00\xff", "numbers": {1, Decimal("0.1")}, "map": {"~set": [1]}}
    assert call("PUT", item_path("7"), ORDER | {"notes": notes})[0] == 201
    _, document = call("GET", item_path("7"))
    assert call("PUT", item_path("8"), document["item"])[0] == 201
    assert cloud.items()["orders#8"] == cloud.items()["orders#7"] == ORDER | {"notes": notes}


@pytest.mark.parametrize("item_id", AWKWARD)
def test_any_id_of_a_path_arrives_as_it_was_meant(cloud: Cloud, item_id: str) -> None:
    assert call("PUT", item_path(item_id), ORDER)[0] == 201
    assert list(cloud.items()) == [f"orders#{item_id}"]
    # some gateways leave the escapes in the path
    assert call("GET", item_path(quote(item_id, safe=""))) == (200, {"id": item_id, "item": ORDER})
    assert call("PATCH", item_path(item_id), {"paid": True})[0] == 200
    assert call("DELETE", item_path(item_id)) == (204, None)
    assert cloud.items() == {}


@pytest.mark.parametrize("item_id", [*AWKWARD, *UNSAFE_IN_PATHS, "\x00", "a,b", "x" * 1024])
def test_any_id_at_all_is_taken_as_a_parameter(cloud: Cloud, item_id: str) -> None:
    query = urlencode({"id": item_id})
    assert call("PUT", "/collections/orders/items", ORDER, query)[0] == 201
    assert list(cloud.items()) == [f"orders#{item_id}"]
    assert call("PATCH", "/collections/orders/items", {"paid": True}, query)[0] == 200
    read = {"id": item_id, "item": ORDER | {"paid": True}}
    assert call("GET", "/collections/orders/items", query=query) == (200, read)
    assert call("DELETE", "/collections/orders/items", query=query) == (204, None)
    assert cloud.items() == {}


@pytest.mark.parametrize("item_id", UNSAFE_IN_PATHS)
def test_an_escaped_percent_that_the_gateway_leaves_is_taken_back(cloud: Cloud, item_id: str) -> None:
    assert call("PUT", item_path(quote(item_id, safe="")), ORDER)[0] == 201
    assert list(cloud.items()) == [f"orders#{item_id}"]


@pytest.mark.parametrize("item_id", [*AWKWARD, *UNSAFE_IN_PATHS])
@pytest.mark.usefixtures("cloud")
def test_a_new_items_location_leads_back_to_it(item_id: str) -> None:
    answer = handler(request("PUT", "/collections/orders/items", ORDER, urlencode({"id": item_id})), None)
    path, _, query = answer["headers"]["Location"].partition("?")
    # as AWS decodes a path: twice, and cut at a "?" after the first time
    seen = unquote(unquote(path).partition("?")[0])
    assert call("GET", seen, query=query) == (200, {"id": item_id, "item": ORDER})


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/merge-patch+json", "APPLICATION/JSON"]
)
def test_bodies_come_as_text_or_as_base64(cloud: Cloud, kind: str) -> None:
    body = base64.b64encode(dumps(ORDER | {"shop": "é€"}).encode()).decode()
    assert call("PUT", item_path("7"), body, isBase64Encoded=True, headers={"Content-Type": kind})[0] == 201
    assert cloud.items()["orders#7"]["shop"] == "é€"
    assert call("PUT", item_path("8"), ORDER, headers={})[0] == 201


@pytest.mark.usefixtures("cloud")
def test_every_violation_is_listed_with_its_place() -> None:
    status, document = call("PUT", item_path("7"), {"shop": "", "amount": "12", "colour": "red", "tags": [1, "a"]})
    assert status == 422
    assert {(found["pointer"], found["keyword"]) for found in document["violations"]} == {
        ("", "required"),
        ("", "additionalProperties"),
        ("/shop", "minLength"),
        ("/amount", "type"),
        ("/tags/0", "type"),
    }
    assert document["detail"] == "5 violations"


DEEP = "[" * 50_000 + "]" * 50_000


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (None, (400, "invalid-request")),
        ("", (400, "invalid-request")),
        ("{", (400, "invalid-request")),
        ("[]", (400, "invalid-request")),
        ('"text"', (400, "invalid-request")),
        ('{"~set":["a"]}', (400, "invalid-request")),
        ('{"amount":NaN}', (400, "invalid-request")),
        ('{"amount":-Infinity}', (400, "invalid-request")),
        ('{"shop":"\\ud800"}', (400, "invalid-request")),
        ('{"notes":' + DEEP + "}", (400, "invalid-request")),
        ('{"amount":' + "9" * 5000 + "}", (400, "invalid-request")),
        ('{"notes":' + '{"a":' * 900 + "1" + "}" * 901, (422, "invalid-item")),
        ('{"notes":{"a":' + '{"~set":[]}' + "}}", (422, "invalid-item")),
        ('{"amount":1e999}', (422, "invalid-item")),
        ('{"amount":' + "9" * 39 + "}", (422, "invalid-item")),
        ('{"pk":"orders#8"}', (422, "invalid-item")),
        ('{"expires_at":1}', (422, "invalid-item")),
        ('{"lines":13}', (422, "invalid-item")),
        (dumps({"shop": "x" * 300_000}), (422, "invalid-item")),
        (dumps({"notes": {"text": "x" * 500_000}}), (413, "too-large")),
        (dumps({"tags": list(range(60_000))}), (422, "invalid-item")),
    ],
)
def test_a_bad_body_is_refused_and_nothing_is_stored(
    cloud: Cloud, method: str, body: str | None, answer: tuple[int, str]
) -> None:
    call("PUT", item_path("7"), ORDER)
    if method == "PUT" and body is not None and body.startswith('{"') and answer[0] in (413, 422):
        body = dumps(ORDER)[:-1] + "," + body[1:]
    assert problem(method, item_path("7"), body) == answer
    assert cloud.items() == {"orders#7": ORDER}


def test_of_too_many_violations_as_many_as_fit_are_listed(cloud: Cloud) -> None:
    answer = handler(request("PUT", item_path("7"), ORDER | {"tags": list(range(60_000))}), None)
    document = json.loads(answer["body"])
    assert len(json.dumps(answer)) < 6_000_000
    assert len(document["violations"]) > 1000
    assert document["detail"] == f"60000 violations; {60_000 - len(document['violations'])} of them are not listed"
    assert cloud.items() == {}


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_a_body_of_another_type_is_refused(cloud: Cloud, kind: str) -> None:
    assert problem("PUT", item_path("7"), ORDER, headers={"content-type": kind}) == (415, "unsupported-media-type")
    assert cloud.items() == {}


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("GET", "/"), (404, "not-found")),
        (("POST", "/collections/orders/items/7"), (405, "method-not-allowed")),
        (("GET", "/collections/orders/items/"), (404, "not-found")),
        (("GET", "/collections/nothing/items/7"), (404, "not-found")),
        (("PUT", "/collections/nothing/items/7", ORDER), (404, "not-found")),
        (("DELETE", "/collections/nothing/items/7"), (404, "not-found")),
        (("GET", "/collections/a#b/items/7"), (404, "not-found")),
        (("GET", "/collections/orders/items/" + "x" * 1025), (400, "invalid-request")),
        (("GET", "/collections/orders/items/" + "€" * 1024), (422, "invalid-item")),
        (("DELETE", "/collections/orders/items/" + "€" * 1024), (422, "invalid-item")),
        (("GET", "/collections/orders/items/%ff"), (400, "invalid-request")),
        (("GET", "/collections/orders/items/\ud800"), (400, "invalid-request")),
        (("GET", "/collections/orders/items"), (400, "invalid-request")),
        (("GET", "/collections/orders/items", None, "id="), (400, "invalid-request")),
        (("GET", "/collections/orders/items", None, "id=1&id=2"), (400, "invalid-request")),
        (("GET", "/collections/orders/items", None, "id=%ff"), (400, "invalid-request")),
        (("GET", "/collections/orders/items/7", None, "id=8"), (400, "invalid-request")),
        (("GET", "/collections/orders/items/7", None, "x=1"), (400, "invalid-request")),
        (("GET", "/collections/orders/items/7", None, "&".join(["x"] * 100)), (400, "invalid-request")),
        (("PUT", "/collections/orders/items/7", ORDER, "expires_at=soon"), (400, "invalid-request")),
        (("PUT", "/collections/orders/items/7", ORDER, "expires_at=1.5"), (400, "invalid-request")),
        (("PUT", "/collections/orders/items/7", ORDER, "expires_at=" + "9" * 5000), (400, "invalid-request")),
        (("PUT", "/collections/orders/items/7", ORDER, "expires_at=999999999999"), (422, "invalid-item")),
        (("PUT", "/collections/orders/items/7", "!", "", {"isBase64Encoded": True}), (400, "invalid-request")),
        (("PUT", "/collections/orders/items/7", "/w==", "", {"isBase64Encoded": True}), (400, "invalid-request")),
        (("GET", "/aggregates/nothing/rows"), (404, "not-found")),
        (("GET", "/aggregates/pages/rows"), (400, "invalid-request")),
        (("GET", "/aggregates/pages/rows", None, "page=a&limit=1&limit=2"), (400, "invalid-request")),
        (("GET", "/aggregates/pages/rows", None, "page=a&colour=red"), (400, "invalid-request")),
        (("GET", "/aggregates/pages/rows", None, "page=a&limit=x"), (400, "invalid-request")),
        (("GET", "/aggregates/pages/rows", None, "page=a&cursor=x"), (400, "invalid-request")),
    ],
)
@pytest.mark.usefixtures("cloud")
def test_what_cannot_be_answered_is_told(arguments: tuple[Any, ...], answer: tuple[int, str]) -> None:
    missing: tuple[Any, ...] = (None, "", {})[len(arguments) - 2 :]
    method, path, body, query, changes = arguments + missing
    assert problem(method, path, body, query, **changes) == answer


def test_an_expiry_can_be_given(cloud: Cloud) -> None:
    assert call("PUT", item_path("7"), ORDER, "expires_at=1900000000") == (201, ORDER)
    assert cloud.items()["orders#7"] == ORDER | {"expires_at": 1900000000}
    assert call("GET", item_path("7")) == (200, {"id": "7", "item": ORDER, "expires_at": 1900000000})
    call("PATCH", item_path("7"), {"paid": True})
    assert cloud.items()["orders#7"]["expires_at"] == 1900000000


OPERATIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "put_item": lambda: request("PUT", item_path("7"), ORDER),
    "get_item": lambda: request("GET", item_path("7")),
    "delete_item": lambda: request("DELETE", item_path("7")),
    "query": lambda: request("GET", "/aggregates/pages/rows", query="page=a"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.usefixtures("cloud")
def test_what_will_pass_is_to_be_asked_again(operation: str) -> None:
    with Stubber(client("dynamodb")) as stub:
        stub.add_client_error(operation, "ProvisionedThroughputExceededException", http_status_code=400)
        answer = handler(OPERATIONS[operation](), None)
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "1")
    assert json.loads(answer["body"])["type"] == "urn:problem-type:tailrace:try-later"


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.usefixtures("cloud")
def test_a_table_that_refuses_for_good_is_not_hidden(operation: str) -> None:
    with Stubber(client("dynamodb")) as stub:
        stub.add_client_error(operation, "AccessDeniedException", http_status_code=400)
        with pytest.raises(Permanent, match="AccessDenied"):
            handler(OPERATIONS[operation](), None)


def test_a_patch_that_others_keep_overtaking_is_a_conflict(cloud: Cloud) -> None:
    call("PUT", item_path("7"), ORDER)
    row = cloud.dynamodb.get_item(TableName="items", Key={"pk": {"S": "orders#7"}})
    with Stubber(client("dynamodb")) as stub:
        for _ in range(20):
            stub.add_response("get_item", row)
            stub.add_client_error("update_item", "ConditionalCheckFailedException", http_status_code=400)
        assert problem("PATCH", item_path("7"), {"paid": True}) == (409, "conflict")


def order(hour: int, *, shop: str = "a#1", day: int = 5, amount: Any = 10, paid: bool = True) -> dict[str, Any]:
    return {"shop": shop, "placed": f"2024-03-{day:02d}T{hour:02d}:15:00+01:00", "amount": amount, "paid": paid}


def count(records: list[dict[str, Any]]) -> None:
    """Let the aggregate function count some changes; without a shard, since moto cannot describe a stream."""
    aggregate(stream(records, shard=None), None)


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
    assert document.keys() == {"aggregate", "version", "rows", "freshness"}
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
    monkeypatch.setattr(reading, "_MOST_READS", 4)
    count(history("orders", [("1", order(9, day=1)), ("2", order(9, day=30))]))
    pages = paged("days", 1000, from_="2024-03-01", to="2024-03-30")
    assert len(pages) == 8
    assert [row["day"] for page in pages for row in page] == ["2024-03-01", "2024-03-30"]


@pytest.mark.usefixtures("cloud")
def test_a_page_ends_before_it_is_too_large_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_BYTES", 500)
    count(history("orders", [(str(hour), order(hour)) for hour in range(20)]))
    pages = paged("shop_hours", 1000, shop="a#1")
    assert [row["hour"] for page in pages for row in page] == [f"2024-03-05T{hour:02d}:00+01:00" for hour in range(20)]
    assert all(len(dumps(page)) < 1000 for page in pages)
    assert len(pages) > 3


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
