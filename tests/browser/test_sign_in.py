"""Signing in at an issuer: code with PKCE, the token at the API, and what happens when it is over."""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WAIT_MS
from tests.browser.made_up import MadeUp, day
from tests.browser.site import Answered, Site

type Serve = Callable[..., Site]


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@dataclass
class Issuer:
    """An OpenID Connect issuer that signs everybody in at once, and checks what the page sends it."""

    url: str = ""
    lifetime_s: int = 3600
    refreshes: bool = True
    challenges: dict[str, str] = field(default_factory=dict)
    nonces: dict[str, str] = field(default_factory=dict)
    grants: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }

    def authorize(self, query: Mapping[str, list[str]]) -> str:
        """Return where to send the browser: back, with a code."""
        assert query["response_type"] == ["code"]
        assert query["code_challenge_method"] == ["S256"]
        assert query["client_id"] == ["page"]
        assert query["scope"] == ["openid tailrace/read"]
        code = f"code-{len(self.challenges)}"
        self.challenges[code] = query["code_challenge"][0]
        self.nonces[code] = query.get("nonce", [""])[0]
        return f"{query['redirect_uri'][0]}?{urlencode({'code': code, 'state': query['state'][0]})}"

    def token(self, form: Mapping[str, list[str]]) -> dict[str, Any]:
        """Return tokens for a code whose verifier is the right one, or for a refresh token."""
        grant = form["grant_type"][0]
        self.grants.append(grant)
        nonce = ""
        if grant == "authorization_code":
            code = form["code"][0]
            verifier = form["code_verifier"][0]
            assert encoded(hashlib.sha256(verifier.encode()).digest()) == self.challenges.pop(code)
            nonce = self.nonces[code]
        self.tokens.append(f"token-{len(self.tokens)}")
        now = int(time.time())
        claims = {"iss": self.url, "aud": "page", "sub": "ada", "name": "Ada", "iat": now, "exp": now + self.lifetime_s}
        claims |= {"nonce": nonce} if nonce else {}
        body = encoded(json.dumps(claims).encode())
        answer = {
            "access_token": self.tokens[-1],
            "id_token": f"{encoded(b'{}')}.{body}.{encoded(b'signature')}",
            "token_type": "Bearer",
            "expires_in": self.lifetime_s,
            "scope": "openid tailrace/read",
        }
        return answer | ({"refresh_token": "again"} if self.refreshes else {})


class _Request(BaseHTTPRequestHandler):
    server: "IssuerServer"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", self.server.issuer.authorize(parse_qs(parts.query)))
            self.end_headers()
        else:
            self._json(self.server.issuer.configuration())

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._json(self.server.issuer.token(form))

    def _json(self, document: Mapping[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


class IssuerServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, issuer: Issuer) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.issuer = issuer
        issuer.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    server = IssuerServer(Issuer())
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server.issuer
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    yield context.new_page()
    context.close()


def guarded(api: MadeUp, issuer: Issuer, seen: list[str]) -> Callable[..., Answered]:
    """Return an API that takes the issuer's newest token only."""

    def answer(path: str, query: str, headers: Mapping[str, str]) -> Answered:
        seen.append(headers.get("authorization", ""))
        if not issuer.tokens or seen[-1] != f"Bearer {issuer.tokens[-1]}":
            return 401, {"Content-Type": "application/json"}, '{"message": "Unauthorized"}'
        return api.answer(path, query, headers)

    return answer


def settings(issuer: Issuer) -> dict[str, Any]:
    auth = {"issuer": issuer.url, "client_id": "page", "scope": "openid tailrace/read", "redirect_path": "./"}
    return {"auth": auth}


def test_it_signs_in_by_code_with_pkce_and_asks_with_the_token(serve: Serve, issuer: Issuer, page: Page) -> None:
    seen: list[str] = []
    site = serve(guarded(MadeUp(rows=day()), issuer, seen), **settings(issuer))
    page.goto(site.url)
    expect(page.locator(".panel")).to_have_count(1)
    assert page.url == site.url  # neither code nor state is left in the address
    assert issuer.grants == ["authorization_code"]
    assert set(seen) == {"Bearer token-0"}
    stored = page.evaluate("[Object.values(localStorage), Object.values(sessionStorage)].map(String)")
    assert "token-0" not in stored[0]
    assert "token-0" in stored[1]
    expect(page.get_by_role("button", name="Sign out Ada")).to_be_visible()
    page.reload()
    expect(page.locator(".panel")).to_have_count(1)
    assert issuer.grants == ["authorization_code"]  # the tab is still signed in


def test_a_token_is_renewed_in_silence_before_it_expires(serve: Serve, issuer: Issuer, page: Page) -> None:
    issuer.lifetime_s = 62  # it is renewed a minute before
    seen: list[str] = []
    site = serve(guarded(MadeUp(rows=day()), issuer, seen), **settings(issuer))
    page.goto(site.url)
    expect(page.locator(".panel")).to_have_count(1)
    page.wait_for_timeout(4500)
    assert "refresh_token" in issuer.grants
    assert seen[-1] == f"Bearer {issuer.tokens[-1]}"
    expect(page.locator("#notices")).to_be_empty()


def test_a_sign_in_that_is_over_says_so_and_is_begun_again(serve: Serve, issuer: Issuer, page: Page) -> None:
    issuer.refreshes = False
    seen: list[str] = []
    site = serve(guarded(MadeUp(rows=day()), issuer, seen), **settings(issuer))
    page.goto(site.url)
    expect(page.locator(".panel")).to_have_count(1)
    issuer.tokens.append("another")  # the API does not take the page's any more
    expect(page.locator("#notices")).to_contain_text("Your sign-in is over.")
    page.get_by_role("button", name="Sign in again").click()
    expect(page.get_by_role("button", name="Sign out Ada")).to_be_visible()
    expect(page.locator(".panel .fresh")).to_contain_text("up to date")
    expect(page.locator("#notices")).to_be_empty()
    assert issuer.grants == ["authorization_code", "authorization_code"]
