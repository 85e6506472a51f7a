"""What a chart says about its data: which measure, which buckets are not over, and which are left out."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect

from tailrace.definition.groups.buckets import BucketGroup
from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps
from tests.browser.conftest import SCREENSHOTS
from tests.browser.fake_api import BUCKETS, START, FakeApi, day, hours, row
from tests.browser.page_state import CHART_DATA, announced_text, wait_for
from tests.browser.site import Response, Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]

HOUR_MS = 3_600_000
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


def test_buckets_end_where_the_next_one_starts(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    asked = []
    for zone in ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"):
        for unit, size in BUCKETS:
            bucket = BucketGroup("at", unit, unit, ZoneInfo(zone), size)
            for step in range(60):
                moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=147 * step, minutes=7 * step)
                asked.append((bucket.label(moment), unit, size, zone, moment.timestamp() * 1000))
    found = page.evaluate(
        """async (all) => {
            const { bucketEnd, bucketStart, unitOf } = await import('./values/times.js');
            return all.map(([label, kind, size, zone]) => {
                const start = bucketStart(label, zone);
                return [start, bucketEnd(start, unitOf(size === 1 ? { kind } : { kind, size }), zone)];
            });
        }""",
        asked,
    )
    for (label, unit, size, zone, instant), (start, end) in zip(asked, found, strict=True):
        assert start <= instant < end, (label, unit, size, zone)
        bucket = BucketGroup("at", unit, unit, ZoneInfo(zone), size)
        assert bucket.label(datetime.fromtimestamp((end - 1) / 1000, UTC)) == label
        assert bucket.label(datetime.fromtimestamp(end / 1000, UTC)) != label


GAPS = [
    ("month", 1, "UTC", ["2013-01", "2013-03", "2013-12"], ["2013-02", "2013-04", "2013-11"]),
    ("quarter", 1, "UTC", ["2013-Q3", "2014-Q1", "2016-Q1"], ["2013-Q4", "2014-Q2", "2015-Q4"]),
    ("year", 1, "Asia/Tokyo", ["2012", "2014", "2020"], ["2013", "2015", "2019"]),
    ("week", 1, "America/New_York", ["2024-10-28", "2024-11-18"], ["2024-11-04", "2024-11-11"]),
    ("day", 1, "Europe/Berlin", ["2024-10-27", "2024-10-29"], ["2024-10-28"]),
    ("day", 1, "Pacific/Apia", ["2011-12-29", "2011-12-31", "2012-01-02"], ["2012-01-01"]),
    (
        "hour",
        12,
        "Europe/Berlin",
        ["2024-03-31T00:00+01:00", "2024-04-01T00:00+02:00"],
        ["2024-03-31T00:00+02:00", "2024-03-31T12:00+02:00"],
    ),
    (
        "hour",
        1,
        "Australia/Lord_Howe",
        ["2024-04-07T01:00+11:00", "2024-04-07T04:00+10:30"],
        ["2024-04-07T01:00+10:30", "2024-04-07T03:00+10:30"],
    ),
]
"""Unit, size and zone of buckets, those with rows, and those at the ends of the gaps between them."""


def test_the_ends_of_a_gap_are_the_buckets_without_rows(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async (all) => {
            const { columnsOf } = await import('./data/series.js');
            const { unitOf } = await import('./values/times.js');
            const view = { isZeroWhenEmpty: true, parts: [{ of: (row) => row.n }] };
            return all.map(([kind, size, zone, labels]) => {
                const read = { rows: labels.map((b) => ({ b, n: 7 })), bucketName: 'b' };
                const unit = unitOf(size === 1 ? { kind } : { kind, size });
                const { xs, columns } = columnsOf(read, { zone, lineGroups: [] }, ['all'], view, unit, false);
                return xs.filter((_, index) => columns[0][index] === 0);
            });
        }""",
        GAPS,
    )
    for (unit, size, zone, _, expected), seconds in zip(GAPS, found, strict=True):
        bucket = BucketGroup("at", unit, unit, ZoneInfo(zone), size)
        assert seconds == [bucket.start(label).timestamp() for label in expected], (unit, size, zone)


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
