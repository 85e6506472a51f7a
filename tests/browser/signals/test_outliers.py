"""Buckets far from all others: when a chart leaves them out, and that it says so."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tailrace.encoding.json_types import Json
from tests.browser.conftest import SCREENSHOTS
from tests.browser.fake_api import FakeApi, day, hours, row
from tests.browser.page_state import CHART_DATA, wait_for
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]


def far(sensor: str, days: int) -> Json:
    return row(sensor, 24 * days, 1)


def test_a_late_reading_does_not_stretch_the_range(serve: Serve, visit: Visit) -> None:
    rows = day(3)["sensor_hours"]
    api = FakeApi(rows={"sensor_hours": sorted([*rows, far("s0", -400)], key=lambda one: str(one["hour"]))})
    page = visit(serve(api.respond).url)
    assert page.evaluate(f"{CHART_DATA}.xs.length") == 24
    assert page.evaluate(f"{CHART_DATA}.unit") == "hour"
    note = page.locator(".panel > .note")
    expect(note).to_have_text(
        "1 bucket far from all others is left out: Sun, 27 Nov 2022, 00:00. The table includes it."
    )
    page.screenshot(path=SCREENSHOTS / "left-out.png")
    ranges = page.get_by_role("combobox", name="Range")
    ranges.select_option("All data, with outliers")
    wait_for(page, f"{CHART_DATA}.window[1] - {CHART_DATA}.window[0] > 390 * 86400")
    expect(note).to_be_hidden()
    ranges.select_option("All data")
    wait_for(page, f"{CHART_DATA}.xs.length === 24")
    # what comes in later is shown
    api.rows["sensor_hours"] += [row("s0", 24, 77)]
    expect(page.get_by_role("button", name="s0 77")).to_be_visible()


def test_readings_of_any_line_and_at_both_ends_are_left_out(serve: Serve, visit: Visit) -> None:
    rows = [*day(3)["sensor_hours"], far("s2", -9000), far("s1", 27_000)]
    page = visit(serve(FakeApi(rows={"sensor_hours": sorted(rows, key=lambda one: str(one["hour"]))}).respond).url)
    assert page.evaluate(f"{CHART_DATA}.xs.length") == 24
    expect(page.locator(".panel > .note")).to_contain_text("2 buckets far from all others are left out: ")
    expect(page.locator(".legend .value").nth(1)).to_have_text("23")  # its newest is not the one of the future
    for option in ("Newest 24 hours", "Newest 7 days"):
        page.get_by_role("combobox", name="Range").select_option(option)
        page.wait_for_timeout(1200)
        assert page.evaluate(f"{CHART_DATA}.xs.length") == 24


def test_ranges_up_to_the_newest_data_do_not_end_at_an_outlier(serve: Serve, visit: Visit) -> None:
    rows = [*day(1, 200)["sensor_hours"], far("s0", 27_000)]
    page = visit(serve(FakeApi(rows={"sensor_hours": rows}).respond).url)
    page.get_by_role("combobox", name="Range").select_option("Newest 24 hours")
    wait_for(page, f"{CHART_DATA}.xs.length === 24")


def test_custom_ranges_and_zooming_out_leave_out_nothing(serve: Serve, visit: Visit) -> None:
    rows = [far("s0", -60), *day(1)["sensor_hours"]]
    page = visit(serve(FakeApi(rows={"sensor_hours": rows}).respond).url)
    assert page.evaluate(f"{CHART_DATA}.xs.length") == 24
    page.get_by_role("combobox", name="Range").select_option("Custom range")
    page.get_by_label("From").fill("2023-10-01T00:00")
    page.get_by_label("From").blur()
    wait_for(page, f"{CHART_DATA}.xs[0] * 1000 === Date.parse('2023-11-02T00:00Z')")


def test_few_or_many_buckets_are_no_outliers(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi([hours()], day()).respond).url)
    cases: list[tuple[list[float], list[int]]] = [
        ([], [0, 0]),
        ([5], [0, 1]),
        ([1, 900], [0, 2]),
        ([1, 2, 3, 900], [0, 4]),
        ([1, 2, 3, 4, 900], [0, 4]),
        ([-900, 1, 2, 3, 4], [1, 5]),
        ([-900, *range(20), 9000], [1, 21]),
        ([-900, *range(8), 9000], [1, 9]),
        ([-900, 1, 2, 3, 9000], [0, 4]),
        ([-9000, -5000, *range(30)], [2, 32]),
        ([-901, -900, *range(10)], [0, 12]),
        ([*range(10), 95], [0, 10]),
        ([*range(10), 90], [0, 11]),
        ([*range(100), *range(2000, 2050)], [0, 150]),
    ]
    found = page.evaluate(
        "async (all) => { const { mainPart } = await import('./data/outliers.js'); return all.map(mainPart); }",
        [times for times, _ in cases],
    )
    assert found == [expected for _, expected in cases]
