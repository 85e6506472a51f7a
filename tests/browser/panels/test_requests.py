"""Requests of a panel whose query changes while they are under way."""

import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page

from tests.browser.fake_api import FakeApi, day
from tests.browser.page_state import CHART_DATA, wait_for, wait_until
from tests.browser.site import Response, Site

type Serve = Callable[..., Site]
type Visit = Callable[..., Page]

RESPONSE_S = 0.4
TWO_STEPS = """async () => {
    const { panel } = document.querySelector('.panel');
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const zoomIn = document.querySelector('[aria-label="Zoom in"]');
    while (panel.loading) await pause(5);
    while (!panel.loading) await pause(5);
    await pause(330);
    zoomIn.click();
    await pause(150);
    zoomIn.click();
}"""
"""A function: zoom in twice, with the response to a refresh in between."""


def test_a_refresh_that_ends_between_two_steps_does_not_undo_the_first(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if path.endswith("/rows"):
            time.sleep(RESPONSE_S)
        return api.respond(path, query, headers)

    served = serve(respond)
    page = visit(served.url)
    page.evaluate(TWO_STEPS)
    # a quarter of 23 hours, in their middle
    wanted = {"from": ["2024-01-01T08:37:30.000Z"], "to": ["2024-01-01T14:22:30.000Z"]}
    wait_until(page, lambda: any(wanted.items() <= parse_qs(urlsplit(one).query).items() for one in served.requests))


def test_a_list_of_values_in_key_order_is_not_awaited_for_another_query(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day(), too_many_groups=True)

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if "order=key" in query:
            time.sleep(2)
        return api.respond(path, query, headers)

    page = visit(serve(respond).url, ready=False)
    canceled: list[str] = []
    page.on("requestfailed", lambda request: canceled.append(request.url))
    with page.expect_request(lambda request: "order=key" in request.url):
        pass
    page.get_by_role("combobox", name="Measure").select_option("celsius")
    wait_for(page, f"{CHART_DATA}?.view.key === 'celsius'")
    assert [url for url in canceled if "order=key" in url] != []
