"""Using the page with the keyboard alone, and what it tells screen readers."""

import time
from collections.abc import Callable, Mapping

from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, day, row
from tests.browser.page_state import CHART_DATA, FOCUSED_LABEL, announced_text, wait_for
from tests.browser.site import Response, Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]


def tab_through(page: Page) -> list[str]:
    """Press Tab from the top of the page to its end, and return the labels of the focused elements."""
    labels: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        label = page.evaluate(FOCUSED_LABEL)
        if label is None:
            return labels
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"{label} has no visible focus"
        labels.append(label)
    raise AssertionError(f"focus trap: {labels}")


def test_tab_moves_through_all_controls_in_reading_order_and_leaves_the_page(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    labels = tab_through(page)
    prefixes = [
        "Skip to the aggregates", "Stages", "Pause", "Appearance", "Measure", "Range", "Interval", "Moving window",
        "Filter by sensor", "s0", "s1", "s2", "Earlier", "Zoom in", "Zoom out", "Later",
        "Readings by hour, Sensor hours.", "Table", "Download CSV",
    ]  # fmt: skip
    assert len(labels) == len(prefixes), labels
    assert all(label.startswith(prefix) for label, prefix in zip(labels, prefixes, strict=True)), labels


def test_the_first_link_skips_to_the_aggregates(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED_LABEL) == "Measure"


def test_arrow_keys_announce_points_and_lines(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    chart = page.get_by_role("application")
    chart.focus()
    page.keyboard.press("ArrowRight")
    assert announced_text(page) == "Mon, 1 Jan 2024, 00:00: s0 30; s1 20; s2 10"
    page.keyboard.press("ArrowRight")
    assert announced_text(page) == "Mon, 1 Jan 2024, 01:00: s0 31; s1 21; s2 11"
    page.keyboard.press("ArrowDown")
    assert announced_text(page) == "Mon, 1 Jan 2024, 01:00: s0 31"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    assert announced_text(page) == "Mon, 1 Jan 2024, 23:00: s1 23"
    expect(page.locator(".readout")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".readout")).to_be_hidden()


def test_the_selected_point_and_line_stay_while_the_range_moves_on(serve: Serve, visit: Visit) -> None:
    rows = day(sensors=2, hour_count=24)["sensor_hours"]
    api = FakeApi(rows={"sensor_hours": rows})
    page = visit(serve(api.respond).url)
    page.locator(".plot").focus()
    for key in ("End", "ArrowLeft", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert announced_text(page) == "Mon, 1 Jan 2024, 22:00: s1 12"
    # three hours expire, and the other sensor has the most readings now
    api.rows = {
        "sensor_hours": [
            one | {"readings": 50} if one["sensor"] == "s1" else one for one in rows if one["hour"] >= "2024-01-01T03"
        ]
    }
    expect(page.locator(".legend .name")).to_have_text(["s1", "s0"])
    page.keyboard.press("ArrowLeft")
    assert announced_text(page) == "Mon, 1 Jan 2024, 21:00: s1 50"
    expect(page.locator(".readout .when")).to_have_text("Readings · Mon, 1 Jan 2024, 21:00")
    api.rows = {"sensor_hours": [one for one in api.rows["sensor_hours"] if one["hour"] >= "2024-01-01T09"]}
    wait_for(page, f"{CHART_DATA}.xs.length === 15")
    expect(page.locator(".readout .when")).to_have_text("Readings · Mon, 1 Jan 2024, 21:00")


def test_plus_minus_and_0_zoom(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day(hour_count=240)).respond).url)
    points = f"{CHART_DATA}.xs.length"
    page.get_by_role("application").focus()
    page.keyboard.press("+")
    wait_for(page, f"{points} > 100 && {points} < 130")
    page.keyboard.press("+")
    wait_for(page, f"{points} > 50 && {points} < 70")
    page.keyboard.press("-")
    wait_for(page, f"{points} > 100 && {points} < 130")
    page.keyboard.press("0")
    wait_for(page, f"{points} === 240")
    assert page.evaluate(FOCUSED_LABEL).startswith("Readings")


def test_lines_are_selected_and_the_dialog_returns_the_focus(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day(12)).respond).url)
    opener = page.get_by_role("button", name="Filter by sensor")
    opener.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUSED_LABEL).startswith("Search")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()
    expect(page.locator(".legend li")).to_have_count(8)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # deselects the first
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("s11")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".legend .name")).to_have_text(["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s11"])
    expect(opener).to_be_focused()


def test_an_unlisted_value_can_be_typed(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    page.get_by_role("button", name="Filter by sensor").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("elsewhere")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".legend .name")).to_have_text(["s0", "s1", "s2", "elsewhere"])


def test_the_table_and_the_stages_open_and_close(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day(hour_count=40)).respond).url)
    table = page.get_by_role("button", name="Table")
    table.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Rows of Sensor hours")).to_be_visible()
    expect(table).to_have_attribute("aria-expanded", "true")
    page.get_by_role("button", name="Next rows").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".pager .note")).to_have_text("Rows 51 to 100 of 120 rows")
    table.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("table")).to_have_count(0)
    page.get_by_role("button", name="Stages").focus()
    page.keyboard.press("Space")
    expect(page.locator("#flow")).to_be_hidden()


def test_a_chart_has_a_description_and_the_page_an_outline(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    expect(page.get_by_role("application")).to_have_accessible_description(
        "Readings by hour for s0, s1 and s2: 24 points from Mon, 1 Jan 2024, 00:00 to Mon, 1 Jan 2024, 23:00. "
        "Highest: 34, s0, Mon, 1 Jan 2024, 04:00."
    )
    levels = page.evaluate(
        """[...document.querySelectorAll('h1, h2, h3')]
            .filter((one) => one.checkVisibility()).map((one) => `${one.tagName} ${one.textContent}`)"""
    )
    assert levels == [
        "H1 tailrace", "H2 Stages", "H3 Input", "H3 Storage", "H3 Stream", "H3 Output", "H3 Catalog",
        "H2 Readings1 aggregate", "H3 Sensor hours",
    ]  # fmt: skip


def test_a_button_that_can_do_no_more_hands_the_focus_on(serve: Serve, visit: Visit) -> None:
    """Tab would start again at the top of the page."""
    api = FakeApi(rows=day(1, 120))
    files: list[str] = []

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if headers["accept"] != "text/csv":
            return api.respond(path, query, headers)
        time.sleep(0.5)
        files.append(query)
        return 200, {"Content-Type": "text/csv"}, "sensor\r\ns0\r\n"

    page = visit(serve(respond).url)
    download = page.get_by_role("button", name="Download CSV")
    download.focus()
    with page.expect_download():
        page.keyboard.press("Enter")
        expect(download).to_have_attribute("aria-disabled", "true")
        page.keyboard.press("Enter")
    expect(download).not_to_have_attribute("aria-disabled", "true")
    expect(download).to_be_focused()
    assert len(files) == 1
    page.get_by_role("button", name="Table").press("Enter")
    following, previous = page.get_by_role("button", name="Next rows"), page.get_by_role("button", name="Previous rows")
    following.press("Enter")
    expect(following).to_be_focused()
    following.press("Enter")
    expect(previous).to_be_focused()
    previous.press("Enter")
    previous.press("Enter")
    expect(following).to_be_focused()


def test_lines_that_change_places_keep_the_focus_and_do_not_scroll(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day(3))
    page = visit(serve(api.respond).url)
    page.set_viewport_size({"width": 1280, "height": 200})
    entries = page.locator(".legend button")
    entries.nth(1).focus()
    page.evaluate("scrollTo(0, 0)")
    api.rows["sensor_hours"] = [
        one | {"readings": 1000} if one["sensor"] == "s2" else one for one in api.rows["sensor_hours"]
    ]
    expect(page.locator(".legend .name")).to_have_text(["s2", "s0", "s1"])  # the values are listed every ten seconds
    expect(entries.nth(2)).to_be_focused()
    assert page.evaluate("scrollY") == 0


def test_the_last_values_that_are_loaded_leave_the_focus_in_the_dialog(serve: Serve, visit: Visit) -> None:
    rows = [row(f"s{number:03}", 0, 500 - number) for number in range(150)]
    page = visit(serve(FakeApi(rows={"sensor_hours": rows}).respond).url)
    page.get_by_role("button", name="Filter by sensor …").press("Enter")
    more = page.get_by_role("button", name="Load more")
    more.press("Enter")
    expect(page.get_by_role("checkbox")).to_have_count(100)
    expect(more).to_be_focused()
    more.press("Enter")
    expect(page.get_by_role("checkbox")).to_have_count(150)
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_a_chart_that_is_zoomed_to_a_single_bucket_hands_the_focus_on(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day(1, 4))
    page = visit(serve(api.respond).url)
    zoom_out = page.get_by_role("button", name="Zoom out")
    page.locator(".plot").focus()
    for _ in range(12):
        page.keyboard.press("+")
    expect(page.locator(".plot")).to_be_hidden()
    expect(zoom_out).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Enter")
    expect(page.locator(".plot")).to_be_visible()
    expect(zoom_out).to_be_focused()
    api.rows = {}  # they expire
    expect(page.locator(".panel .empty")).to_be_visible()
    expect(page.locator("body")).not_to_be_focused()
