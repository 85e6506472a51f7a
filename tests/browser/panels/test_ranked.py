"""The panel of an aggregate without a time bucket: its bars, and the file of all of them."""

import csv
import io
from collections.abc import Callable, Mapping

import pytest
from playwright.sync_api import Locator, Page, expect

from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps, loads
from tests.browser.fake_api import FakeApi
from tests.browser.site import Response, Site

type Serve = Callable[..., Site]
type Visit = Callable[..., Page]

SENSORS: Json = {
    "name": "sensors",
    "version": 1,
    "collection": "readings",
    "description": None,
    "groups": [{"name": "sensor", "kind": "field", "field": "sensor"}],
    "bucket": None,
    "intervals": [],
    "measures": [{"name": "readings", "kind": "count", "unit": None, "description": None}],
}


def fake(count: int) -> FakeApi:
    """Return an API with one row for each sensor."""
    rows = [{"sensor": f"s{number:02}", "readings": 100 - number} for number in range(count)]
    return FakeApi([SENSORS], {"sensors": rows})


def with_csv(api: FakeApi, rows_per_page: int) -> Callable[..., Response]:
    """Return a function that responds with CSV, too, page by page."""

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if headers["accept"] != "text/csv":
            return api.respond(path, query, headers)
        page = loads(api.respond(path, f"{query}&limit={rows_per_page}", headers)[2])
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ["sensor", "readings"])
        writer.writeheader()
        writer.writerows(page["rows"])
        next_page = {"Link": f'<{path}?{query}&cursor={page["cursor"]}>; rel="next"'} if "cursor" in page else {}
        return 200, {"Content-Type": "text/csv"} | next_page, text.getvalue()

    return respond


def endless(api: FakeApi) -> FakeApi:
    """Add rows to the first sensor, more than a file has pages for."""
    api.rows["sensors"][0:0] = [api.rows["sensors"][0]] * 200
    return api


def downloaded(panel: Locator) -> list[str]:
    """Download the file of a panel, and return the sensors in it."""
    with panel.page.expect_download() as download:
        panel.get_by_role("button", name="Download CSV").click()
    return [row["sensor"] for row in csv.DictReader(io.StringIO(download.value.path().read_text(), newline=""))]


@pytest.mark.parametrize("rows_per_page", [1000, 10])
def test_a_file_has_all_bars_that_are_shown(serve: Serve, visit: Visit, rows_per_page: int) -> None:
    panel = visit(serve(with_csv(fake(60), rows_per_page)).url).locator("[data-aggregate=sensors]")
    assert downloaded(panel) == [f"s{number:02}" for number in range(25)]
    panel.get_by_role("button", name="Show more").click()
    expect(panel.locator(".ranking > li")).to_have_count(50)
    assert downloaded(panel) == [f"s{number:02}" for number in range(50)]
    panel.get_by_role("searchbox").fill("s59")
    panel.get_by_role("searchbox").blur()
    expect(panel.locator(".ranking .name")).to_have_text(["s59"])
    assert downloaded(panel) == ["s59"]


def test_a_file_that_is_not_complete_says_so_until_the_query_changes(serve: Serve, visit: Visit) -> None:
    panel = visit(serve(with_csv(endless(fake(30)), 1)).url).locator("[data-aggregate=sensors]")
    assert len(downloaded(panel)) == 100
    note = panel.get_by_role("status").filter(has_text="The file contains only the first 100,000 rows.")
    panel.page.wait_for_timeout(2500)  # two refreshes
    expect(note).to_be_visible()
    panel.get_by_role("button", name="Show more").click()
    expect(note).to_be_hidden()


def test_a_panel_without_rows_has_no_file(serve: Serve, visit: Visit) -> None:
    api = fake(0)
    panel = visit(serve(api.respond).url, ready=False).locator("[data-aggregate=sensors]")
    expect(panel.locator(".empty")).to_contain_text("No rows yet")
    expect(panel.get_by_role("button", name="Download CSV")).to_be_disabled()
    api.rows = fake(1).rows
    expect(panel.get_by_role("button", name="Download CSV")).to_be_enabled()


def test_the_caption_says_which_bars_are_shown_if_there_are_others(serve: Serve, visit: Visit) -> None:
    api = fake(250)
    panel = visit(serve(api.respond).url).locator("[data-aggregate=sensors]")
    caption, bars = panel.locator(".foot-note"), panel.locator(".ranking > li")
    for count in (25, 50, 75, 100):
        expect(bars).to_have_count(count)
        expect(caption).to_have_text(f"the {count} with the most items, ranked by readings")
        if count < 100:
            panel.get_by_role("button", name="Show more").click()
    api.rows = fake(30).rows
    expect(caption).to_have_text("ranked by readings")


def test_more_bars_can_be_shown_if_a_listed_value_has_no_row(serve: Serve, visit: Visit) -> None:
    api = fake(60)

    def without_the_third(path: str, query: str, headers: Mapping[str, str]) -> Response:
        status, kind, text = api.respond(path, query, headers)
        rows = [one for one in loads(text).get("rows", []) if one["sensor"] != "s02"]
        return status, kind, dumps(loads(text) | {"rows": rows}) if path.endswith("/rows") else text

    panel = visit(serve(without_the_third).url).locator("[data-aggregate=sensors]")
    expect(panel.locator(".ranking > li")).to_have_count(24)
    panel.get_by_role("button", name="Show more").click()
    expect(panel.locator(".ranking > li")).to_have_count(49)


def test_the_caption_says_that_values_are_too_many_to_rank(serve: Serve, visit: Visit) -> None:
    api = fake(30)
    api.too_many_groups = True
    panel = visit(serve(api.respond).url).locator("[data-aggregate=sensors]")
    expect(panel.locator(".foot-note")).to_have_text(
        "the first 25 by key (there are too many to find those with the most items), ranked by readings"
    )


def test_a_download_that_fails_says_so_until_the_next_one(serve: Serve, visit: Visit) -> None:
    files = with_csv(fake(3), 1000)
    busy = True

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if busy and headers["accept"] == "text/csv":
            document = '{"title": "Try later", "detail": "the table is busy"}'
            return 503, {"Content-Type": "application/problem+json"}, document
        return files(path, query, headers)

    panel = visit(serve(respond).url).locator("[data-aggregate=sensors]")
    panel.get_by_role("button", name="Download CSV").click()
    note = panel.get_by_role("status").filter(
        has_text="The file could not be downloaded: Try later: the table is busy."
    )
    expect(note).to_be_visible()
    panel.page.wait_for_timeout(2500)  # two refreshes
    expect(note).to_be_visible()
    busy = False
    assert downloaded(panel) == ["s00", "s01", "s02"]
    expect(note).to_be_hidden()
