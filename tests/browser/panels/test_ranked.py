"""The panel of an aggregate without a time bucket: its bars, and the file of all of them."""

import csv
import io
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

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


def endless(api: FakeApi) -> Callable[..., Response]:
    """Return a function that responds with CSV, too: with up to 999 rows, and always with the address of others."""

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if headers["accept"] != "text/csv":
            return api.respond(path, query, headers)
        count = min(999, int(dict(parse_qsl(query))["limit"]))
        following = {"Link": f'<{path}?{query}>; rel="next"'}
        return 200, {"Content-Type": "text/csv"} | following, "sensor,readings\r\n" + "s00,100\r\n" * count

    return respond


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
    panel = visit(serve(endless(fake(30))).url).locator("[data-aggregate=sensors]")
    assert len(downloaded(panel)) == 100_000
    note = panel.get_by_role("status").filter(has_text="The file contains only the first 100,000 rows.")
    panel.page.wait_for_timeout(2500)  # two refreshes
    expect(note).to_be_visible()
    panel.get_by_role("button", name="Show more").click()
    expect(note).to_be_hidden()


def test_a_file_of_short_pages_is_complete(serve: Serve, visit: Visit) -> None:
    """As where each time bucket is a query: a page then has at most a hundred of them."""
    api = fake(1)
    api.rows["sensors"] *= 150
    panel = visit(serve(with_csv(api, 1)).url).locator("[data-aggregate=sensors]")
    assert len(downloaded(panel)) == 150
    expect(panel.get_by_role("status").filter(has_text="The file")).to_be_hidden()


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
            panel.get_by_role("button", name="Show more").press("Enter")
    expect(panel.get_by_role("button", name="Table")).to_be_focused()  # there is no button for more any more
    api.rows = fake(30).rows
    expect(caption).to_have_text("ranked by readings")


def test_the_last_bars_appear_where_the_button_was(serve: Serve, visit: Visit) -> None:
    """The focus moves on to a button behind all of them, but the page does not scroll there."""
    page = visit(serve(fake(50).respond).url)
    page.set_viewport_size({"width": 1280, "height": 300})
    more = page.get_by_role("button", name="Show more")
    more.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    more.click()
    expect(page.locator(".ranking > li")).to_have_count(50)
    expect(page.get_by_role("button", name="Table")).to_be_focused()
    assert page.evaluate("scrollY") == before


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


def of_shops(rows: list[Json], *measures: Json) -> Callable[..., Response]:
    """Return an API of an aggregate by shop, sensor and kind, or as many of these as the rows have."""
    names = [name for name in ("shop", "sensor", "kind") if name in rows[0]]
    groups = [{"name": name, "kind": "field", "field": name} for name in names]
    api = FakeApi([SENSORS | {"groups": groups, "measures": [*SENSORS["measures"], *measures]}])

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        given = dict(parse_qsl(query, keep_blank_values=True))
        found = [one for one in rows if all(str(one[name]) == given.get(name, str(one[name])) for name in names)]
        if path.endswith("/groups"):
            page: Json = {"groups": [{"value": value, "items": 1} for value in {one["shop"]: 1 for one in rows}]}
        elif path.endswith("/top"):
            valued = [one for one in found if one[given["by"]] is not None]
            valued.sort(key=lambda one: one[given["by"]], reverse=given["order"] == "desc")
            page = {"rows": valued[: int(given["n"])]}
        elif path.endswith("/rows"):
            page = {"rows": found[: int(given["limit"])]}
            page |= {"cursor": "1"} if len(found) > int(given["limit"]) else {}
        else:
            return api.respond(path, query, headers)
        return 200, {"Content-Type": "application/json"}, dumps(page | {"freshness": api.freshness})

    return respond


def searched(panel: Locator, text: str) -> None:
    """Search the bars of a panel."""
    panel.get_by_role("searchbox").fill(text)
    panel.get_by_role("searchbox").blur()


def test_a_value_of_very_many_rows_shows_those_that_rank_first(serve: Serve, visit: Visit) -> None:
    keys = [(sensor, number) for sensor in ("s1", "s2") for number in range(250)]
    rows = [{"shop": "a", "sensor": one, "kind": f"k{number:03}", "readings": number} for one, number in keys]
    panel = visit(serve(of_shops(rows)).url).locator(".panel")
    searched(panel, "s2")
    expect(panel.locator(".ranking > li")).to_have_count(100)
    expect(panel.locator(".ranking .name").first).to_have_text("s2 · k249")
    expect(panel.locator(".foot-note")).to_have_text("the first 100, ranked by readings")


def test_the_name_of_the_empty_text_finds_it(serve: Serve, visit: Visit) -> None:
    api = fake(1)
    api.rows["sensors"].append({"sensor": "", "readings": 7})
    panel = visit(serve(api.respond).url).locator(".panel")
    expect(panel.locator(".ranking .name")).to_have_text(["s00", "(empty)"])
    searched(panel, "(empty)")
    expect(panel.locator(".ranking > li")).to_have_text(["(empty)7"])
    api.rows["sensors"][0]["sensor"] = "(empty)"
    searched(panel, "")
    expect(panel.locator(".ranking > li")).to_have_count(2)
    searched(panel, "(empty)")
    expect(panel.locator(".ranking > li")).to_have_text(["(empty)100"])


def test_rows_without_a_value_to_rank_are_told_from_none(serve: Serve, visit: Visit) -> None:
    celsius = {"name": "celsius", "kind": "mean", "unit": None, "description": None}
    rows = [{"shop": "a", "sensor": f"s{number}", "readings": 5, "celsius": None} for number in range(3)]
    panel = visit(serve(of_shops(rows, celsius)).url).locator(".panel")
    expect(panel.locator(".ranking > li")).to_have_count(3)
    panel.get_by_role("combobox", name="Measure").select_option("Celsius")
    expect(panel.locator(".empty")).to_have_text("No row has a value of celsius.")


def test_the_caption_says_by_which_measure_the_api_has_ranked(serve: Serve, visit: Visit) -> None:
    """It ranks texts, and first and last numbers only by another measure."""
    newest = {"name": "newest", "kind": "last", "unit": None, "description": None}
    least = {"name": "least", "kind": "minimum", "unit": None, "description": None}
    rows = [
        {"shop": "a", "sensor": f"s{number:02}", "readings": number, "least": f"t{number:02}"}
        | {"newest": {"value": 100 - number, "at": "2024-01-01T00:00:00Z"}}
        for number in range(60)
    ]
    panel = visit(serve(of_shops(rows, newest, least)).url).locator(".panel")
    expect(panel.locator(".ranking > li")).to_have_count(25)
    caption, measure = panel.locator(".foot-note"), panel.get_by_role("combobox", name="Measure")
    expect(caption).to_have_text("ranked by readings")
    measure.select_option("Newest")
    expect(caption).to_have_text("the 25 with the highest readings, ranked by newest")
    panel.get_by_role("combobox", name="Order").select_option("Lowest first")
    expect(caption).to_have_text("the 25 with the lowest readings, ranked by newest")
    measure.select_option("Least")
    expect(caption).to_have_text("ranked by least")
    expect(panel.locator(".ranking .name").first).to_have_text("s00")


def test_line_breaks_in_cells_are_no_rows(serve: Serve, visit: Visit) -> None:
    page = visit(serve(fake(1).respond).url)
    cells = ["a,1", '"""\r\n","\r\n"', '"b ""c""",2']
    found = page.evaluate(
        """async (text) => {
            const { downloadCsv } = await import('./panels/download.js');
            const api = { getCsv: async () => ({ text, next: null }) };
            HTMLAnchorElement.prototype.click = () => {};
            return downloadCsv(api, { name: 'a', path: () => '' }, [[], []]);
        }""",
        "\r\n".join(["sensor,readings", *cells, ""]),
    )
    assert found == {"rows": 6, "isComplete": True}
