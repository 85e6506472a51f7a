"""Several writers at once over HTTP: entity tags (RFC 9110), merge patches (RFC 7396) and idempotency keys."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import urllib3

from local.stack import Stack
from tests.concurrency import WRITERS, run_concurrently
from tests.oidc_issuer import Issuer
from tests.openapi.conformance import FLIGHT

type Send = Callable[..., urllib3.BaseHTTPResponse]


@pytest.fixture
def send(bare_token_stack: Stack, issuer: Issuer) -> Send:
    """Return a function that sends requests for a test's own items."""
    token = issuer.token(scope="tailrace/read tailrace/write", exp=4_000_000_000)

    def sent(method: str, item: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        place = f"{bare_token_stack.api_url}/collections/flights/items/{item}"
        given = {"Authorization": f"Bearer {token}", **(headers or {})}
        return urllib3.request(method, place, json=body, headers=given, retries=False, timeout=60)

    return sent


def test_of_concurrent_conditional_changes_one_succeeds(send: Send) -> None:
    """Each sends the entity tag that it has read; the others get 412."""
    for method in ("PUT", "PATCH"):
        tag = send("PUT", "same-state", FLIGHT).headers["ETag"]

        def change(writer: int, method: str = method, tag: str = tag) -> urllib3.BaseHTTPResponse:
            body = (FLIGHT if method == "PUT" else {}) | {"flight": 100 + writer}
            return send(method, "same-state", body, {"If-Match": tag})

        responses = run_concurrently(change)
        assert sorted(answer.status for answer in responses) == [200, *[412] * (WRITERS - 1)], method
        (written,) = (place for place, answer in enumerate(responses) if answer.status == 200)
        found = send("GET", "same-state")
        assert found.json()["item"]["flight"] == 100 + written
        assert found.headers["ETag"] == responses[written].headers["ETag"]


def test_of_concurrent_creations_one_succeeds(send: Send) -> None:
    responses = run_concurrently(
        lambda writer: send("PUT", "made", FLIGHT | {"flight": writer}, {"If-None-Match": "*"})
    )
    assert sorted(answer.status for answer in responses) == [201, *[412] * (WRITERS - 1)]


def test_patches_of_different_fields_are_all_kept(send: Send) -> None:
    """Without a condition, a patch is merged into the current item, or the client is asked to retry."""
    patches: list[dict[str, Any]] = [
        {"carrier": "UA"}, {"flight": 7}, {"origin": "JFK"}, {"dest": "SFO"}, {"distance": 2586}, {"tailnum": None}
    ]  # fmt: skip
    send("PUT", "patched", FLIGHT | {"tailnum": "N1"})

    def patch(writer: int) -> int:
        kind = {"Content-Type": "application/merge-patch+json"}
        while (status := send("PATCH", "patched", patches[writer], kind).status) == 409:
            pass
        return status

    assert run_concurrently(patch) == [200] * WRITERS
    expected: dict[str, Any] = dict(FLIGHT)
    for one in patches[:-1]:
        expected |= one
    assert send("GET", "patched").json()["item"] == expected


def test_concurrent_requests_with_one_idempotency_key_are_executed_once(send: Send) -> None:
    """The others are asked to wait, or get the first response; with another body the key is rejected."""
    key = {"Idempotency-Key": '"once"'}
    responses = run_concurrently(lambda _writer: send("PUT", "once", FLIGHT, key))
    fresh = [one for one in responses if one.status == 201 and "Idempotency-Replayed" not in one.headers]
    assert len(fresh) == 1
    for answer in responses:
        assert answer.status in (201, 409)
        if answer.status == 409:
            assert answer.json()["type"].endswith(":idempotency-key-in-use")
    again = send("PUT", "once", FLIGHT, key)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.headers["ETag"] == fresh[0].headers["ETag"]
    other = send("PUT", "once", FLIGHT | {"flight": 1}, key)
    assert (other.status, other.json()["type"].rpartition(":")[2]) == (422, "idempotency-key-reused")
    assert send("GET", "once").json()["item"] == FLIGHT
