"""A request whose table is slow: no call begins that the function's end may cut off."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from functions.api.app import handler
from tailrace.aws.runtime.clients import client, impatient_client
from tests.api_client import request, send
from tests.unit.aws.conftest import Cloud

PATH = "/collections/orders/items/7"
ORDER = {"shop": "a", "amount": 1, "placed": "2024-10-27T00:30:00Z"}


@pytest.mark.parametrize(
    ("read_s", "status", "is_late"), [(0.1, 200, False), (5, 200, True), (17, 200, True), (20, 503, False)]
)
@pytest.mark.parametrize(("method", "body"), [("PUT", ORDER), ("PATCH", {"amount": 2}), ("DELETE", None)])
def test_no_write_begins_after_a_read_that_took_nearly_all_the_time(  # noqa: PLR0917 - what varies
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    body: Any,
    read_s: float,
    status: int,
    is_late: bool,
) -> None:
    """It might be killed, with an unknown effect."""
    etag = send("PUT", PATH, ORDER)["headers"]["ETag"]
    before, context = cloud.items(), SimpleNamespace(left_ms=28_900)
    context.get_remaining_time_in_millis = lambda: context.left_ms
    read = client("dynamodb").get_item
    late: list[str] = []

    def slowly(**call: Any) -> Any:
        context.left_ms -= int(read_s * 1000)
        return read(**call)

    def counted(name: str) -> Callable[..., Any]:
        call = getattr(client("dynamodb"), name)

        def counting(**given: Any) -> Any:
            late.append(name)
            return call(**given)

        return counting

    monkeypatch.setattr(client("dynamodb"), "get_item", slowly)
    for name in ("put_item", "update_item", "delete_item"):
        monkeypatch.setattr(impatient_client("dynamodb"), name, counted(name))
    asked = request(method, PATH, body)
    content = "application/merge-patch+json" if method == "PATCH" else "application/json"
    asked["headers"] |= {"if-match": etag, "content-type": content}
    answer = handler(asked, context)
    assert answer["statusCode"] == (204 if method == "DELETE" and status == 200 else status)
    assert bool(late) == is_late
    assert (cloud.items() == before) == (status == 503 or method == "PUT")
    if status == 503:
        assert int(answer["headers"]["Retry-After"]) > 0
        assert json.loads(answer["body"])["type"] == "urn:problem-type:tailrace:try-later"


@pytest.mark.usefixtures("cloud")
def test_a_late_call_takes_less_than_is_left() -> None:
    config: Any = impatient_client("dynamodb").meta.config
    attempts = config.retries["total_max_attempts"]
    assert attempts * (config.connect_timeout + config.read_timeout) + 1 < 11.5
    assert impatient_client("dynamodb") is not client("dynamodb")
