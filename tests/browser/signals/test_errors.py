"""Errors of the API: what the page shows, and when it asks again."""

from collections.abc import Callable, Mapping

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PAGE_READY, WAIT_MS
from tests.browser.fake_api import FakeApi, day
from tests.browser.page_state import wait_for
from tests.browser.site import Response, Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]


@pytest.mark.parametrize("status", [429, 503])
def test_errors_of_the_api_are_told_as_such(serve: Serve, visit: Visit, status: int) -> None:
    api = FakeApi(rows=day())
    page = visit(serve(api.respond).url)
    api.problem = (status, {"title": "Try again later"})
    expect(page.locator(".panel .fresh")).to_have_attribute("data-state", "late")
    expect(page.locator(".panel .warning")).to_contain_text("Stale: no values from the API for")
    expect(page.locator("#state")).to_contain_text("No health from the API for")
    assert page.locator("#state").get_attribute("data-state") == "late"
    api.problem = None
    expect(page.locator(".panel .warning")).to_be_hidden(timeout=60_000)
    expect(page.locator("#state")).to_have_text("Live · 1 s behind", timeout=60_000)


def test_an_error_is_shown_and_retried_with_a_growing_delay(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())
    served = serve(api.respond)
    page = visit(served.url)
    api.problem = (
        503,
        {"type": "urn:problem-type:tailrace:try-later", "title": "Try again later", "detail": "the table is throttled"},
    )
    expect(page.locator(".panel .problem")).to_have_text("Try again later: the table is throttled.")
    before = len(served.requests)
    page.wait_for_timeout(6000)
    # a row query after 2 s and another 4 s later, and the same for the health
    assert len(served.requests) - before <= 6
    api.problem = None
    expect(page.locator(".panel .problem")).to_be_hidden()


def test_nothing_is_requested_again_before_the_api_says(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        status, found, body = api.respond(path, query, headers)
        return status, {**found, **({} if api.problem is None else {"Retry-After": "15"})}, body

    served = serve(respond)
    page = visit(served.url, clock=True)
    api.problem = (429, {"message": "Too Many Requests"})
    served.requests.clear()

    def asked() -> list[str]:
        """Return the senders of requests: the panel, the strip of stages, and the watch on the list."""
        return sorted("panel" if "/sensor_hours/" in target else target for target in served.requests)

    def let_pass(seconds: int) -> None:
        for _ in range(4 * seconds):
            page.clock.run_for(250)
            page.wait_for_timeout(15)

    let_pass(14)
    assert asked() == ["/aggregates", "/health", "panel"]
    let_pass(10)
    assert asked() == ["/aggregates", "/aggregates", "/health", "/health", "panel", "panel"]


def test_an_error_that_is_not_a_problem_document_is_shown(serve: Serve, visit: Visit) -> None:
    api = FakeApi(problem=(429, {"message": "Too Many Requests"}))
    page = visit(serve(api.respond).url, ready=False)
    expect(page.locator("#notices")).to_contain_text("Too Many Requests. Retrying …")
    api.problem = None
    expect(page.locator("#notices")).to_be_empty()
    expect(page.locator(".panel")).to_have_count(1)


def test_a_response_that_is_not_json_is_reported(serve: Serve, visit: Visit) -> None:
    page = visit(serve(lambda *_: (200, {"Content-Type": "text/html"}, "<p>a proxy</p>")).url, ready=False)
    expect(page.locator("#notices")).to_contain_text("The response is not JSON: check that http")


@pytest.mark.parametrize("body", ["null", "{}", "[]"])
def test_a_list_that_is_none_is_requested_until_it_is(serve: Serve, visit: Visit, body: str) -> None:
    api = FakeApi(rows=day())
    is_whole = [False]

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        return api.respond(path, query, headers) if is_whole[0] else (200, {"Content-Type": "application/json"}, body)

    page = visit(serve(respond).url, ready=False)
    expect(page.locator("#notices")).to_contain_text("The response does not list aggregates: check that http")
    is_whole[0] = True
    wait_for(page, PAGE_READY)
    expect(page.locator("#notices")).to_be_empty()


@pytest.mark.parametrize("body", ["{}", "<p>a proxy</p>"])
def test_a_response_without_values_is_no_silence_and_no_health(serve: Serve, visit: Visit, body: str) -> None:
    api = FakeApi(rows=day())
    is_whole = [True]

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        is_asked = path == "/health" or (body != "{}" and path.endswith("/rows"))
        if is_asked and not is_whole[0]:
            return 200, {"Content-Type": "application/json"}, body
        return api.respond(path, query, headers)

    page = visit(serve(respond).url)
    is_whole[0] = False
    expect(page.locator("#state")).to_contain_text("No health from the API for")
    if body != "{}":
        expect(page.locator(".panel .warning")).to_contain_text("Stale: no values from the API for")
    is_whole[0] = True
    expect(page.locator("#state")).to_have_text("Live · 1 s behind", timeout=60_000)


def test_a_response_that_a_panel_cannot_show_is_reported_and_requested_less_often(
    serve: Serve, browser: Browser
) -> None:
    api = FakeApi(rows=day())
    is_whole = [False]

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if path.endswith("/rows") and not is_whole[0]:
            return 200, {"Content-Type": "application/json"}, "{}"
        return api.respond(path, query, headers)

    served = serve(respond)
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(served.url)
    expect(page.locator(".panel .problem")).to_contain_text("The response could not be shown: ")
    before = len([request for request in served.requests if "/rows" in request])
    page.wait_for_timeout(6000)
    assert len([request for request in served.requests if "/rows" in request]) - before <= 4
    is_whole[0] = True
    expect(page.locator(".panel .problem")).to_be_hidden()
    context.close()
