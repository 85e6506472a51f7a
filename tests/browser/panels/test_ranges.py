"""The range of a panel: typed years, far zooms, ranges that end now, and seconds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.browser.fake_api import START, FakeApi, day, hours, row
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


def test_a_range_up_to_now_ends_now_even_if_the_rows_end_before(serve: Serve, visit: Visit) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    ages = range(40, 12, -1)
    rows = [row("s0", 0, 7) | {"hour": (hour - timedelta(hours=age)).isoformat(timespec="minutes")} for age in ages]
    page = visit(serve(FakeApi(rows={"sensor_hours": rows}).respond).url)
    ends_now = f"{CHART_DATA}.window[1] >= {hour.timestamp()}"
    assert not page.evaluate(ends_now)
    page.get_by_role("combobox", name="Range").select_option("Last 24 hours")
    wait_for(page, ends_now)
    assert page.evaluate(f"{CHART_DATA}.columns[0].slice(-4)") == [7, 0, 0, 0]
    expect(page.locator(".legend .value")).to_have_text("0 so far")
    page.get_by_role("combobox", name="Measure").select_option("celsius")
    wait_for(page, f"{CHART_DATA}.view.key === 'celsius' && {ends_now}")
    assert page.evaluate(f"{CHART_DATA}.columns[0].slice(-4)") == [20.5, None, None, None]
    # that there are no rows after the newest one does not make the newest data newer
    page.get_by_role("combobox", name="Range").select_option("Newest 6 hours")
    wait_for(page, f"!({ends_now}) && {CHART_DATA}.xs.length === 6")


def test_the_end_of_a_custom_range_includes_its_minute(serve: Serve, visit: Visit) -> None:
    rows = [
        row("s0", 0, 1) | {"hour": (START + timedelta(seconds=second)).isoformat(timespec="seconds")}
        for second in range(180)
    ]
    by_second = hours() | {"intervals": []}
    by_second["groups"] = [
        by_second["groups"][0],
        {"name": "hour", "kind": "second", "field": "at", "time_zone": "UTC"},
    ]
    served = serve(FakeApi([by_second], {"sensor_hours": rows}).respond)
    page = visit(served.url)
    page.get_by_role("combobox", name="Range").select_option("Custom range")
    page.get_by_label("From").fill("2024-01-01T00:01")
    page.get_by_label("To", exact=True).fill("2024-01-01T00:01")
    wanted = [("from", ["2024-01-01T00:01:00.000Z"]), ("to", ["2024-01-01T00:01:59.999Z"])]
    wait_until(page, lambda: any(wanted == list(parse_qs(urlsplit(one).query).items())[1:3] for one in served.requests))


def test_a_range_without_rows_is_where_zooming_starts(serve: Serve, visit: Visit) -> None:
    apart = [row("s0", hour, 5) for hour in (*range(24), *range(2400, 2424))]
    served = serve(FakeApi(rows={"sensor_hours": apart}).respond)
    page = visit(served.url)
    page.get_by_role("combobox", name="Range").select_option("Custom range")
    page.get_by_label("To", exact=True).fill("2024-02-03T00:00")
    page.get_by_label("From").fill("2024-02-01T00:00")
    expect(page.locator(".panel .empty")).to_have_text("No rows in this range.")
    page.get_by_role("button", name="Later").click()
    wait_until(page, lambda: "2024-02-02T00:00:00.000Z" in starts(served))
    page.get_by_role("combobox", name="Range").select_option("Last 6 hours")
    wait_until(page, lambda: max(starts(served)) > f"{datetime.now(UTC).year}")
    expect(page.locator(".panel")).not_to_have_attribute("aria-busy", "true")
    page.get_by_role("combobox", name="Range").select_option("Custom range")
    today = datetime.now(UTC).date()
    for label in ("From", "To"):
        shown = datetime.fromisoformat(page.get_by_label(label, exact=True).input_value()).date()
        assert abs(shown - today) <= timedelta(days=1)


def test_a_custom_range_that_is_changed_has_no_zoom_to_reset(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    page.get_by_role("combobox", name="Range").select_option("Custom range")
    page.get_by_role("button", name="Zoom in").click()
    reset = page.get_by_role("button", name="Reset zoom")
    expect(reset).to_be_enabled()
    page.get_by_label("From").fill("2024-01-01T06:00")
    wait_for(page, f"{CHART_DATA}.xs.length === 18")
    expect(reset).to_be_disabled()


def test_a_start_that_is_typed_after_the_end_keeps_the_focus(serve: Serve, visit: Visit) -> None:
    """Before, the focus moved to the other field when a key made the start later than the end."""
    page = visit(serve(FakeApi(rows=day(hour_count=240)).respond).url)
    page.get_by_role("combobox", name="Range").select_option("Custom range")
    start, end = page.get_by_label("From"), page.get_by_label("To", exact=True)
    start.focus()
    page.keyboard.type("02052024")
    expect(start).to_be_focused()
    assert start.input_value() in ("2024-02-05T00:00", "2024-05-02T00:00")
    expect(end).to_have_value("2024-01-10T23:00")
    expect(end).to_have_attribute("aria-invalid", "true")
    expect(end).to_have_accessible_description("The end must not be before the start. Showing the previous range.")
    end.fill("2024-06-01T00:00")
    expect(end).not_to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("must not be before")).to_have_count(0)


def test_an_automatic_interval_makes_at_most_500_points(serve: Serve, visit: Visit) -> None:
    for hour_count, shown in ((500, "Auto (hour)"), (501, "Auto (day)")):
        page = visit(serve(FakeApi(rows=day(1, hour_count)).respond).url)
        option = page.get_by_role("combobox", name="Interval").locator("option").first
        expect(option).to_have_text(shown)
