"""The dashboard's server: the page that it serves, the key that opens it, and what it rejects."""

import socket

import pytest
import urllib3

from tests.unit.cli.conftest import DashboardClient, FakeApi
from tests.unit.cli.dashboard.problems import problem


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_is_written(ask: DashboardClient, api: FakeApi, method: str) -> None:
    """Not by the API's methods nor any other, with or without a body."""
    for target in ("/api/collections/flights/items/1", "/"):
        answer = ask(target, method, b"{}")
        assert problem(answer) == (405, "read-only")
        assert answer.headers["Allow"] == "GET, HEAD"
    assert api.asked == []


def test_a_request_body_is_rejected(ask: DashboardClient, api: FakeApi) -> None:
    assert problem(ask("/api/aggregates", "GET", b"{}")) == (400, "no-body")
    assert problem(ask("/api/aggregates", Transfer_Encoding="chunked")) == (400, "no-body")
    assert api.asked == []


def test_head_is_not_forwarded_to_the_api(ask: DashboardClient, api: FakeApi) -> None:
    answer = ask("/api/aggregates", "HEAD")
    assert (answer.status, answer.data) == (405, b"")
    assert api.asked == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:1", "[::1]:{port}", ""]
)
def test_a_foreign_host_name_is_rejected(ask: DashboardClient, api: FakeApi, host: str) -> None:
    """DNS rebinding: the browser takes page and server for one origin, but sends the foreign name as Host."""
    for target in ("/api/aggregates", "/", "/config.json"):
        assert problem(ask(target, Host=host.format(port=ask.server.server_port))) == (421, "not-this-host")
    assert api.asked == []


def test_both_own_host_names_are_accepted(ask: DashboardClient) -> None:
    for name in ("127.0.0.1", "localhost"):
        host = f"{name}:{ask.server.server_port}"
        assert ask("/api/aggregates", Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin").status == 200


def test_a_request_without_a_host_or_with_two_is_rejected(ask: DashboardClient, api: FakeApi) -> None:
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
def test_pages_of_other_origins_are_rejected(ask: DashboardClient, api: FakeApi, headers: dict[str, str]) -> None:
    """Another port of this machine is another origin."""
    answer = ask("/api/aggregates", **headers)
    assert problem(answer) == (403, "other-origin")
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert api.asked == []


@pytest.mark.parametrize("target", ["/api/../x", "/api/%2e%2e/x", "/api/a/%2E./%2e%2e/x", "/api/..%2fx", "/api/..\\x"])
def test_a_path_that_leaves_the_api_is_rejected(ask: DashboardClient, api: FakeApi, target: str) -> None:
    assert problem(ask(target)) == (400, "no-such-path")
    assert api.asked == []


@pytest.mark.parametrize(
    "target",
    ["/../secret.js", "/%2e%2e/secret.js", "/..%2fsecret.js", "/vendor/../../secret.js", "//etc/passwd", "/.made-from",
     "/etc/passwd", "/%00", "/index.html/", "/vendor", "/apis", "*", "/%ff"],
)  # fmt: skip
def test_no_path_leaves_the_site(ask: DashboardClient, target: str) -> None:
    answer = ask(target)
    assert answer.status == 404
    assert b"not yours" not in answer.data


def test_every_response_has_the_security_headers(ask: DashboardClient) -> None:
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


def test_a_connection_is_reused(ask: DashboardClient, api: FakeApi) -> None:
    with urllib3.HTTPConnectionPool("127.0.0.1", ask.server.server_port, maxsize=1) as pool:
        for target in ("/", "/api/aggregates", "/main.js", "/api/health"):
            assert pool.request("GET", target, retries=False).status == 200
        assert pool.num_connections == 1
    assert len(api.asked) == 2


def test_without_the_key_the_page_is_served_but_no_data(ask_with_key: DashboardClient, api: FakeApi) -> None:
    """Other users of this machine can reach loopback but must not read with our credentials."""
    ask, name = ask_with_key, ask_with_key.server.cookie
    assert ask("/").status == 200
    for cookie in ("", f"{name}=", f"{name}=other", f"{name}=the-ke", "a=the-key", f"{name}=the-key-é", "\x00=;;"):
        assert problem(ask("/api/aggregates", Cookie=cookie)) == (401, "no-key")
    assert api.asked == []


def test_opening_the_address_with_the_key_grants_access(ask_with_key: DashboardClient) -> None:
    ask, server = ask_with_key, ask_with_key.server
    answer = ask(server.address.removeprefix(server.url.rstrip("/")))
    assert (answer.status, answer.headers["Location"]) == (
        303,
        "./",
    )  # so that the key does not stay in the address bar
    cookie, *attributes = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    assert set(attributes) == {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert ask("/api/aggregates", Cookie=f"other=1; {cookie}").status == 200
    refused = ask("/?key=other")
    assert (refused.status, "Set-Cookie" in refused.headers) == (303, False)


def test_the_address_that_a_browser_is_given_works_once(ask_with_key: DashboardClient) -> None:
    """Every user of the machine can read it on the browser's command line, so it must not hold the key."""
    ask, server = ask_with_key, ask_with_key.server
    first, second = server.address_for_browser(), server.address_for_browser()
    assert first != second
    assert "the-key" not in first
    for address in (second, first):
        opened = ask(address.removeprefix(server.url.rstrip("/")))
        assert opened.status == 303
        cookie = opened.headers["Set-Cookie"].split(";")[0]
        assert ask("/api/aggregates", Cookie=cookie).status == 200
        again = ask(address.removeprefix(server.url.rstrip("/")))
        assert (again.status, again.headers.get("Set-Cookie")) == (303, None)


def test_the_server_listens_on_loopback_only(ask: DashboardClient) -> None:
    assert ask.server.server_address[0] == "127.0.0.1"
