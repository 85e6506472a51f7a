"""The panel of an aggregate without groups: every measure of its only row."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps
from tests.browser.conftest import SCREENSHOTS
from tests.browser.fake_api import FakeApi
from tests.browser.site import Response, Site

EVERYTHING: Json = {
    "name": "everything",
    "version": 1,
    "collection": "orders",
    "description": "All orders.",
    "groups": [],
    "bucket": None,
    "listed": False,
    "intervals": [],
    "measures": [
        {"name": "orders", "kind": "count", "unit": None, "description": None},
        {"name": "revenue", "kind": "total", "unit": "€", "description": "Paid.", "field": "amount"},
        {"name": "late_share", "kind": "ratio", "unit": None, "description": None},
        {"name": "usual", "kind": "top", "unit": None, "description": None, "field": "product", "most": 2},
        {"name": "newest", "kind": "last", "unit": None, "description": None, "field": "shop"},
    ],
}
ROW: Json = {
    "orders": 12345,
    "revenue": 1000.5,
    "late_share": None,
    "usual": [{"value": "pear", "count": 3}, {"value": "fig", "count": 1}],
    "newest": {"value": "north", "at": "2024-06-01T00:00:00.000000Z"},
    "updated_at": "2024-06-01T00:00:00Z",
}


def respond_with(rows: list[Json]) -> Callable[..., Response]:
    fake = FakeApi(aggregates=[EVERYTHING])

    def respond(path: str, query: str, headers: dict[str, str]) -> Response:
        if not path.endswith("/rows"):
            return fake.respond(path, query, headers)
        document = {"aggregate": "everything", "version": 1, "rows": rows, "freshness": fake.freshness}
        return 200, {"Content-Type": "application/json"}, dumps(document)

    return respond


def test_every_measure_of_the_row_is_shown(serve: Callable[..., Site], visit: Callable[..., Page]) -> None:
    page = visit(serve(respond_with([ROW])).url)
    panel = page.locator("[data-aggregate=everything]")
    entries = panel.locator(".ranking.wide > li")
    expect(entries).to_have_text(
        [
            "Orders12,345",
            "Revenue1,001 €",
            "Late share–",
            "Usualpear3fig1",
            "Newestnorth (Sat, 1 Jun 2024, 00:00:00 UTC)",
        ]
    )
    panel.get_by_role("button", name="Table").click()
    expect(panel.locator("tbody tr")).to_have_count(1)
    page.screenshot(path=SCREENSHOTS / "totals.png")


def test_before_the_first_item_there_is_a_sentence(serve: Callable[..., Site], visit: Callable[..., Page]) -> None:
    page = visit(serve(respond_with([])).url, ready=False)
    expect(page.locator("[data-aggregate=everything] .empty")).to_contain_text("No rows yet")
