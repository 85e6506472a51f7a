"""What the dashboard's server signs, forwards and returns, and what it makes of an API that does not answer."""

import json

import pytest
from botocore.exceptions import BotoCoreError

from cli.dashboard import upstream as upstreams
from cli.dashboard.upstream import Upstream, http_session
from tailrace.definition.pipeline import load_pipeline
from tailrace.http.openapi.document import build_document
from tests.unit.cli.conftest import CREDENTIALS, REGION, DashboardClient, FakeApi
from tests.unit.cli.dashboard.problems import problem


@pytest.mark.parametrize(
    ("target", "sent_on"),
    [
        ("/api/aggregates", "/aggregates"),
        ("/api/health?", "/health"),
        ("/api/aggregates/hours/rows?carrier=UA&carrier=AA&from=2013-01-01T05:00-05:00&n=",
         "/aggregates/hours/rows?carrier=UA&carrier=AA&from=2013-01-01T05%3A00-05%3A00&n="),
        ("/api/aggregates/h/rows?b=A+B%20*~%2B&a=%C3%A9%26", "/aggregates/h/rows?b=A%20B%20%2A~%2B&a=%C3%A9%26"),
        ("/api/collections/flights/items/a%20b%2525", "/collections/flights/items/a%20b%2525"),
    ],
)  # fmt: skip
def test_a_request_arrives_with_a_valid_signature(
    ask: DashboardClient, api: FakeApi, target: str, sent_on: str
) -> None:
    """Whatever its encoding, and with unchanged values."""
    answer = ask(target)
    assert (answer.status, answer.data) == (200, api.body)
    assert api.asked[0][0] == sent_on


def test_the_upstream_of_these_tests_rejects_an_invalid_signature(api: FakeApi) -> None:
    """Otherwise the test above would prove nothing."""
    for region, signed_with in (("us-east-1", CREDENTIALS), (REGION, type(CREDENTIALS)("AKIDEXAMPLE", "b", "c"))):
        other = Upstream(api.url, region, signed_with, http_session())
        assert other.get("/aggregates", "", {}).status == 403
        other.close()


def test_only_allowed_headers_are_forwarded(ask: DashboardClient, api: FakeApi) -> None:
    ask("/api/aggregates", Accept="text/csv", Cookie="a=b", Authorization="Bearer x", Connection="x-a", X_A="1")
    _, headers = api.asked[0]
    assert headers["accept"] == "text/csv"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
    assert not {"cookie", "x-a", "sec-fetch-site", "origin"} & headers.keys()


def test_only_allowed_headers_are_returned(ask: DashboardClient, api: FakeApi) -> None:
    api.headers |= {"Set-Cookie": "a=b", "Access-Control-Allow-Origin": "*", "Link": '</a?cursor=1>; rel="next"'}
    api.headers |= {"Keep-Alive": "timeout=9", "Server": "somebody", "Cache-Control": "max-age=60"}
    answer = ask("/api/aggregates")
    assert answer.headers["Link"] == '</a?cursor=1>; rel="next"'
    assert answer.headers["Tailrace-Freshness"] == '{"age_s":1}'
    assert answer.headers["Tailrace-Generation"] == "x=1"
    assert answer.headers.getlist("Cache-Control") == ["max-age=60"]
    assert answer.headers["Server"] == "tailrace"
    assert not {"set-cookie", "access-control-allow-origin", "keep-alive"} & {name.lower() for name in answer.headers}


def test_every_documented_header_of_a_read_is_passed_on() -> None:
    document = build_document(load_pipeline(), {})
    reading = [path["get"] for path in document["paths"].values() if "get" in path]
    answers = [answer for operation in reading for answer in operation["responses"].values()]
    answers += document["components"]["responses"].values()
    seen = {name.lower() for answer in answers for name in answer.get("headers", {})}
    assert seen
    assert seen - {"idempotency-replayed"} <= set(upstreams.RETURNED_HEADERS)
    references = [
        one["$ref"].split("/")[-1] for operation in reading for one in operation.get("parameters", ()) if "$ref" in one
    ]
    assert references
    assert {name.lower() for name in references} <= set(upstreams.FORWARDED_HEADERS)


def test_an_error_of_the_api_is_returned_unchanged(ask: DashboardClient, api: FakeApi) -> None:
    api.status, api.body = 422, b'{"title":"no"}'
    api.headers["Content-Type"] = "application/problem+json"
    answer = ask("/api/aggregates")
    assert (answer.status, answer.data) == (422, b'{"title":"no"}')
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_compressed_response_stays_compressed(ask: DashboardClient, api: FakeApi) -> None:
    api.headers["Content-Encoding"], api.body = "gzip", b"\x1f\x8b as it came"
    answer = ask("/api/aggregates", Accept_Encoding="gzip")
    assert (answer.headers["Content-Encoding"], answer.data) == ("gzip", b"\x1f\x8b as it came")


def test_an_upstream_timeout_is_504(ask: DashboardClient, api: FakeApi, upstream: Upstream) -> None:
    upstream._session = http_session(read_timeout_s=0.5)
    api.delay_s = 1.0
    assert problem(ask("/api/aggregates")) == (504, "no-answer")


def test_an_incomplete_upstream_response_is_502(ask: DashboardClient, api: FakeApi) -> None:
    api.truncates_body = True
    assert problem(ask("/api/aggregates")) == (502, "unreachable")


def test_an_unreachable_upstream_is_502(ask: DashboardClient, api: FakeApi) -> None:
    api.shutdown()
    api.socket.close()
    assert problem(ask("/api/aggregates")) == (502, "unreachable")


def test_an_endless_response_is_cut_off(ask: DashboardClient, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstreams, "MAX_RESPONSE_BYTES", len(api.body) - 1)
    assert problem(ask("/api/aggregates")) == (502, "too-large")


def test_concurrent_requests_are_limited_to_the_connections(
    ask: DashboardClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstreams, "QUEUE_TIMEOUT_S", 0.01)
    for _ in range(upstreams.MAX_CONNECTIONS):
        upstream._slots.acquire()
    assert problem(ask("/api/aggregates")) == (503, "busy")
    upstream._slots.release()
    assert ask("/api/aggregates").status == 200


@pytest.mark.parametrize("error", [BotoCoreError(), FileNotFoundError(2, "No such file", "credential-helper")])
def test_expired_credentials_are_502(ask: DashboardClient, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def gone() -> None:
        raise error

    monkeypatch.setattr(CREDENTIALS, "get_frozen_credentials", gone)
    answer = ask("/api/aggregates")
    assert problem(answer) == (502, "no-credentials")
    assert "aws sso login" in json.loads(answer.data)["detail"]
