"""api: items in and out by HTTP, whatever their ids and numbers are."""

import base64
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit

import pytest

from functions.api.app import handler
from tailrace.encoding.tagged_json import dumps
from tests.api_client import call, item_path, problem, request
from tests.unit.aws.conftest import Cloud

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


DOTS = [".", "..", "...", ".a", "a/..", "./a", "../..", "a/../b", "a//b", "/", "a/", "..\\a", "%2e%2E", ".%2e", "..?"]


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("item_id", DOTS)
@pytest.mark.usefixtures("cloud")
def test_the_location_survives_a_client_that_resolves_it(item_id: str, decoded: bool) -> None:
    """Clients remove dot segments from the address that they resolve (RFC 3986, 5.2.4), some proxies escaped ones."""
    answer = handler(request("PUT", "/collections/orders/items", ORDER, urlencode({"id": item_id})), None)
    path, _, query = answer["headers"]["Location"].partition("?")
    location = f"{unquote(path) if decoded else path}?{query}"
    resolved = urlsplit(urljoin("https://api.example/collections/orders/items", location))
    found = call("GET", unquote(unquote(resolved.path)), query=resolved.query)
    assert found == (200, {"id": item_id, "item": ORDER})


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/vnd.order.v1+json", "APPLICATION/JSON"]
)
def test_bodies_come_as_text_or_as_base64(cloud: Cloud, kind: str) -> None:
    body = base64.b64encode(dumps(ORDER | {"shop": "é€"}).encode()).decode()
    assert call("PUT", item_path("7"), body, isBase64Encoded=True, headers={"Content-Type": kind})[0] == 201
    assert cloud.items()["orders#7"]["shop"] == "é€"
    assert call("PUT", item_path("8"), ORDER, headers={})[0] == 201


def test_an_expiry_can_be_given(cloud: Cloud) -> None:
    assert call("PUT", item_path("7"), ORDER, "expires_at=1900000000") == (201, ORDER)
    assert cloud.items()["orders#7"] == ORDER | {"expires_at": 1900000000}
    assert call("GET", item_path("7")) == (200, {"id": "7", "item": ORDER, "expires_at": 1900000000})
    call("PATCH", item_path("7"), {"paid": True})
    assert cloud.items()["orders#7"]["expires_at"] == 1900000000
