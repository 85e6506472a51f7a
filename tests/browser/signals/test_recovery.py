"""A page recovers by itself if a part of it did not arrive, as when the network changes meanwhile, or says so."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.fake_api import FakeApi, day
from tests.browser.page_state import wait_for
from tests.browser.site import Site

type Serve = Callable[..., Site]

PARTS = (
    "main.js",
    "panels/panel.js",
    "vendor/uplot/uPlot.esm.js",
    "styles/layout.css",
    "config.json",
    "api/aggregates",
)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("part", PARTS)
def test_a_page_with_a_part_that_arrives_later_is_complete(serve: Serve, page: Page, part: str) -> None:
    failures = [1, 2]

    def fail_twice(route: Route) -> None:
        if failures:
            failures.pop()
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(f"**/{part}", fail_twice)
    page.goto(serve(FakeApi(rows=day()).respond).url)
    expect(page.locator("#notices")).to_contain_text("Retrying …")
    while failures:
        page.wait_for_timeout(40)
    for _ in range(2):  # the page may be complete, and not know yet that a style sheet is missing
        expect(page.locator(".panel")).to_have_count(1)
        expect(page.locator("#notices")).to_be_empty()
        wait_for(page, "sessionStorage.length === 0")


def test_a_page_with_a_part_that_never_arrives_says_so(serve: Serve, page: Page) -> None:
    loaded: list[str] = []
    page.on("load", lambda _: loaded.append(page.url))
    page.route("**/panels/panel.js", lambda route: route.abort())
    page.goto(serve(FakeApi(rows=day()).respond).url)
    expect(page.locator("#notices")).to_contain_text("Check the connection, and reload the page.")
    assert len(loaded) in (3, 4)  # the last load ends after the page's scripts
    page.unroute("**/panels/panel.js")
    page.reload()
    expect(page.locator(".panel")).to_have_count(1)
    expect(page.locator("#notices")).to_be_empty()


def test_a_foreign_script_is_no_part_of_the_page(serve: Serve, page: Page) -> None:
    """Extensions and proxies add such scripts, and the page's policy blocks them."""
    page.goto(serve(FakeApi(rows=day()).respond).url)
    expect(page.locator(".panel")).to_have_count(1)
    blocked = """new Promise((resolve) => {
        const script = document.createElement("script");
        script.addEventListener("error", resolve);
        script.src = "http://127.0.0.1:9/other.js";
        document.head.append(script);
    }).then(() => true)"""
    assert page.evaluate(blocked)
    assert page.locator("#notices").text_content() == ""
