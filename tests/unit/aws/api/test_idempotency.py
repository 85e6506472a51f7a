"""Requests with an idempotency key: carried out once, answered alike however often they come."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from functions.api.app import handler
from tailrace.aws.api import idempotency
from tailrace.aws.api.idempotency import RETENTION_S
from tailrace.aws.items import batch_writer as bulk
from tailrace.aws.runtime.clients import client
from tailrace.errors import Permanent
from tests.api_client import call, item_path, problem, request, send
from tests.unit.aws.conftest import Cloud

ORDER: dict[str, Any] = {"shop": "a", "placed": "2024-10-27T00:30:00Z"}
PATH, MANY = item_path("7"), "/collections/orders/items"


def repeated(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what a repeat has to be answered."""
    return answer | {"headers": answer["headers"] | {"Idempotency-Replayed": "true"}}


def records(cloud: Cloud) -> list[dict[str, Any]]:
    return cloud.dynamodb.scan(TableName="idempotency")["Items"]


WRITES: list[tuple[str, str, Any]] = [
    ("PUT", PATH, ORDER | {"amount": 1}),
    ("PATCH", PATH, {"amount": Decimal("0.30")}),
    ("DELETE", PATH, None),
    ("POST", MANY, {"items": [{"id": "8", "item": ORDER}, {"id": "9", "item": {"amount": "x"}}]}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_a_repeat_is_answered_as_the_first_and_changes_nothing(cloud: Cloud, method: str, path: str, body: Any) -> None:
    send("PUT", PATH, ORDER)
    first = send(method, path, body, idempotency_key='"8e03"')
    assert first["statusCode"] < 300
    # what somebody else has done since is left alone
    send("PUT", PATH, ORDER | {"shop": "other"})
    send("DELETE", item_path("8"))
    before = cloud.items()
    assert send(method, path, body, idempotency_key='"8e03"') == repeated(first)
    assert cloud.items() == before
    assert send(method, path, body, idempotency_key='"8e04"')["headers"].get("Idempotency-Replayed") is None
    assert cloud.items() != before


def test_a_key_is_for_one_request_only(cloud: Cloud) -> None:
    assert send("PUT", PATH, ORDER, idempotency_key="k")["statusCode"] == 201
    others: list[tuple[str, str, Any, str, dict[str, str]]] = [
        ("PUT", PATH, ORDER | {"amount": 1}, "", {}),
        ("PUT", item_path("8"), ORDER, "", {}),
        ("PATCH", PATH, ORDER, "", {}),
        ("PUT", PATH, ORDER, "expires_at=1900000000", {}),
        ("PUT", PATH, ORDER, "", {"if-none-match": "*"}),
        ("POST", MANY, {"items": []}, "", {}),
    ]
    for method, path, body, query, headers in others:
        sent = {"idempotency-key": "k", "content-type": "application/json"} | headers
        assert problem(method, path, body, query, headers=sent) == (422, "idempotency-key-reused")
    assert cloud.items() == {"orders#7": ORDER}


IAM: Callable[[str], dict[str, Any]] = lambda caller: {"iam": {"callerId": caller}}  # noqa: E731
JWT: Callable[[str], dict[str, Any]] = lambda subject: {"jwt": {"claims": {"iss": "https://i", "sub": subject}}}  # noqa: E731
CLIENT: Callable[[str], dict[str, Any]] = lambda client: {"jwt": {"claims": {"iss": "https://i", "azp": client}}}  # noqa: E731


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (IAM("AIDA1"), IAM("AIDA1"), IAM("AIDA2")),
        (IAM("AROA1:session"), IAM("AROA1:another"), IAM("AROA2:session")),
        (JWT("u1"), JWT("u1"), JWT("u2")),
        (JWT("u1"), JWT("u1"), IAM("u1")),
        (CLIENT("c1"), CLIENT("c1"), CLIENT("c2")),
    ],
)
def test_callers_have_keys_of_their_own(cloud: Cloud, one: Any, same: Any, other: Any) -> None:
    def put(authorizer: Any, amount: int) -> dict[str, Any]:
        event = request("PUT", PATH, ORDER | {"amount": amount}, headers={"idempotency-key": "1"})
        event["requestContext"]["authorizer"] = authorizer
        return handler(event, None)

    assert put(one, 1)["statusCode"] == 201
    assert put(same, 1)["headers"]["Idempotency-Replayed"] == "true"
    assert put(other, 2)["statusCode"] == 200
    assert cloud.items()["orders#7"]["amount"] == 2
    assert put(same, 2)["statusCode"] == 422


def test_what_was_refused_can_be_sent_again(cloud: Cloud) -> None:
    assert problem("PATCH", PATH, {"amount": 1}, headers={"idempotency-key": "k"}) == (404, "not-found")
    assert records(cloud) == []
    send("PUT", PATH, ORDER)
    assert send("PATCH", PATH, {"amount": 1}, idempotency_key="k")["statusCode"] == 200
    assert len(records(cloud)) == 1


def test_a_condition_is_looked_at_once(cloud: Cloud) -> None:
    first = send("PUT", PATH, ORDER, if_none_match="*", idempotency_key="k")
    assert first["statusCode"] == 201
    # the repeat of a request whose answer was lost is no second request
    assert send("PUT", PATH, ORDER, if_none_match="*", idempotency_key="k") == repeated(first)
    assert send("PUT", PATH, ORDER, if_none_match="*")["statusCode"] == 412
    assert len(cloud.items()) == 1


def test_records_pass_after_a_day_and_hold_no_more_than_they_must(cloud: Cloud) -> None:
    send("PUT", PATH, ORDER, idempotency_key="secret-key")
    (record,) = records(cloud)
    assert record.keys() == {"id", "expiration", "status", "data", "validation", "in_progress_expiration"}
    assert record["id"]["S"].startswith("api#")
    assert "secret-key" not in str(record)
    assert int(record["expiration"]["N"]) - int(record["in_progress_expiration"]["N"]) // 1000 <= RETENTION_S


def test_a_first_request_that_is_still_under_way_is_waited_for(cloud: Cloud) -> None:
    send("PUT", PATH, ORDER, idempotency_key="k")
    (record,) = records(cloud)
    cloud.dynamodb.put_item(TableName="idempotency", Item=record | {"status": {"S": "INPROGRESS"}})
    answer = send("PUT", PATH, ORDER, idempotency_key="k")
    assert (answer["statusCode"], "idempotency-key-in-use" in answer["body"]) == (409, True)
    # its process has died: the time that it had is over
    cloud.dynamodb.put_item(
        TableName="idempotency", Item=record | {"status": {"S": "INPROGRESS"}, "in_progress_expiration": {"N": "1"}}
    )
    assert send("PUT", PATH, ORDER, idempotency_key="k")["statusCode"] == 200
    assert send("PUT", PATH, ORDER, idempotency_key="k")["headers"]["Idempotency-Replayed"] == "true"


def chosen(alphabet: str, length: int) -> str:
    return "".join(random.Random(length).choices(alphabet, k=length))  # noqa: S311 - hard to pack, and the same each time


@pytest.mark.parametrize("text", ["ab" * 190_000, chosen("0123456789abcdef", 390_000)], ids=["plain", "hard to pack"])
@pytest.mark.usefixtures("cloud")
def test_large_answers_are_kept(text: str) -> None:
    send("PUT", PATH, ORDER)
    first = send("PATCH", PATH, {"notes": {"t": text}}, idempotency_key="k")
    assert first["statusCode"] == 200
    assert send("PATCH", PATH, {"notes": {"t": text}}, idempotency_key="k") == repeated(first)


@pytest.mark.usefixtures("cloud")
def test_of_an_answer_that_no_record_can_hold_the_tag_is_kept() -> None:
    send("PUT", PATH, ORDER)
    noise = chosen("".join(map(chr, range(0x4E00, 0x9FFF))), 130_000)
    first = send("PATCH", PATH, {"notes": {"t": noise}}, idempotency_key="k")
    again = send("PATCH", PATH, {"notes": {"t": noise}}, idempotency_key="k")
    assert (first["statusCode"], again["statusCode"], again["body"]) == (200, 204, "")
    assert again["headers"] == {"ETag": first["headers"]["ETag"], "Idempotency-Replayed": "true"}


@pytest.mark.usefixtures("cloud")
def test_results_that_no_record_can_hold_are_replayed_as_the_document_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "_MAX_PACKED_CHARACTERS", 10)
    body = {"items": [{"id": "1", "item": {}}]}
    answers = [send("POST", MANY, body, idempotency_key="k") for _ in range(2)]
    assert [answer["statusCode"] for answer in answers] == [207, 204]
    assert answers[1]["headers"] == {"Idempotency-Replayed": "true"}
    described = call("GET", "/openapi.json")[1]["paths"][MANY]["post"]["responses"]
    assert "204" in described


def test_what_the_table_left_is_not_kept(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_FIRST_BACKOFF_S", 0)
    body = {"items": [{"id": "1", "item": ORDER}]}
    with Stubber(client("dynamodb")) as stub:
        stub.add_response("put_item", {})
        for _ in range(4):
            stub.add_response(
                "batch_write_item",
                {"UnprocessedItems": {"items": [{"PutRequest": {"Item": {"pk": {"S": "orders#1"}}}}]}},
            )
        stub.add_response("delete_item", {}, {"TableName": "idempotency", "Key": ANY})
        assert call("POST", MANY, body, headers={"idempotency-key": "k"})[1]["results"][0]["status"] == 503
        stub.assert_no_pending_responses()
    assert send("POST", MANY, body, idempotency_key="k")["statusCode"] == 207
    assert list(cloud.items()) == ["orders#1"]


@pytest.mark.usefixtures("cloud")
def test_a_busy_table_of_keys_is_asked_later() -> None:
    with Stubber(client("dynamodb")) as stub:
        stub.add_client_error("put_item", "ThrottlingException", http_status_code=400)
        assert problem("PUT", PATH, ORDER, headers={"idempotency-key": "k"}) == (503, "try-later")
    with Stubber(client("dynamodb")) as stub:
        stub.add_client_error("put_item", "AccessDeniedException", http_status_code=400)
        with pytest.raises(Permanent, match="AccessDenied"):
            send("PUT", PATH, ORDER, idempotency_key="k")


def test_a_request_that_was_carried_out_is_answered_though_its_answer_cannot_be_kept(cloud: Cloud) -> None:
    with Stubber(client("dynamodb")) as stub:
        stub.add_response("put_item", {})
        stub.add_response("put_item", {})
        stub.add_client_error("update_item", "ThrottlingException", http_status_code=400)
        assert send("PUT", PATH, ORDER, idempotency_key="k")["statusCode"] == 201
    assert records(cloud) == []


def test_a_refusal_is_told_though_its_record_cannot_be_removed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the caller would learn neither what is wrong nor which items are stored."""
    monkeypatch.setattr(bulk, "_FIRST_BACKOFF_S", 0)
    with Stubber(client("dynamodb")) as stub:
        stub.add_response("put_item", {})
        stub.add_client_error("delete_item", "ThrottlingException", http_status_code=400)
        assert problem("PUT", PATH, {"amount": "x"}, headers={"idempotency-key": "k"}) == (422, "invalid-item")
        stub.add_response("put_item", {})
        for _ in range(4):
            left = [{"PutRequest": {"Item": {"pk": {"S": "orders#2"}}}}]
            stub.add_response("batch_write_item", {"UnprocessedItems": {"items": left}})
        stub.add_client_error("delete_item", "ThrottlingException", http_status_code=400)
        body = {"items": [{"id": "1", "item": ORDER}, {"id": "2", "item": ORDER}]}
        found = call("POST", MANY, body, headers={"idempotency-key": "l"})[1]["results"]
        assert [one["status"] for one in found] == [200, 503]
        stub.add_response("put_item", {})
        stub.add_client_error("delete_item", "AccessDeniedException", http_status_code=400)
        with pytest.raises(Permanent, match="AccessDenied"):
            send("PUT", PATH, {"amount": "x"}, idempotency_key="m")
    assert cloud.items() == {}


@pytest.mark.parametrize(("attempts", "is_own"), [(1, True), (1, False), (0, True)])
def test_a_record_whose_acknowledgement_was_lost_is_its_own_and_no_other_request(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, attempts: int, is_own: bool
) -> None:
    """The SDK repeats the call, and finds the record of its first attempt."""
    put_item = client("dynamodb").put_item

    def lossy(**request: Any) -> Any:
        if request["TableName"] == "idempotency":
            later = {} if is_own else {"in_progress_expiration": {"N": "9" * 13}}
            put_item(TableName="idempotency", Item=request["Item"] | later)
        try:
            return put_item(**request)
        except ClientError as error:
            error.response["ResponseMetadata"]["RetryAttempts"] = attempts
            raise

    with monkeypatch.context() as patch:
        patch.setattr(client("dynamodb"), "put_item", lossy)
        answer = send("PUT", PATH, ORDER, idempotency_key="k")
    if attempts and is_own:
        assert answer["statusCode"] == 201
        assert send("PUT", PATH, ORDER, idempotency_key="k")["headers"]["Idempotency-Replayed"] == "true"
    else:
        assert (answer["statusCode"], "idempotency-key-in-use" in answer["body"]) == (409, True)
        assert cloud.items() == {}


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256, "\n"])
@pytest.mark.usefixtures("cloud")
def test_a_key_that_is_none_is_refused(key: str) -> None:
    assert problem("PUT", PATH, ORDER, headers={"idempotency-key": key}) == (400, "invalid-request")
