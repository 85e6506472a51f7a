"""A slow table: each request gets a response before the function times out."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from functions.api.app import handler, stage
from tailrace.aws.runtime.clients import client, impatient_client
from tests.api_client import item_path, request
from tests.unit.aws.conftest import Cloud

PATH = item_path("7")
ORDER = {"shop": "a", "placed": "2024-10-27T00:30:00Z"}


class SlowCalls:
    """An invocation's context whose time passes with each call of a table."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, call_ms: int) -> None:
        self.left_ms, self.call_ms = 29_000, call_ms
        for one in (client("dynamodb"), impatient_client("dynamodb")):
            for name in ("get_item", "put_item", "update_item", "delete_item"):
                monkeypatch.setattr(one, name, self._slow(getattr(one, name)))

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms

    def _slow(self, call: Any) -> Any:
        def slowly(**request: Any) -> Any:
            self.left_ms -= self.call_ms
            return call(**request)

        return slowly


@pytest.fixture(autouse=True)
def _fresh(cloud: Cloud) -> Iterator[None]:
    stage.cache_clear()
    yield
    stage.cache_clear()
    assert cloud


def answered(method: str, context: Any, body: Any, **headers: str) -> int:
    given = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
    status: int = handler(request(method, PATH, body, headers=given), context)["statusCode"]
    assert context.left_ms > 0
    return status


@pytest.mark.parametrize("call_ms", [3_000, 5_500, 7_900])
def test_a_conditional_write_that_takes_long_is_answered_in_time(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, call_ms: int
) -> None:
    made = handler(request("PUT", PATH, ORDER), SimpleNamespace())["headers"]["ETag"]
    context = SlowCalls(monkeypatch, call_ms)
    status = answered("PATCH", context, {"amount": 5}, if_match=made, idempotency_key="a")
    assert status == (200 if cloud.items()["orders#7"].get("amount") == 5 else 503)


@pytest.mark.usefixtures("cloud")
def test_a_request_that_was_carried_out_is_answered_although_its_answer_is_not_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert answered("PUT", SlowCalls(monkeypatch, 11_000), ORDER, idempotency_key="b") == 201


@pytest.mark.parametrize("path", ["rows?shop=a", "groups", "groups?order=key"])
def test_a_query_that_would_be_cut_off_is_told_to_retry(cloud: Cloud, path: str) -> None:
    """A list of groups has up to 20 pages, each of a megabyte."""
    context = SimpleNamespace(left_ms=29_000)
    context.get_remaining_time_in_millis = lambda: context.left_ms
    route, _, query = path.partition("?")
    ask = request("GET", f"/aggregates/shop_hours/{route}", query=query)
    assert handler(ask, context)["statusCode"] == 200
    stage.cache_clear()
    context.left_ms, table = 29_000, client("dynamodb")
    table.meta.events.register("before-call.dynamodb", lambda **_call: setattr(context, "left_ms", 7_000), "slow")
    try:
        assert handler(ask, context)["statusCode"] == 503
    finally:
        table.meta.events.unregister("before-call.dynamodb", unique_id="slow")
    assert cloud


def test_no_call_begins_without_time(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    handler(request("PUT", PATH, ORDER), SimpleNamespace())
    context = SlowCalls(monkeypatch, 22_000)
    assert answered("PATCH", context, {"amount": 5}) == 503
    assert "amount" not in cloud.items()["orders#7"]
