"""Many items in one request: a result for each, in order, and none stands in another's way."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber

from functions.api.app import handler
from tailrace.aws.api.batches import _results
from tailrace.aws.items import batch_writer as bulk
from tailrace.aws.items.rows import validated_row
from tailrace.aws.runtime.clients import client
from tailrace.definition.schemas import Schema
from tailrace.encoding.tagged_json import loads
from tailrace.errors import Permanent
from tailrace.http.problems import MAX_LISTED_CHARACTERS
from tests.api_client import problem, request, send
from tests.unit.aws.conftest import Cloud

PATH = "/collections/orders/items"
ORDER: dict[str, Any] = {"shop": "a", "placed": "2024-10-27T00:30:00Z"}


def results(items: list[Any]) -> list[dict[str, Any]]:
    """Send items and return what became of each."""
    answer = send("POST", PATH, {"items": items})
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (207, "application/json")
    found: list[dict[str, Any]] = loads(answer["body"])["results"]
    assert len(found) == len(items)
    return found


def test_all_items_are_stored_with_their_tags(cloud: Cloud) -> None:
    found = results([{"id": str(n), "item": ORDER | {"amount": n}} for n in range(60)])
    assert [one["status"] for one in found] == [200] * 60
    assert [one["id"] for one in found] == [str(n) for n in range(60)]
    assert cloud.items() == {f"orders#{n}": ORDER | {"amount": n} for n in range(60)}
    assert found[7]["etag"] == send("GET", f"{PATH}/7")["headers"]["ETag"]


def test_each_refused_item_is_reported_and_its_neighbours_are_stored(cloud: Cloud) -> None:
    found = results(
        [
            {"id": "1", "item": ORDER},
            {"id": "2", "item": {"shop": "", "amount": "12", "tags": [1, "a"]}},
            {"id": "3", "item": ORDER, "expires_at": 1900000000},
            {"id": "4", "item": ORDER, "expires_at": "soon"},
            {"id": "", "item": ORDER},
            {"id": "6", "item": ORDER | {"lines": 13}},
            {"id": "1", "item": ORDER | {"amount": 2}},
            {"id": "8", "item": ORDER | {"notes": {"text": "x" * 420_000}}},
            {"id": "9", "item": ORDER, "patch": {}},
            {"id": 10, "item": ORDER},
            {"item": ORDER},
            "11",
            None,
        ]
    )
    assert [one["status"] for one in found] == [200, 422, 200, 422, 400, 422, 422, 413, 400, 400, 400, 400, 400]
    violations = {(one["pointer"], one["keyword"]) for one in found[1]["problem"]["violations"]}
    assert violations == {("", "required"), ("/shop", "minLength"), ("/amount", "type"), ("/tags/0", "type")}
    assert found[3]["problem"]["violations"][0]["pointer"] == "/expires_at"
    assert found[6]["problem"]["violations"][0]["pointer"] == "/id"
    assert all(one["problem"]["status"] == one["status"] for one in found if "problem" in one)
    assert cloud.items() == {"orders#1": ORDER, "orders#3": ORDER | {"expires_at": 1900000000}}


def test_the_first_valid_entry_of_an_id_counts(cloud: Cloud) -> None:
    entries = [{"id": "1", "item": item} for item in ({"shop": ""}, ORDER, ORDER | {"amount": 2})]
    found = results(entries)
    assert [one["status"] for one in found] == [422, 200, 422]
    assert "only its first valid entry counts" in found[2]["problem"]["violations"][0]["message"]
    assert cloud.items() == {"orders#1": ORDER}


def test_nothing_in_nothing_out(cloud: Cloud) -> None:
    assert results([]) == []
    assert cloud.items() == {}


@pytest.mark.parametrize(
    ("body", "query", "headers", "answer"),
    [
        ([], "", {}, (400, "invalid-request")),
        ({}, "", {}, (400, "invalid-request")),
        ({"items": {}}, "", {}, (400, "invalid-request")),
        ({"items": [], "more": 1}, "", {}, (400, "invalid-request")),
        ({"items": [{}] * 1001}, "", {}, (400, "invalid-request")),
        ({"items": []}, "id=7", {}, (400, "invalid-request")),
        ({"items": []}, "", {"if-match": "*"}, (400, "invalid-request")),
        ({"items": []}, "", {"content-type": "text/csv"}, (415, "unsupported-media-type")),
    ],
)
@pytest.mark.usefixtures("cloud")
def test_a_request_that_is_none_is_refused(body: Any, query: str, headers: Any, answer: tuple[int, str]) -> None:
    assert problem("POST", PATH, body, query, headers=headers) == answer
    assert problem("POST", "/collections/nothing/items", {"items": []}) == (404, "not-found")


def test_very_many_violations_fit_an_answer(cloud: Cloud) -> None:
    bad = ORDER | {"tags": list(range(1000))}
    answer = send("POST", PATH, {"items": [{"id": str(n), "item": bad} for n in range(200)]})
    assert len(json.dumps(answer)) < 6_000_000
    found = json.loads(answer["body"])["results"]
    assert all(one["problem"]["violations"] for one in found)
    assert found[0]["problem"]["detail"].startswith("1000 violations; ")
    assert cloud.items() == {}


@pytest.mark.usefixtures("cloud")
def test_very_long_ids_that_are_refused_fit_an_answer() -> None:
    answer = send("POST", PATH, {"items": [{"id": str(n) + '"' * 1_400, "item": {}} for n in range(1_000)]})
    assert len(json.dumps(answer)) < 3_000_000
    found = json.loads(answer["body"])["results"]
    assert (found[0]["id"], found[-1]["id"]) == ("0" + '"' * 1_400, None)


@pytest.mark.usefixtures("cloud")
def test_what_the_table_leaves_is_to_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_FIRST_BACKOFF_S", 0)
    with Stubber(client("dynamodb")) as stub:
        for _ in range(4):
            stub.add_response(
                "batch_write_item",
                {"UnprocessedItems": {"items": [{"PutRequest": {"Item": {"pk": {"S": "orders#2"}}}}]}},
            )
        found = results([{"id": "1", "item": ORDER}, {"id": "", "item": ORDER}, {"id": "2", "item": ORDER}])
    assert [one["status"] for one in found] == [200, 400, 503]
    assert found[2]["problem"]["type"] == "urn:problem-type:tailrace:try-later"


@pytest.mark.parametrize(("left_ms", "stored"), [(29_000, 15), (10_000, 1)])
def test_what_takes_too_long_to_check_is_to_be_sent_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, left_ms: int, stored: int
) -> None:
    """With a transform of a second, a hundred items take longer than a request may. One is always stored."""
    context = SimpleNamespace(left_ms=left_ms)

    def slowly(*arguments: Any) -> Any:
        context.left_ms -= 1_000
        return validated_row(*arguments)

    context.get_remaining_time_in_millis = lambda: context.left_ms
    monkeypatch.setattr("tailrace.aws.api.batches.validated_row", slowly)
    entries: list[Any] = [{"id": str(number), "item": ORDER} for number in range(100)]
    answer = handler(request("POST", PATH, {"items": [*entries, "none"]}), context)
    statuses = [one["status"] for one in json.loads(answer["body"])["results"]]
    assert statuses == [200] * stored + [503] * (101 - stored)
    assert len(cloud.items()) == stored


def test_what_takes_too_long_to_report_is_to_be_sent_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report takes a hundred times as long as the check that finds an item invalid."""
    context = SimpleNamespace(left_ms=29_000)
    violations = Schema.violations

    def slowly(*arguments: Any) -> Any:
        context.left_ms -= 1_000
        return violations(*arguments)

    context.get_remaining_time_in_millis = lambda: context.left_ms
    monkeypatch.setattr(Schema, "violations", slowly)
    entries: list[Any] = [{"id": str(number), "item": {}} for number in range(100)]
    answer = handler(request("POST", PATH, {"items": entries}), context)
    found = json.loads(answer["body"])["results"]
    assert [one["status"] for one in found] == [422] * 15 + [503] * 85
    assert all(one["problem"]["violations"] for one in found[:15])
    assert context.left_ms > 10_000
    assert cloud.items() == {}


@pytest.mark.usefixtures("cloud")
def test_reports_that_do_not_fit_the_answer_do_not_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of five megabytes of items took more than a gigabyte."""
    characters: list[int] = []

    def counted(entries: Any, problems: Any) -> list[str]:
        kept = [one for problem in problems.values() for one in problem.violations]
        characters.append(sum(len(one.pointer) + len(one.message) for one in kept))
        return _results(entries, problems)

    monkeypatch.setattr("tailrace.aws.api.batches._results", counted)
    found = results([{"id": str(n), "item": ORDER | {"tags": list(range(1000))}} for n in range(200)])
    assert all(one["problem"]["detail"].startswith("1000 violations; ") for one in found)
    assert 0 < characters[0] < 7 * MAX_LISTED_CHARACTERS


@pytest.mark.parametrize(("left_ms", "stored"), [(29_000, 8 * 25), (4_000, 1)])
def test_a_table_that_is_too_slow_for_all_items_is_told(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, left_ms: int, stored: int
) -> None:
    """Otherwise the function would time out, and nobody would know what is stored."""
    context = SimpleNamespace(left_ms=left_ms)
    context.get_remaining_time_in_millis = lambda: context.left_ms
    write = client("dynamodb").batch_write_item

    def slowly(**request: Any) -> Any:
        context.left_ms -= 3_000  # the SDK's pauses
        return write(**request)

    monkeypatch.setattr(bulk, "_THREADS", 1)
    monkeypatch.setattr(client("dynamodb"), "batch_write_item", slowly)
    entries = [{"id": str(number), "item": ORDER} for number in range(300)]
    answer = handler(request("POST", PATH, {"items": entries}), context)
    statuses = [one["status"] for one in json.loads(answer["body"])["results"]]
    assert statuses == [200] * stored + [503] * (300 - stored)
    assert cloud.items().keys() == {f"orders#{number}" for number in range(stored)}
    assert context.left_ms > 0


@pytest.mark.usefixtures("cloud")
def test_a_table_that_refuses_for_good_is_not_hidden() -> None:
    with Stubber(client("dynamodb")) as stub:
        stub.add_client_error("batch_write_item", "AccessDeniedException", http_status_code=400)
        with pytest.raises(Permanent, match="AccessDenied"):
            results([{"id": "1", "item": ORDER}])
