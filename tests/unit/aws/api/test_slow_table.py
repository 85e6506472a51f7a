"""A table that takes long for each call: who waits for an answer gets one before the function's time is up."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from functions.api.app import handler, stage
from tailrace.aws.runtime.clients import client
from tests.api_client import item_path, request
from tests.unit.aws.conftest import Cloud

PATH = item_path("7")
ORDER = {"shop": "a", "placed": "2024-10-27T00:30:00Z"}


class SlowCalls:
    """An invocation's context whose time passes with each call of a table."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, call_ms: int) -> None:
        self.left_ms, self.call_ms = 29_000, call_ms
        for name in ("get_item", "put_item", "update_item", "delete_item"):
            monkeypatch.setattr(client("dynamodb"), name, self._slow(getattr(client("dynamodb"), name)))

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
    status: int = handler(request(method, PATH, body, **headers), context)["statusCode"]
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


def test_no_call_begins_without_time(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    handler(request("PUT", PATH, ORDER), SimpleNamespace())
    context = SlowCalls(monkeypatch, 22_000)
    assert answered("PATCH", context, {"amount": 5}) == 503
    assert "amount" not in cloud.items()["orders#7"]
