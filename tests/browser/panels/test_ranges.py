"""The range of a panel: typed years and far zooms."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, day
from tests.browser.page_state import CHART_DATA, wait_for, wait_until
from tests.browser.site import Site

type Serve = Callable[..., Site]
type Visit = Callable[..., Page]


def starts(served: Site) -> set[str]:
    """Return the starts of all ranges that were asked for."""
    return {start for target in served.requests for start in parse_qs(urlsplit(target).query).get("from", [])}


def test_a_year_that_is_being_typed_is_not_asked_for(serve: Serve, visit: Visit) -> None:
    served = serve(FakeApi(rows=day(hour_count=240)).respond)
    page = visit(served.url)
    page.get_by_role("combobox", name="Range").select_option("Custom range")
    wait_until(page, lambda: starts(served) == {"2024-01-01T00:00:00.000Z"})  # asked for after a pause
    for year in ("0002", "0020", "0202", "20240"):
        page.get_by_label("From").fill(f"{year}-01-02T00:00")
        page.wait_for_timeout(250)
    page.get_by_label("From").fill("2024-01-10T00:00")
    wait_for(page, f"{CHART_DATA}.xs.length === 24")
    assert starts(served) == {"2024-01-01T00:00:00.000Z", "2024-01-10T00:00:00.000Z"}


def test_zooming_out_ends_with_the_calendar(serve: Serve, visit: Visit) -> None:
    served = serve(FakeApi(rows=day()).respond)
    page = visit(served.url)
    page.locator(".plot").focus()
    for _ in range(40):
        page.keyboard.press("-")
    page.wait_for_timeout(1500)
    wait_until(page, lambda: "0001-01-01T00:00:00.000Z" in starts(served))
    expect(page.locator(".problem:visible")).to_have_count(0)
    assert min(starts(served)) == "0001-01-01T00:00:00.000Z"  # neither the year 0 nor one before it
