"""Signing in at an issuer: authorization code with PKCE, requests with the token, renewal and expiry."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WAIT_MS
from tests.browser.fake_api import FakeApi, day
from tests.browser.site import Response, Site
from tests.oidc_issuer import AUDIENCE, Issuer, running_issuer

type Serve = Callable[..., Site]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        running.lifetime_s, running.issues_refresh_tokens = 3600, True
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    yield context.new_page()
    context.close()


def protected(api: FakeApi, issuer: Issuer, seen: list[str]) -> Callable[..., Response]:
    """Return an API that accepts the issuer's tokens: one that is renewed stays good for requests under way."""

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        seen.append(headers.get("authorization", ""))
        if seen[-1].removeprefix("Bearer ") not in issuer.issued:
            return 401, {"Content-Type": "application/json"}, '{"message": "Unauthorized"}'
        return api.respond(path, query, headers)

    return respond


def settings(issuer: Issuer) -> dict[str, Any]:
    auth = {"issuer": issuer.url, "client_id": AUDIENCE, "scope": "openid tailrace/read", "redirect_path": "./"}
    return {"auth": auth}


def wait_for_renewal(page: Page, issuer: Issuer, seen: list[str]) -> None:
    """Wait until the page has sent a second token."""
    until = time.monotonic() + WAIT_MS / 1000
    while len(issuer.issued) < 2 or f"Bearer {issuer.issued[1]}" not in seen:
        assert time.monotonic() < until, (issuer.grants, len(seen))
        page.wait_for_timeout(100)


def test_it_signs_in_with_pkce_and_sends_the_token(serve: Serve, issuer: Issuer, page: Page) -> None:
    seen: list[str] = []
    site = serve(protected(FakeApi(rows=day()), issuer, seen), **settings(issuer))
    page.goto(site.url)
    expect(page.locator(".panel")).to_have_count(1)
    assert page.url == site.url  # without code and state
    assert issuer.grants == ["authorization_code"]
    assert issuer.rejections == []
    (token,) = issuer.issued
    assert set(seen) == {f"Bearer {token}"}
    stored = page.evaluate("[Object.values(localStorage), Object.values(sessionStorage)].map(String)")
    assert token not in stored[0]
    assert token in stored[1]
    expect(page.get_by_role("button", name="Sign out Ada")).to_be_visible()
    page.reload()
    expect(page.locator(".panel")).to_have_count(1)
    assert issuer.grants == ["authorization_code"]  # the tab is still signed in


def test_a_refused_user_sees_why_and_can_try_again(serve: Serve, issuer: Issuer, page: Page) -> None:
    site = serve(protected(FakeApi(rows=day()), issuer, []), **settings(issuer))
    page.goto(f"{site.url}?error=access_denied&state=unknown")
    expect(page.locator("#notices")).to_contain_text("You could not be signed in: ")
    expect(page.locator("#state")).to_be_empty()
    assert issuer.grants == []
    page.get_by_role("button", name="Sign in again").click()
    expect(page.locator(".panel")).to_have_count(1)
    expect(page.locator("#notices")).to_be_empty()
    page.route("**/config.json", lambda route: route.fulfill(json={"auth": {"issuer": 1}}))
    page.reload()
    expect(page.locator("#notices")).to_contain_text("The dashboard could not start: ")
    expect(page.locator("#state")).to_have_text("Not started")
    expect(page.locator("#panels")).to_be_empty()


def test_an_issuer_that_cannot_be_reached_is_told_and_can_be_tried_again(
    serve: Serve, issuer: Issuer, page: Page
) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(error.message))
    site = serve(protected(FakeApi(rows=day()), issuer, []), **settings(issuer))
    page.route(f"{issuer.url}/**", lambda route: route.abort())
    page.goto(site.url)
    for _ in range(2):
        expect(page.locator("#notices .problem")).to_have_text(
            "You could not be signed in: Failed to fetch. Sign in again"
        )
        with page.expect_request(f"{issuer.url}/**"):
            page.get_by_role("button", name="Sign in again").click()
    expect(page.locator("#notices .problem")).to_have_count(1)
    page.unroute(f"{issuer.url}/**")
    page.get_by_role("button", name="Sign in again").click()
    expect(page.locator(".panel")).to_have_count(1)
    expect(page.locator("#notices")).to_be_empty()
    assert errors == []


def test_a_token_is_renewed_before_it_expires(serve: Serve, issuer: Issuer, page: Page) -> None:
    issuer.lifetime_s = 62  # renewed a minute before it expires
    seen: list[str] = []
    site = serve(protected(FakeApi(rows=day()), issuer, seen), **settings(issuer))
    page.goto(site.url)
    expect(page.locator(".panel")).to_have_count(1)
    wait_for_renewal(page, issuer, seen)
    assert issuer.grants[:2] == ["authorization_code", "refresh_token"]
    assert "" not in seen
    expect(page.locator("#notices")).to_be_empty()


def test_a_former_token_that_is_rejected_after_its_renewal_does_not_end_the_session(
    serve: Serve, issuer: Issuer, page: Page
) -> None:
    issuer.lifetime_s = 65  # leaves time for requests before the renewal
    seen: list[str] = []
    accepts = protected(FakeApi(rows=day()), issuer, seen)
    late: list[str] = []

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        """Reject the first request for the stages' health, once another token has been in use for a moment."""
        former = headers.get("authorization", "")
        if late or path != "/health" or len(issuer.issued) > 1:
            return accepts(path, query, headers)
        late.append(former)
        until = time.monotonic() + WAIT_MS / 1000
        while len(issuer.issued) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)
        return 401, {"Content-Type": "application/json"}, '{"message": "Unauthorized"}'

    page.goto(serve(respond, **settings(issuer)).url)
    expect(page.locator(".panel")).to_have_count(1)
    wait_for_renewal(page, issuer, seen)
    page.wait_for_timeout(1500)
    assert late == [f"Bearer {issuer.issued[0]}"]
    assert "" not in seen
    expect(page.locator("#notices")).to_be_empty()


def sign_in_with_clock(serve: Serve, issuer: Issuer, page: Page) -> list[str]:
    """Open a page whose clock the test moves; return the list of what it sends as authorization."""
    seen: list[str] = []
    page.clock.install()
    page.goto(serve(protected(FakeApi(rows=day()), issuer, seen), **settings(issuer)).url)
    expect(page.locator(".panel .fresh")).to_contain_text("up to date")
    return seen


def test_a_page_that_slept_beyond_the_end_of_its_token_is_still_signed_in(
    serve: Serve, issuer: Issuer, page: Page
) -> None:
    seen = sign_in_with_clock(serve, issuer, page)
    page.clock.fast_forward(2 * issuer.lifetime_s * 1000)
    wait_for_renewal(page, issuer, seen)
    assert "" not in seen
    expect(page.locator("#notices")).to_be_empty()
    expect(page.locator(".panel .fresh")).to_contain_text("up to date")


def test_a_page_that_wakes_up_without_a_network_renews_its_token_later(
    serve: Serve, issuer: Issuer, page: Page
) -> None:
    seen = sign_in_with_clock(serve, issuer, page)
    page.route(f"{issuer.url}/token", lambda route: route.abort())
    page.clock.fast_forward(2 * issuer.lifetime_s * 1000)
    expect(page.locator(".panel .problem")).to_contain_text("The sign-in could not be renewed")
    page.unroute(f"{issuer.url}/token")
    wait_for_renewal(page, issuer, seen)
    expect(page.locator(".panel .problem")).to_be_hidden()
    expect(page.locator("#notices")).to_be_empty()


def test_a_token_that_the_api_rejects_is_renewed_once(serve: Serve, issuer: Issuer, page: Page) -> None:
    seen: list[str] = []
    page.goto(serve(protected(FakeApi(rows=day()), issuer, seen), **settings(issuer)).url)
    expect(page.locator(".panel .fresh")).to_contain_text("up to date")
    issuer.issued[:] = ["another"]  # as if its lifetime were over for a clock that is ahead
    wait_for_renewal(page, issuer, seen)
    expect(page.locator("#notices")).to_be_empty()
    issuer.issued.clear()
    expect(page.locator("#notices")).to_contain_text("Your session has expired.")
    assert issuer.grants == ["authorization_code", "refresh_token"]


def test_after_expiry_the_user_can_sign_in_again(serve: Serve, issuer: Issuer, page: Page) -> None:
    issuer.issues_refresh_tokens = False
    seen: list[str] = []
    site = serve(protected(FakeApi(rows=day()), issuer, seen), **settings(issuer))
    page.goto(site.url)
    expect(page.locator(".panel")).to_have_count(1)
    issuer.issued[:] = ["another"]  # the API no longer accepts the page's token
    expect(page.locator("#notices")).to_contain_text("Your session has expired.")
    page.get_by_role("button", name="Sign in again").click()
    expect(page.get_by_role("button", name="Sign out Ada")).to_be_visible()
    expect(page.locator(".panel .fresh")).to_contain_text("up to date")
    expect(page.locator("#notices")).to_be_empty()
    assert issuer.grants == ["authorization_code", "authorization_code"]


def test_after_signing_out_nobody_is_signed_in_until_they_ask(serve: Serve, issuer: Issuer, page: Page) -> None:
    """Without a prompt, the issuer would sign the same user in again, also after an attempt that has failed."""
    site = serve(protected(FakeApi(rows=day()), issuer, []), **settings(issuer))
    page.goto(site.url)
    page.get_by_role("button", name="Sign out Ada").click()
    expect(page.locator("#notices")).to_contain_text("You are signed out of this page.")
    expect(page.locator("#panels")).to_be_empty()
    (token,) = issuer.issued
    assert token not in str(page.evaluate("Object.values(sessionStorage)"))
    page.reload()
    expect(page.locator("#notices")).to_contain_text("You are signed out of this page.")
    assert issuer.grants == ["authorization_code"]
    with page.expect_request(lambda request: "prompt=login" in request.url):
        page.get_by_role("button", name="Sign in again").click()
    expect(page.locator(".panel")).to_have_count(1)
    expect(page.locator("#notices")).to_be_empty()
    page.reload()
    expect(page.locator(".panel")).to_have_count(1)
    assert issuer.grants == ["authorization_code", "authorization_code"]
    page.get_by_role("button", name="Sign out Ada").click()
    expect(page.locator("#notices")).to_contain_text("You are signed out of this page.")
    page.goto(f"{site.url}?error=access_denied&state=unknown")
    expect(page.locator("#notices")).to_contain_text("You could not be signed in: ")
    with page.expect_request(lambda request: "prompt=login" in request.url):
        page.get_by_role("button", name="Sign in again").click()
