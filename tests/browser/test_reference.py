"""The API reference shows every operation, and read operations can be tried."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cli.dashboard.command import REFERENCE
from tailrace.definition.pipeline import load_pipeline
from tailrace.http.openapi.document import build_document
from tests.browser.conftest import SCREENSHOTS, opened_pages
from tests.browser.operations import execute_with, open_operation, operations
from tests.browser.site import Response, Site, running_site

type Visit = Callable[..., Page]
type Check = Callable[[Page], list[str]]

DOCUMENT = build_document(load_pipeline(), {})
SWAGGER_UI_VIOLATIONS = {"heading-order", "nested-interactive", "region", "scrollable-region-focusable", "select-name"}
"""Violations in Swagger UI's own markup."""
ROWS = {"rows": [{"carrier": "UA", "departures": 7}]}


def api(path: str, _query: str, _headers: Mapping[str, str]) -> Response:
    body = DOCUMENT if path == "/openapi.json" else ROWS
    return 200, {"Content-Type": "application/json"}, json.dumps(body)


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    return serve(api, reference=f"./{REFERENCE}")


@pytest.fixture(scope="module")
def unchanged(browser: Browser, site_folder: Path) -> Iterator[Page]:
    """Open the page once for the tests that only look at it."""
    with running_site(site_folder, api, {"reference": f"./{REFERENCE}"}) as site, opened_pages(browser) as open_page:
        yield open_page(site.url + REFERENCE, ready=False)


def test_it_shows_every_operation(unchanged: Page) -> None:
    described = operations(DOCUMENT)
    expect(unchanged.locator(".opblock")).to_have_count(len(described))
    shown = unchanged.locator(".opblock").evaluate_all(
        """(all) => all.map((one) => [one.querySelector('.opblock-summary-method').textContent,
                                      one.querySelector('[data-path]').dataset.path])"""
    )
    assert {tuple(one) for one in shown} == described


def test_read_operations_can_be_tried(site: Site, visit: Visit) -> None:
    page = visit(site.url + REFERENCE, ready=False)
    operation = open_operation(page, "GET", "/aggregates/carrier_hours/rows")
    execute_with(operation, "carrier", "UA")
    expect(operation.locator(".live-responses-table")).to_contain_text("departures")
    assert site.requests[0] == "/openapi.json"
    assert site.requests[-1] == "/aggregates/carrier_hours/rows?carrier=UA&order=asc&limit=100"


def test_write_operations_are_only_described(unchanged: Page) -> None:
    operation = open_operation(unchanged, "PUT", "/collections/flights/items/{id}")
    expect(operation).to_contain_text("If-Match")
    expect(operation.get_by_role("button", name="Execute")).to_have_count(0)


@pytest.mark.parametrize("variant", ["light 1280", "dark 1280", "light 360"])
def test_it_is_accessible(site: Site, visit: Visit, violations: Check, variant: str) -> None:
    appearance, width = variant.split()
    page = visit(site.url + REFERENCE, ready=False, width=int(width), dark=appearance == "dark")
    open_operation(page, "GET", "/aggregates/carrier_hours/rows")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"reference {variant}.png")
    assert [one for one in violations(page) if one.partition(":")[0] not in SWAGGER_UI_VIOLATIONS] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= int(width)


def test_an_error_is_shown(serve: Callable[..., Site], visit: Visit) -> None:
    def reject(_path: str, _query: str, _headers: Mapping[str, str]) -> Response:
        return 401, {"Content-Type": "application/problem+json"}, json.dumps({"title": "Open the printed address"})

    page = visit(serve(reject).url + REFERENCE, ready=False)
    expect(page.locator("#notice")).to_contain_text("Open the printed address")


def test_it_links_to_the_dashboard(unchanged: Page) -> None:
    dashboard, _, _ = unchanged.url.partition(REFERENCE)
    assert unchanged.get_by_role("link", name="Dashboard").evaluate("(link) => link.href") == dashboard
