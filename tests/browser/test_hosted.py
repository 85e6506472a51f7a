"""The page as a stack hosts it: signed in for at an issuer, with tokens that the gateway looks at."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from local.stack import Stack, running_stack
from pipeline.definition import pipeline
from tests.browser.conftest import WAIT_MS, is_complaint
from tests.issuer import AUDIENCE, Issuer, running_issuer


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def stack(issuer: Issuer) -> Iterator[Stack]:
    parameters = {"JwtIssuer": issuer.url, "JwtAudience": AUDIENCE, "DashboardClientId": AUDIENCE}
    with running_stack(parameters=parameters) as running:
        yield running


def test_people_sign_in_and_see_the_aggregates(browser: Browser, stack: Stack, issuer: Issuer) -> None:
    """From the bare address: to the issuer, back by the callback that it knows, and to the data with its token."""
    callback = f"{stack.api_url}/dashboard/index.html"
    issuer.callbacks = {callback}
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if is_complaint(said.type, said.text) else None)
    page.goto(f"{stack.api_url}/dashboard")
    expect(page.locator(".panel")).to_have_count(len(pipeline.aggregates))
    assert page.url == callback  # without the code
    expect(page.locator("#title")).to_have_text("tailrace")
    assert issuer.refusals == []
    assert wrong == []
    stored = page.evaluate("JSON.stringify([Object.entries(localStorage), document.cookie])")
    context.close()
    assert "ey" not in stored  # as every token begins: they are in the tab's own storage


def test_a_browser_that_is_not_signed_in_gets_no_data(browser: Browser, stack: Stack, issuer: Issuer) -> None:
    """The page is there for anybody; its issuer, which does not know this client's callback, lets nobody in."""
    issuer.callbacks = {"https://elsewhere.example/"}
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    answers: list[tuple[str, int]] = []
    page.on("response", lambda answer: answers.append((answer.url, answer.status)))
    page.goto(f"{stack.api_url}/dashboard")
    page.wait_for_url(f"{issuer.url}/authorize?**")
    context.close()
    assert [status for url, status in answers if url.startswith(f"{issuer.url}/authorize")] == [400]
    assert not [url for url, _ in answers if "/aggregates" in url or "/health" in url]
