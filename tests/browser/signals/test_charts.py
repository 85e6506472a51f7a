"""What a chart says about its data: which measure it shows, and which buckets are not over."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from playwright.sync_api import Page, expect

from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps
from tests.browser.conftest import SCREENSHOTS
from tests.browser.fake_api import START, FakeApi, day, hours, row
from tests.browser.page_state import CHART_DATA, DRAWN_COLOR, announced_text, wait_for
from tests.browser.site import Response, Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]

HOVER = """async () => {
    const area = document.querySelector('.u-over').getBoundingClientRect();
    const at = { clientX: area.left + area.width * 0.99, clientY: area.top + 40, bubbles: true };
    document.querySelector('.u-over').dispatchEvent(new MouseEvent('mousemove', at));
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
}"""


DRAWN_SHARES = """() => {
    const { chart, chartData } = document.querySelector('.panel').panel;
    const canvas = document.querySelector('.plot canvas'), area = document.querySelector('.u-over');
    const { data, width } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const scale = devicePixelRatio, [top, bottom] = [area.offsetTop, area.offsetTop + area.clientHeight];
    const isBlue = (at) => data[at + 3] > 150 && data[at + 2] > 150 && data[at] < 120;
    const left = (index) => Math.ceil((area.offsetLeft + chart.left(chartData.xs[index])) * scale);
    return [[17, 18], [18, 19]].map(([from, to]) => {
        let [drawn, all] = [0, 0];
        for (let x = left(from) + 12; x < left(to) - 12; x += 1, all += 1) {
            let y = top * scale;
            while (y < bottom * scale && !isBlue((y * width + x) * 4)) y += 1;
            drawn += y < bottom * scale;
        }
        return drawn / all;
    });
}"""
"""A function: the share of the pixels between two points at which a line is drawn, for the last two segments."""


class RevenueDays:
    """An API with one aggregate by day alone: nothing to compare."""

    definition: ClassVar[Json] = {
        "name": "revenue_days",
        "version": 1,
        "collection": "orders",
        "description": None,
        "groups": [{"name": "day", "kind": "day", "field": "placed", "time_zone": "Europe/Berlin"}],
        "bucket": "day",
        "measures": [
            {"name": "orders", "kind": "count", "unit": None, "description": None},
            {"name": "revenue", "kind": "total", "unit": "€", "description": None, "field": "amount"},
        ],
    }

    def __init__(self, days: int, last: datetime) -> None:
        labels = [(last - timedelta(days=number)).date().isoformat() for number in reversed(range(days))]
        self.rows = [
            {"day": label, "orders": 57 + number % 3, "revenue": 100, "updated_at": "2024-06-01T00:00:00Z"}
            for number, label in enumerate(labels)
        ]

    def respond(self, path: str, query: str, headers: Any) -> Response:
        fake = FakeApi([self.definition])
        if path.endswith("/rows"):
            page = {"rows": list(self.rows), "freshness": fake.freshness}
            return 200, {"Content-Type": "application/json"}, dumps(page)
        return fake.respond(path, query, headers)


def test_a_line_without_groups_is_named_after_its_measure(serve: Serve, visit: Visit) -> None:
    page = visit(serve(RevenueDays(13, datetime(2024, 3, 1, tzinfo=UTC)).respond).url)
    legend = page.locator(".legend li")
    expect(legend).to_have_text("Orders57")
    page.evaluate(HOVER)
    expect(page.locator(".readout")).to_have_text("Fri, 1 Mar 2024Orders57")
    page.locator(".plot").focus()
    page.keyboard.press("End")
    assert announced_text(page) == "Fri, 1 Mar 2024: Orders 57"
    expect(page.locator(".stage .visually-hidden").first).to_contain_text("Orders by day: 13 points")
    page.get_by_label("Measure").select_option("revenue")
    expect(legend).to_have_text("Revenue100")
    page.evaluate(HOVER)
    expect(page.locator(".readout")).to_have_text("Fri, 1 Mar 2024Revenue100")


def test_a_single_bucket_is_named_after_its_measure(serve: Serve, visit: Visit) -> None:
    page = visit(serve(RevenueDays(1, datetime(2024, 3, 1, tzinfo=UTC)).respond).url)
    expect(page.locator(".ranking .name")).to_have_text("Orders")


def test_a_tooltip_of_several_lines_names_the_measure(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day(2)).respond).url)
    page.evaluate(HOVER)
    expect(page.locator(".readout .when")).to_have_text("Readings · Mon, 1 Jan 2024, 23:00")
    page.get_by_label("Measure").select_option("celsius")
    wait_for(page, f"{CHART_DATA}.view.key === 'celsius'")
    page.evaluate(HOVER)
    expect(page.locator(".readout .when")).to_have_text("Celsius (°C) · Mon, 1 Jan 2024, 23:00")


def current_hours(number: int) -> list[Json]:
    """Return rows of the last hours, the newest of which is not over."""
    offset = int((datetime.now(UTC) - START).total_seconds() // 3600)
    rows = [row("s0", offset - place, 40) for place in reversed(range(number))]
    return [*rows[:-1], rows[-1] | {"readings": 3}]


def test_the_bucket_that_is_not_over_is_drawn_as_open(serve: Serve, visit: Visit) -> None:
    hours = current_hours(20)
    idle = [one | {"sensor": "s1"} for one in hours[:5]]
    page = visit(serve(FakeApi(rows={"sensor_hours": hours + idle}).respond).url)
    assert page.evaluate(f"{CHART_DATA}.openFrom") == 19
    # the latest value is where the line ends: s1 has no row in the hour that is not over
    expect(page.locator(".legend .value")).to_have_text(["3 so far", "0 so far"])
    expect(page.locator(".foot-note")).to_contain_text("dashed: the hour is not over")
    page.evaluate(HOVER)
    expect(page.locator(".readout .when")).to_contain_text(", so far")
    page.locator(".plot").focus()
    page.keyboard.press("End")
    assert ", so far: s0 3" in announced_text(page)
    page.keyboard.press("ArrowLeft")
    assert "so far" not in announced_text(page)
    # the last segment consists of dashes: there are gaps in it
    drawn = page.evaluate(DRAWN_SHARES)
    page.screenshot(path=SCREENSHOTS / "open-bucket.png")
    assert drawn[0] > 0.95
    assert 0.2 < drawn[1] < 0.9
    page.get_by_label("Interval").select_option("day")
    expect(page.locator(".foot-note")).to_contain_text("day")


def test_a_bucket_that_is_not_counted_to_its_end_is_open_too(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows={"sensor_hours": current_hours(20)})
    api.freshness |= {"behind_s": 7300}
    page = visit(serve(api.respond).url)
    assert page.evaluate(f"{CHART_DATA}.openFrom") in (16, 17)
    expect(page.locator(".foot-note")).to_contain_text("dashed: the last hours are not over")


def test_all_buckets_of_the_past_are_over(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    assert page.evaluate(f"{CHART_DATA}.openFrom === {CHART_DATA}.xs.length")
    expect(page.locator(".foot-note")).not_to_contain_text("dashed")
    assert "so far" not in (page.locator(".panel").text_content() or "")


@pytest.mark.parametrize("hour", [0, 200, 479])
def test_a_line_of_a_single_value_is_drawn_among_many(serve: Serve, visit: Visit, hour: int) -> None:
    rows = [row("s0", number, 10, 20 + number % 7) for number in range(480)]
    page = visit(serve(FakeApi(rows={"sensor_hours": [*rows, row("s1", hour, 5, 23)]}).respond).url, width=700)
    page.get_by_label("Measure").select_option("celsius")
    wait_for(page, f"{CHART_DATA}.view.key === 'celsius' && {CHART_DATA}.xs.length === 480")
    assert page.locator(".legend .swatch").nth(1).evaluate(DRAWN_COLOR)


def test_a_band_of_texts_shows_both_its_ends_and_a_last_value_may_be_a_text_among_numbers(
    serve: Serve, visit: Visit
) -> None:
    described = hours() | {
        "measures": [
            {"name": "least", "kind": "minimum", "unit": None, "description": None, "field": "state"},
            {"name": "greatest", "kind": "maximum", "unit": None, "description": None, "field": "state"},
            {"name": "value", "kind": "last", "unit": None, "description": None, "field": "value"},
        ]
    }
    values: list[object] = [7, 8, "broken"]
    rows = [
        row("s0", hour, 1)
        | {"least": "closed", "greatest": "open", "value": {"value": value, "at": "2024-01-01T00:30:00Z"}}
        for hour, value in enumerate(values)
    ]
    page = visit(serve(FakeApi([described], {"sensor_hours": rows}).respond).url)
    page.get_by_label("Measure").select_option("band:Least to greatest")
    expect(page.locator(".list .text")).to_have_text("closed to open")
    page.get_by_label("Measure").select_option("value")
    expect(page.locator(".legend .value")).to_have_text("broken")
    page.locator(".plot").press("End")
    assert announced_text(page) == "Mon, 1 Jan 2024, 02:00: s0 broken"
    page.locator(".plot").press("ArrowLeft")
    assert announced_text(page) == "Mon, 1 Jan 2024, 01:00: s0 8"


def test_a_bucket_that_ends_while_the_api_responds_is_not_over(serve: Serve, visit: Visit) -> None:
    """What happens until then is not in the response."""
    by_second = hours() | {"intervals": []}
    by_second["groups"] = [by_second["groups"][0], by_second["groups"][1] | {"kind": "second"}]
    api = FakeApi([by_second], {"sensor_hours": []})
    api.freshness |= {"behind_s": None}

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if path.endswith("/rows") and "order" not in query:
            now = datetime.now(UTC)
            labels = [(now + timedelta(seconds=age)).isoformat(timespec="seconds") for age in range(-9, 2)]
            api.rows["sensor_hours"] = [row("s0", 0, 7) | {"hour": label} for label in labels]
            response = api.respond(path, query, headers)
            time.sleep(3)
            return response
        return api.respond(path, query, headers)

    api.rows["sensor_hours"] = [row("s0", 0, 7)]
    page = visit(serve(respond, refresh_s=60).url)
    # that of the request and the one after it, unless a second ended on the way
    assert page.evaluate(f"{CHART_DATA}.xs.length - {CHART_DATA}.openFrom") in {2, 3}
