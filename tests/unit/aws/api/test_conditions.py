"""Items with entity tags: what has changed since is not overwritten, what has not is not sent again (RFC 9110)."""

from typing import Any

import pytest

from tests.api_client import item_path, problem, request, send
from tests.unit.aws.conftest import Cloud

ORDER: dict[str, Any] = {"shop": "a", "placed": "2024-10-27T00:30:00Z"}
PATH = item_path("7")


def tag(answer: dict[str, Any]) -> str:
    found: str = answer["headers"]["ETag"]
    return found


@pytest.mark.usefixtures("cloud")
def test_every_answer_with_an_item_carries_its_tag() -> None:
    made = send("PUT", PATH, ORDER)
    assert tag(made)[0] == tag(made)[-1] == '"'
    assert tag(send("GET", PATH)) == tag(made)
    assert tag(send("PUT", PATH, ORDER)) == tag(made)
    patched = send("PATCH", PATH, {"amount": 1.50})
    assert tag(patched) != tag(made)
    assert tag(send("GET", PATH)) == tag(patched)
    assert tag(send("PUT", PATH, '{"amount":1.5,"placed":"2024-10-27T00:30:00Z","shop":"a"}')) == tag(patched)
    assert tag(send("PATCH", PATH, {"amount": None})) == tag(made)
    assert tag(send("PUT", PATH, ORDER, "expires_at=1900000000")) != tag(made)
    assert tag(send("PATCH", PATH, {})) == tag(send("GET", PATH)) != tag(made)


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("zero", ["-0", "0.0", "-0.00", "0e200", "-0E+99999", "0e-999"])
def test_every_zero_is_answered_and_stored_as_0(zero: str) -> None:
    made = send("PUT", PATH, f'{{"amount":{zero},"placed":"2024-10-27T00:30:00Z","shop":"a"}}')
    found = send("GET", PATH)
    assert '"amount":0,' in made["body"]
    assert '"amount":0,' in found["body"]
    assert tag(made) == tag(found) == tag(send("PUT", PATH, ORDER | {"amount": 0}))


def test_a_tag_is_a_function_of_the_content_whoever_wrote_it(cloud: Cloud) -> None:
    row: Any = {"pk": {"S": "orders#7"}, "placed": {"S": ORDER["placed"]}, "shop": {"S": "a"}, "amount": {"N": "1.50"}}
    cloud.dynamodb.put_item(TableName="items", Item=row)
    found = tag(send("GET", PATH))
    cloud.dynamodb.delete_item(TableName="items", Key={"pk": row["pk"]})
    assert tag(send("PUT", PATH, ORDER | {"amount": 1.5})) == found


def test_who_has_the_item_is_not_sent_it_again(cloud: Cloud) -> None:
    made = tag(send("PUT", PATH, ORDER))
    for header in (made, f"W/{made}", f'"x", {made}', "*"):
        answer = send("GET", PATH, if_none_match=header)
        assert (answer["statusCode"], answer["body"], answer["headers"]) == (304, "", {"ETag": made})
    assert send("GET", PATH, if_none_match='"x"')["statusCode"] == 200
    assert send("GET", PATH, if_match=made)["statusCode"] == 200
    assert send("GET", PATH, if_match='"x"')["statusCode"] == 412
    # a condition is looked at only where the request would be carried out without it (RFC 9110, 13.2.1)
    assert send("GET", item_path("8"), if_none_match="*")["statusCode"] == 404
    assert cloud.items() == {"orders#7": ORDER}


CHANGES: list[tuple[str, Any]] = [("PUT", ORDER | {"paid": True}), ("PATCH", {"paid": True}), ("DELETE", None)]


@pytest.mark.parametrize(("method", "body"), CHANGES)
def test_what_has_changed_since_is_left_alone(cloud: Cloud, method: str, body: Any) -> None:
    made = tag(send("PUT", PATH, ORDER))
    send("PATCH", PATH, {"amount": 5})
    assert problem(method, PATH, body, headers={"if-match": made}) == (412, "precondition-failed")
    assert problem(method, PATH, body, headers={"if-match": f"W/{made}"}) == (412, "precondition-failed")
    assert problem(method, PATH, body, headers={"if-none-match": "*"}) == (412, "precondition-failed")
    assert cloud.items() == {"orders#7": ORDER | {"amount": 5}}
    now = tag(send("GET", PATH))
    assert problem(method, PATH, body, headers={"if-none-match": f'{now}, "x"'}) == (412, "precondition-failed")
    assert send(method, PATH, body, if_match=f'"x", {now}', if_none_match='"y"')["statusCode"] in (200, 204)


@pytest.mark.parametrize(("method", "body"), CHANGES)
def test_what_is_still_the_same_is_changed(cloud: Cloud, method: str, body: Any) -> None:
    made = tag(send("PUT", PATH, ORDER, "expires_at=1900000000"))
    answer = send(method, PATH, body, if_match=made)
    assert answer["statusCode"] in (200, 204)
    if method == "DELETE":
        assert cloud.items() == {}
    else:
        assert tag(answer) == tag(send("GET", PATH)) != made


def test_a_new_item_is_made_only_once(cloud: Cloud) -> None:
    assert send("PUT", PATH, ORDER, if_none_match="*")["statusCode"] == 201
    assert problem("PUT", PATH, ORDER | {"amount": 1}, headers={"if-none-match": "*"}) == (412, "precondition-failed")
    assert cloud.items() == {"orders#7": ORDER}


def test_an_item_that_is_not_there_matches_nothing(cloud: Cloud) -> None:
    for header in ("*", '"x"'):
        assert problem("PUT", PATH, ORDER, headers={"if-match": header}) == (412, "precondition-failed")
        assert problem("DELETE", PATH, headers={"if-match": header}) == (412, "precondition-failed")
        assert problem("PATCH", PATH, {"amount": 1}, headers={"if-match": header}) == (404, "not-found")
    assert send("PUT", PATH, ORDER, if_none_match='"x"')["statusCode"] == 201
    assert cloud.items() == {"orders#7": ORDER}


@pytest.mark.parametrize("header", ["", "7", "*, *", '"a" "b"'])
@pytest.mark.parametrize("name", ["if-match", "if-none-match"])
@pytest.mark.usefixtures("cloud")
def test_a_condition_that_cannot_be_read_is_refused(name: str, header: str) -> None:
    for method, body in [*CHANGES, ("GET", None)]:
        assert problem(method, PATH, body, headers={name: header}) == (400, "invalid-request")


@pytest.mark.usefixtures("cloud")
def test_an_address_that_does_not_take_a_method_says_which_it_takes() -> None:
    answer = send("POST", PATH, ORDER)
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "GET, PUT, PATCH, DELETE")
    answer = send("DELETE", "/aggregates/days/rows")
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "GET")
    assert problem("TRACE", "/collections/orders/items") == (405, "method-not-allowed")
    assert request("GET", "/")["rawPath"] == "/"
