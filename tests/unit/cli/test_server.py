"""The dashboard's server: what it signs and hands on, and whom it refuses."""

import json
import socket

import pytest
import urllib3
from botocore.exceptions import BotoCoreError

from cli import upstream as upstreams
from cli.server import TYPE_PREFIX
from cli.upstream import Upstream, http_session
from tailrace.definition.pipeline import load_pipeline
from tailrace.http.openapi.document import build_document
from tests.unit.cli.conftest import CREDENTIALS, REGION, DashboardClient, FakeApi


def problem(answer: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    """Return the status and the type of a refusal, whose form is checked."""
    document = json.loads(answer.data)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["status"] == answer.status
    assert document["title"]
    return answer.status, document["type"].removeprefix(TYPE_PREFIX)


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
def test_a_request_arrives_with_a_signature_that_holds(
    ask: DashboardClient, api: FakeApi, target: str, sent_on: str
) -> None:
    """Whatever is in it, and with each value as it was given."""
    answer = ask(target)
    assert (answer.status, answer.data) == (200, api.body)
    assert api.asked[0][0] == sent_on


def test_a_signature_that_does_not_hold_is_seen_by_the_upstream_of_these_tests(api: FakeApi) -> None:
    """Or the test above would show nothing."""
    for region, signed_with in (("us-east-1", CREDENTIALS), (REGION, type(CREDENTIALS)("AKIDEXAMPLE", "b", "c"))):
        other = Upstream(api.url, region, signed_with, http_session())
        assert other.get("/aggregates", "", {}).status == 403
        other.close()


def test_only_what_an_api_is_to_know_is_sent_on(ask: DashboardClient, api: FakeApi) -> None:
    ask("/api/aggregates", Accept="text/csv", Cookie="a=b", Authorization="Bearer x", Connection="x-a", X_A="1")
    _, headers = api.asked[0]
    assert headers["accept"] == "text/csv"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
    assert not {"cookie", "x-a", "sec-fetch-site", "origin"} & headers.keys()


def test_only_what_a_page_is_to_know_is_handed_back(ask: DashboardClient, api: FakeApi) -> None:
    api.headers |= {"Set-Cookie": "a=b", "Access-Control-Allow-Origin": "*", "Link": '</a?cursor=1>; rel="next"'}
    api.headers |= {"Keep-Alive": "timeout=9", "Server": "somebody", "Cache-Control": "max-age=60"}
    answer = ask("/api/aggregates")
    assert answer.headers["Link"] == '</a?cursor=1>; rel="next"'
    assert answer.headers["Tailrace-Freshness"] == '{"age_s":1}'
    assert answer.headers.getlist("Cache-Control") == ["max-age=60"]
    assert answer.headers["Server"] == "tailrace"
    assert not {"set-cookie", "access-control-allow-origin", "keep-alive"} & {name.lower() for name in answer.headers}


def test_every_header_that_the_api_documents_for_reading_is_handed_back() -> None:
    document = build_document(load_pipeline(), {})
    reading = [path["get"] for path in document["paths"].values() if "get" in path]
    answers = [answer for operation in reading for answer in operation["responses"].values()]
    answers += document["components"]["responses"].values()
    seen = {name.lower() for answer in answers for name in answer.get("headers", {})}
    assert seen
    assert seen - {"idempotency-replayed"} <= set(upstreams.RETURNED_HEADERS)


def test_what_the_api_refuses_is_handed_back_as_it_is(ask: DashboardClient, api: FakeApi) -> None:
    api.status, api.body = 422, b'{"title":"no"}'
    api.headers["Content-Type"] = "application/problem+json"
    answer = ask("/api/aggregates")
    assert (answer.status, answer.data) == (422, b'{"title":"no"}')
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_packed_answer_is_handed_back_packed(ask: DashboardClient, api: FakeApi) -> None:
    api.headers["Content-Encoding"], api.body = "gzip", b"\x1f\x8b as it came"
    answer = ask("/api/aggregates", Accept_Encoding="gzip")
    assert (answer.headers["Content-Encoding"], answer.data) == ("gzip", b"\x1f\x8b as it came")


def test_an_upstream_that_is_late_is_504(ask: DashboardClient, api: FakeApi) -> None:
    api.delay_s = 1.0
    assert problem(ask("/api/aggregates")) == (504, "no-answer")


def test_an_upstream_that_breaks_off_is_502(ask: DashboardClient, api: FakeApi) -> None:
    api.truncates_body = True
    assert problem(ask("/api/aggregates")) == (502, "unreachable")


def test_an_upstream_that_is_not_there_is_502(ask: DashboardClient, api: FakeApi) -> None:
    api.shutdown()
    api.socket.close()
    assert problem(ask("/api/aggregates")) == (502, "unreachable")


def test_an_answer_without_an_end_is_not_taken(
    ask: DashboardClient, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstreams, "MAX_RESPONSE_BYTES", len(api.body) - 1)
    assert problem(ask("/api/aggregates")) == (502, "too-large")


def test_no_more_requests_than_there_are_connections_are_under_way(
    ask: DashboardClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstreams, "QUEUE_TIMEOUT_S", 0.01)
    for _ in range(upstreams.MAX_CONNECTIONS):
        upstream._slots.acquire()
    assert problem(ask("/api/aggregates")) == (503, "busy")
    upstream._slots.release()
    assert ask("/api/aggregates").status == 200


def test_credentials_that_are_no_more_are_told(ask: DashboardClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise BotoCoreError

    monkeypatch.setattr(CREDENTIALS, "get_frozen_credentials", gone)
    answer = ask("/api/aggregates")
    assert problem(answer) == (502, "no-credentials")
    assert "aws sso login" in json.loads(answer.data)["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_is_written(ask: DashboardClient, api: FakeApi, method: str) -> None:
    """Neither by the API's methods nor by any other, with a body or without."""
    for target in ("/api/collections/flights/items/1", "/"):
        answer = ask(target, method, b"{}")
        assert problem(answer) == (405, "read-only")
        assert answer.headers["Allow"] == "GET, HEAD"
    assert api.asked == []


def test_a_body_is_refused(ask: DashboardClient, api: FakeApi) -> None:
    assert problem(ask("/api/aggregates", "GET", b"{}")) == (400, "no-body")
    assert problem(ask("/api/aggregates", Transfer_Encoding="chunked")) == (400, "no-body")
    assert api.asked == []


def test_the_api_is_not_asked_for_heads(ask: DashboardClient, api: FakeApi) -> None:
    answer = ask("/api/aggregates", "HEAD")
    assert (answer.status, answer.data) == (405, b"")
    assert api.asked == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "[::1]:{port}", ""]
)
def test_a_foreign_name_that_leads_here_is_refused(ask: DashboardClient, api: FakeApi, host: str) -> None:
    """DNS rebinding: the browser takes the page and us for one origin, but says by which name it came."""
    for target in ("/api/aggregates", "/", "/config.json"):
        assert problem(ask(target, Host=host.format(port=ask.server.server_port))) == (421, "not-this-host")
    assert api.asked == []


def test_both_of_our_names_are_served(ask: DashboardClient) -> None:
    for name in ("127.0.0.1", "localhost"):
        host = f"{name}:{ask.server.server_port}"
        assert ask("/api/aggregates", Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin").status == 200


def test_a_request_without_a_host_or_with_two_is_refused(ask: DashboardClient, api: FakeApi) -> None:
    own = f"Host: 127.0.0.1:{ask.server.server_port}\r\n"
    for hosts in ("", own + "Host: evil.example\r\n", own + own):
        with socket.create_connection(("127.0.0.1", ask.server.server_port), timeout=5) as connection:
            connection.sendall(f"GET /api/aggregates HTTP/1.1\r\n{hosts}\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 421 ")
    assert api.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": "https://evil.example", "Sec_Fetch_Site": "same-origin"},
    ],
)
def test_pages_of_other_origins_are_refused(ask: DashboardClient, api: FakeApi, headers: dict[str, str]) -> None:
    """Another port of this machine is another origin, too."""
    answer = ask("/api/aggregates", **headers)
    assert problem(answer) == (403, "other-origin")
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert api.asked == []


@pytest.mark.parametrize("target", ["/api/../x", "/api/%2e%2e/x", "/api/a/%2E./%2e%2e/x", "/api/..%2fx", "/api/..\\x"])
def test_a_path_that_leads_out_of_the_api_is_refused(ask: DashboardClient, api: FakeApi, target: str) -> None:
    assert problem(ask(target)) == (400, "no-such-path")
    assert api.asked == []


@pytest.mark.parametrize(
    "target",
    ["/../secret.js", "/%2e%2e/secret.js", "/..%2fsecret.js", "/vendor/../../secret.js", "//etc/passwd", "/.made-from",
     "/etc/passwd", "/%00", "/index.html/", "/vendor", "/apis", "*", "/%ff"],
)  # fmt: skip
def test_no_path_leads_out_of_the_page(ask: DashboardClient, target: str) -> None:
    answer = ask(target)
    assert answer.status == 404
    assert b"not yours" not in answer.data


def test_every_answer_carries_the_headers_that_keep_others_out(ask: DashboardClient) -> None:
    answers = [ask("/"), ask("/nothing"), ask("/api/aggregates"), ask("/api/x", "POST"), ask("/", Host="evil.example")]
    for answer in answers:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_the_page_is_served(ask: DashboardClient) -> None:
    answer = ask("/")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.data.startswith(b"<!doctype html>")
    head = ask("/", "HEAD")
    assert (head.status, head.data, head.headers["Content-Length"]) == (200, b"", str(len(answer.data)))
    kept = ask("/", If_None_Match=answer.headers["ETag"])
    assert (kept.status, kept.data) == (304, b"")
    assert ask("/config.json").json() == {"api": "./api", "auth": None}


def test_a_connection_serves_one_request_after_another(ask: DashboardClient, api: FakeApi) -> None:
    with urllib3.HTTPConnectionPool("127.0.0.1", ask.server.server_port, maxsize=1) as pool:
        for target in ("/", "/api/aggregates", "/main.js", "/api/health"):
            assert pool.request("GET", target, retries=False).status == 200
        assert pool.num_connections == 1
    assert len(api.asked) == 2


def test_without_the_key_there_is_the_page_and_no_data(ask_with_key: DashboardClient, api: FakeApi) -> None:
    """Others who have an account on this machine reach loopback, too, and are to read nothing with our credentials."""
    ask, name = ask_with_key, ask_with_key.server.cookie
    assert ask("/").status == 200
    for cookie in ("", f"{name}=", f"{name}=other", f"{name}=the-ke", "a=the-key", f"{name}=the-key-é", "\x00=;;"):
        assert problem(ask("/api/aggregates", Cookie=cookie)) == (401, "no-key")
    assert api.asked == []


def test_the_address_with_the_key_lets_its_browser_in(ask_with_key: DashboardClient) -> None:
    ask, server = ask_with_key, ask_with_key.server
    answer = ask(server.address.removeprefix(server.url.rstrip("/")))
    assert (answer.status, answer.headers["Location"]) == (303, "./")  # so that it does not stay in sight
    cookie, *attributes = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    assert set(attributes) == {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert ask("/api/aggregates", Cookie=f"other=1; {cookie}").status == 200
    refused = ask("/?key=other")
    assert (refused.status, "Set-Cookie" in refused.headers) == (303, False)


def test_the_server_listens_on_loopback_only(ask: DashboardClient) -> None:
    assert ask.server.server_address[0] == "127.0.0.1"
