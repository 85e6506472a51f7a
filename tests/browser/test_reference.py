"""The page of the API's description: every operation is on it, and reading can be tried."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from cli.dashboard import REFERENCE
from tailrace.definition.pipeline import load_pipeline
from tailrace.http.openapi.document import build_document
from tests.browser.conftest import SCREENSHOTS
from tests.browser.site import Answered, Site

type Visit = Callable[..., Page]
type Look = Callable[[Page], list[str]]

DOCUMENT = build_document(load_pipeline(), {})
THE_LIBRARYS = {"heading-order", "nested-interactive", "region", "scrollable-region-focusable", "select-name"}
"""Faults of the library's own structure, which a page around it cannot mend."""
ROWS = {"rows": [{"carrier": "UA", "departures": 7}]}


def operations(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the methods and paths that a document describes."""
    paths = document["paths"].items()
    return {(method.upper(), path) for path, methods in paths for method in methods if method != "parameters"}


def api(path: str, _query: str, _headers: Mapping[str, str]) -> Answered:
    told = DOCUMENT if path == "/openapi.json" else ROWS
    return 200, {"Content-Type": "application/json"}, json.dumps(told)


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    return serve(api, reference=f"./{REFERENCE}")


def opened(page: Page, method: str, path: str) -> Locator:
    """Open an operation, and return it."""
    operation = page.locator(".opblock", has=page.locator(f"[data-path='{path}']")).filter(
        has=page.locator(".opblock-summary-method", has_text=re.compile(f"^{method}$"))
    )
    operation.locator(".opblock-summary-control").click()
    return operation


def test_every_operation_is_there(site: Site, visit: Visit) -> None:
    page = visit(site.url + REFERENCE, ready=False)
    described = operations(DOCUMENT)
    expect(page.locator(".opblock")).to_have_count(len(described))
    shown = page.locator(".opblock").evaluate_all(
        """(all) => all.map((one) => [one.querySelector('.opblock-summary-method').textContent,
                                      one.querySelector('[data-path]').dataset.path])"""
    )
    assert {tuple(one) for one in shown} == described


def test_reading_is_tried_through_the_pages_own_server(site: Site, visit: Visit) -> None:
    page = visit(site.url + REFERENCE, ready=False)
    operation = opened(page, "GET", "/aggregates/carrier_hours/rows")
    operation.get_by_role("button", name="Add string item").first.click()
    operation.locator("tr[data-param-name=carrier] input").fill("UA")
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("departures")
    assert site.asked == ["/openapi.json", "/aggregates/carrier_hours/rows?carrier=UA&order=asc&limit=100"]


def test_writing_is_described_and_cannot_be_tried(site: Site, visit: Visit) -> None:
    page = visit(site.url + REFERENCE, ready=False)
    operation = opened(page, "PUT", "/collections/flights/items/{id}")
    expect(operation).to_contain_text("If-Match")
    expect(operation.get_by_role("button", name="Execute")).to_have_count(0)


@pytest.mark.parametrize("look", ["light 1280", "dark 1280", "light 360"])
def test_nothing_keeps_people_out(site: Site, visit: Visit, violations: Look, look: str) -> None:
    colours, width = look.split()
    page = visit(site.url + REFERENCE, ready=False, width=int(width), dark=colours == "dark")
    opened(page, "GET", "/aggregates/carrier_hours/rows")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"reference {look}.png")
    assert [fault for fault in violations(page) if fault.partition(":")[0] not in THE_LIBRARYS] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= int(width)


def test_a_description_that_cannot_be_read_is_told(serve: Callable[..., Site], visit: Visit) -> None:
    def refuse(_path: str, _query: str, _headers: Mapping[str, str]) -> Answered:
        return 401, {"Content-Type": "application/problem+json"}, json.dumps({"title": "Open the printed address"})

    page = visit(serve(refuse).url + REFERENCE, ready=False)
    expect(page.locator("#notice")).to_contain_text("Open the printed address")


def test_the_dashboard_leads_there_and_back(site: Site, visit: Visit) -> None:
    page = visit(site.url + REFERENCE, ready=False)
    page.get_by_role("link", name="Dashboard").click()
    assert page.url == site.url
