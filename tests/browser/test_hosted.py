"""The page as a stack hosts it: users sign in at an issuer, and the gateway verifies their tokens."""

from collections.abc import Iterator
from itertools import batched

import pytest
from playwright.sync_api import Browser, expect

from local.demo.flights import read_flights
from local.demo.options import SAMPLE_FILE
from local.demo.timeline import Change, timeline
from local.demo.writers import StackWriter
from local.stack import Stack, running_stack
from pipeline.definition import pipeline
from tests.browser.conftest import PAGE_READY, WAIT_MS, is_console_error
from tests.browser.page_state import wait_for
from tests.browser.table_comparison import assert_panels_match_table
from tests.oidc_issuer import AUDIENCE, Issuer, running_issuer

FLIGHTS = 200
HAS_DRAWING = """(canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some((one) => one > 0);
}"""
"""A function: whether anything is drawn on a canvas."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def stack(issuer: Issuer) -> Iterator[Stack]:
    parameters = {"JwtIssuer": issuer.url, "JwtAudience": AUDIENCE, "DashboardClientId": AUDIENCE}
    with running_stack(parameters=parameters) as running:
        source = read_flights(SAMPLE_FILE)
        landed = [
            change for change in timeline(source.flights) if isinstance(change, Change) and change.kind == "landed"
        ]
        items = {change.id: change.item for change in landed[:FLIGHTS]}
        for some in batched(items.items(), 25, strict=False):
            StackWriter(running).write_items("flights", dict(some))
        running.wait_until_settled(60)
        yield running


def test_users_sign_in_and_see_the_aggregates(browser: Browser, stack: Stack, issuer: Issuer) -> None:
    """The bare address redirects to the issuer and back, and the panels show the table's values."""
    callback = f"{stack.api_url}/dashboard/index.html"
    issuer.callbacks = {callback}
    context = browser.new_context(viewport={"width": 1400, "height": 2400})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda message: errors.append(message.text) if is_console_error(message.type, message.text) else None
    )
    page.goto(f"{stack.api_url}/dashboard")
    expect(page.locator(".panel")).to_have_count(len(pipeline.aggregates))
    assert page.url == callback  # without the code
    expect(page.locator("#title")).to_have_text("tailrace")
    wait_for(page, PAGE_READY)
    assert_panels_match_table(page, stack)
    canvases = page.locator(".panel .plot canvas").all()
    assert canvases
    assert all(canvas.evaluate(HAS_DRAWING) for canvas in canvases)
    assert issuer.rejections == []
    assert errors == []
    stored = page.evaluate("JSON.stringify([Object.entries(localStorage), document.cookie])")
    context.close()
    assert "ey" not in stored  # the prefix of every token: tokens are in the tab's session storage only


def test_without_a_sign_in_there_are_no_data(browser: Browser, stack: Stack, issuer: Issuer) -> None:
    """The page is public. An issuer that does not know the callback rejects the sign-in, and nothing is requested."""
    issuer.callbacks = {"https://elsewhere.example/"}
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    responses: list[tuple[str, int]] = []
    page.on("response", lambda response: responses.append((response.url, response.status)))
    page.goto(f"{stack.api_url}/dashboard")
    page.wait_for_url(f"{issuer.url}/authorize?**")
    context.close()
    assert [status for url, status in responses if url.startswith(f"{issuer.url}/authorize")] == [400]
    from_stack = [url for url, _ in responses if url.startswith(stack.api_url)]
    assert [url for url in from_stack if not url.startswith(f"{stack.api_url}/dashboard")] == []
