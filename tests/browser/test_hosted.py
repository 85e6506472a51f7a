"""The page as a stack hosts it: signed in for at an issuer, with tokens that the gateway looks at."""

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
INKED = """(canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some((one) => one > 0);
}"""
"""Whether anything is drawn."""


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


def test_people_sign_in_and_see_the_aggregates(browser: Browser, stack: Stack, issuer: Issuer) -> None:
    """From the bare address: to the issuer, back by the callback that it knows, and to the data with its token.

    The panels list and draw what stands in the table, number for number.
    """
    callback = f"{stack.api_url}/dashboard/index.html"
    issuer.callbacks = {callback}
    context = browser.new_context(viewport={"width": 1400, "height": 2400})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if is_console_error(said.type, said.text) else None)
    page.goto(f"{stack.api_url}/dashboard")
    expect(page.locator(".panel")).to_have_count(len(pipeline.aggregates))
    assert page.url == callback  # without the code
    expect(page.locator("#title")).to_have_text("tailrace")
    wait_for(page, PAGE_READY)
    assert_panels_match_table(page, stack)
    drawings = page.locator(".panel .plot canvas").all()
    assert drawings
    assert all(drawing.evaluate(INKED) for drawing in drawings)
    assert issuer.rejections == []
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
