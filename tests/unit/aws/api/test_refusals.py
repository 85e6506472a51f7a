"""api: what is wrong with a request is told, never raised; what is wrong with a table is not hidden."""

import base64
import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from botocore.stub import Stubber

from functions.api.app import handler
from tailrace.aws.runtime.clients import client
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import Permanent
from tests.api_client import call, item_path, problem, request
from tests.unit.aws.conftest import Cloud

ORDER: dict[str, Any] = {"shop": "a#~", "placed": "2024-10-27T00:30:00Z", "amount": Decimal("12.5")}


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
        ('{"amount":1,"amount":1}', (400, "invalid-request")),
        ('{"notes":{"a":{"b":1,"b":2}}}', (400, "invalid-request")),
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
        others = {name: value for name, value in ORDER.items() if not body.startswith(f'{{"{name}"')}
        body = dumps(others)[:-1] + "," + body[1:]
    assert problem(method, item_path("7"), body) == answer
    assert cloud.items() == {"orders#7": ORDER}


def test_all_violations_of_an_item_are_listed_and_of_a_very_large_one_the_first(cloud: Cloud) -> None:
    for values, listed in ((9_000, 9_000), (60_000, 1)):
        answer = handler(request("PUT", item_path("7"), ORDER | {"tags": list(range(values))}), None)
        document = json.loads(answer["body"])
        assert answer["statusCode"] == 422
        assert len(json.dumps(answer)) < 6_000_000
        assert len(document["violations"]) == listed
    assert cloud.items() == {}


BODIES_WITH_A_NAME_TWICE = [
    ("PUT", item_path("7"), '{"shop":"a","placed":"b","vat":1,"vat":2}'),
    ("PUT", "/collections/orders/items", '{"shop":"a","placed":"b","notes":{"vat":1,"\\u0076at":1}}'),
    ("PATCH", item_path("7"), '{"vat":null,"vat":2}'),
    ("PATCH", item_path("7"), '{"notes":{"a":[{"vat":1,"vat":2}]}}'),
    ("POST", "/collections/orders/items", '{"items":[{"id":"8","item":{"shop":"a","placed":"b","vat":1,"vat":2}}]}'),
    ("POST", "/collections/orders/items", '{"items":[{"id":"8","vat":1,"vat":2}]}'),
    ("POST", "/collections/orders/items", '{"vat":[],"vat":[]}'),
]


@pytest.mark.parametrize(("method", "path", "body"), BODIES_WITH_A_NAME_TWICE)
@pytest.mark.parametrize("base64_encoded", [False, True])
def test_a_body_with_a_name_twice_is_refused_with_the_name(
    cloud: Cloud, method: str, path: str, body: str, base64_encoded: bool
) -> None:
    call("PUT", item_path("7"), ORDER)
    query = "id=7" if method == "PUT" and path.endswith("items") else ""
    sent = base64.b64encode(body.encode()).decode() if base64_encoded else body
    status, document = call(method, path, sent, query, isBase64Encoded=base64_encoded)
    assert (status, document["detail"]) == (400, 'the name "vat" occurs more than once in an object')
    assert cloud.items() == {"orders#7": ORDER}


def test_a_byte_order_mark_before_a_body_is_skipped(cloud: Cloud) -> None:
    assert call("PUT", item_path("7"), "\ufeff" + dumps(ORDER))[0] == 201
    marked = base64.b64encode(b"\xef\xbb\xbf" + b'{"paid":true}').decode()
    assert call("PATCH", item_path("7"), marked, isBase64Encoded=True)[0] == 200
    assert cloud.items() == {"orders#7": ORDER | {"paid": True}}


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_a_body_of_another_type_is_refused(cloud: Cloud, kind: str) -> None:
    assert problem("PUT", item_path("7"), ORDER, headers={"content-type": kind}) == (415, "unsupported-media-type")
    assert cloud.items() == {}


@pytest.mark.parametrize("kind", ["application/json-patch+json", "application/vnd.api+json"])
def test_a_patch_of_another_kind_is_refused(cloud: Cloud, kind: str) -> None:
    call("PUT", item_path("7"), ORDER)
    refused = problem("PATCH", item_path("7"), {"paid": True}, headers={"content-type": kind})
    assert refused == (415, "unsupported-media-type")
    assert cloud.items() == {"orders#7": ORDER}


@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/json-patch+json; charset=utf-8"])
def test_a_patch_is_no_item(cloud: Cloud, kind: str) -> None:
    call("PUT", item_path("7"), ORDER)
    refused = problem("PUT", item_path("7"), {"paid": True}, headers={"Content-Type": kind})
    assert refused == (415, "unsupported-media-type")
    batch = {"items": [{"id": "7", "item": ORDER | {"paid": True}}]}
    refused = problem("POST", "/collections/orders/items", batch, headers={"Content-Type": kind})
    assert refused == (415, "unsupported-media-type")
    assert cloud.items() == {"orders#7": ORDER}


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate, gzip", "zstd"])
def test_a_compressed_body_is_refused(cloud: Cloud, coding: str) -> None:
    body = base64.b64encode(gzip.compress(dumps(ORDER).encode())).decode()
    headers = {"content-type": "application/json", "Content-Encoding": coding}
    sent = request("PUT", item_path("7"), body, isBase64Encoded=True, headers=headers)
    answer = handler(sent, None)
    assert answer["statusCode"] == 415
    assert "send the body uncompressed" in json.loads(answer["body"])["detail"]
    assert problem("PUT", item_path("7"), body, isBase64Encoded=True) == (400, "invalid-request")
    assert call("PUT", item_path("7"), ORDER, headers={"Content-Encoding": "identity"})[0] == 201
    assert set(cloud.items()) == {"orders#7"}


UNANSWERABLE: list[tuple[tuple[Any, ...], tuple[int, str]]] = [
    (("GET", "/"), (404, "not-found")),
    (("POST", "/collections/orders/items/7"), (405, "method-not-allowed")),
    (("POST", "/openapi.json"), (405, "method-not-allowed")),
    # the gateway has no route for it, and a token of either scope comes through its catch-all route
    (("HEAD", "/collections/orders/items/7"), (405, "method-not-allowed")),
    (("HEAD", "/aggregates", None, "", {"routeKey": "$default"}), (405, "method-not-allowed")),
    (("POST", "/openapiXjson"), (404, "not-found")),
    (("GET", "/openapi.json", None, "x=1"), (400, "invalid-request")),
    (("GET", "/collections/orders/items/"), (404, "not-found")),
    # by the route that catches all others, whose scope is either one
    (("PUT", "/collections/orders/items/7", ORDER, "", {"routeKey": "$default"}), (404, "not-found")),
    (("GET", "/aggregates", None, "", {"routeKey": "$default"}), (404, "not-found")),
    (("POST", "/aggregates", None, "", {"routeKey": "$default"}), (405, "method-not-allowed")),
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
]


@pytest.mark.parametrize(("arguments", "answer"), UNANSWERABLE)
@pytest.mark.usefixtures("cloud")
def test_what_cannot_be_answered_is_told(arguments: tuple[Any, ...], answer: tuple[int, str]) -> None:
    missing: tuple[Any, ...] = (None, "", {})[len(arguments) - 2 :]
    method, path, body, query, changes = arguments + missing
    assert problem(method, path, body, query, **changes) == answer


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
