"""The control for moving sums: what it asks the API for, and that the chart shows it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, expect

from tailrace import Aggregate, Collection, Pipeline, count, field, hour, maximum, mean, ratio
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.aws.aggregates.window_reader import WindowReader
from tailrace.definition.descriptions import describe
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.errors import InvalidMessage, QueryTooLarge
from tailrace.queries.intervals import label_name
from tailrace.queries.parameters import parse_row_query, rollup_intervals
from tailrace.testing import history, stored_rows
from tests.browser.conftest import SCREENSHOTS
from tests.browser.fake_api import BUCKETS, FakeApi
from tests.browser.page_state import CHART_DATA, wait_for
from tests.browser.site import Response, Site
from tests.unit.queries.table import Table

READINGS = Collection("readings", schema={"type": "object"})
HOURS = Aggregate(
    "sensor_hours",
    of=READINGS,
    by=[field("sensor"), hour("at", tz="Europe/Berlin")],
    measures={
        "readings": count(),
        "hot": count(where=lambda reading: reading["celsius"] > 20),
        "hot_share": ratio("hot", "readings"),
        "celsius": mean("celsius", unit="°C"),
        "hottest": maximum("celsius", unit="°C"),
    },
)
START = datetime(2024, 10, 24, 22, tzinfo=UTC)  # three days before Berlin's clocks go back
MOMENTS = [START + timedelta(minutes=37 * number) for number in range(230)]


class RealRows:
    """An API whose rows are read by the product's own readers, from a table in memory."""

    def __init__(self) -> None:
        items = [
            (f"{sensor} {number}", {"sensor": sensor, "at": at.isoformat(), "celsius": 10 + number * 7 % 23})
            for number, at in enumerate(MOMENTS)
            for sensor in (["s1", "s2"] if number % 3 else ["s1"])
        ]
        stored = stored_rows(history("readings", items), Pipeline([READINGS], [HOURS]))
        self.rows = RowReader(cast("Any", Table(stored)), "rows")
        described = describe(HOURS) | {"intervals": rollup_intervals(HOURS)}
        listed: list[Any] = [{"sensor": sensor, "readings": 1} for sensor in ("s1", "s2")]
        self.fake = FakeApi(aggregates=[described], rows={"sensor_hours": listed})

    def respond(self, path: str, query: str, headers: Mapping[str, str]) -> Response:
        if not path.endswith("/rows"):
            return self.fake.respond(path, query, headers)
        parsed = parse_row_query(HOURS, parse_qsl(query))
        page = (self.rows if parsed.window is None else WindowReader(self.rows)).read(parsed)
        more = "" if page.cursor is None else f',"cursor":"{page.cursor}"'
        more += "" if parsed.interval is None else f',"bucket":"{label_name(HOURS, parsed.interval)}"'
        freshness = '{"newest_change":null,"age_s":1,"behind_s":1}'
        body = f'{{"rows":[{",".join(page.rows)}],"freshness":{freshness}{more}}}'
        return 200, {"Content-Type": "application/json"}, body


def test_the_chart_shows_moving_sums(serve: Callable[..., Site], visit: Callable[..., Page]) -> None:
    site = serve(RealRows().respond)
    page = visit(site.url)
    window = page.get_by_role("combobox", name="Moving window")
    expect(window.locator("option")).to_have_text(["None", "6 hours", "24 hours", "7 days"])
    window.select_option("24 hours")
    wait_for(page, f"{CHART_DATA}.columns[0].at(-1) > 30")
    asked = dict(
        parse_qsl(urlsplit(next(one for one in reversed(site.requests) if "/rows" in one and "window" in one)).query)
    )
    assert (asked["window"], {"from", "to"} <= asked.keys()) == ("24h", True)
    drawn = page.evaluate(f"{CHART_DATA}.xs.map((x, index) => [x, {CHART_DATA}.columns[0][index]])")
    assert len(drawn) > 100
    for second, value in drawn:
        end = datetime.fromtimestamp(second, UTC) + timedelta(hours=1)
        assert value == sum(end - timedelta(hours=24) <= at < end for at in MOMENTS), end
    expect(page.locator(".foot-note")).to_contain_text("each over the 24 hours up to its end")
    page.screenshot(path=SCREENSHOTS / "window.png")


def test_other_buckets_have_other_windows_and_measures_of_order_have_none(
    serve: Callable[..., Site], visit: Callable[..., Page]
) -> None:
    page = visit(serve(RealRows().respond).url)
    window = page.get_by_role("combobox", name="Moving window")
    window.select_option("24 hours")
    page.get_by_role("combobox", name="Interval").select_option("Day")
    expect(window.locator("option")).to_have_text(["None", "7 days", "28 days", "365 days"])
    expect(window).to_have_value("")
    window.select_option("7 days")
    wait_for(page, f"{CHART_DATA}.columns[0].at(-1) === {len(MOMENTS)}")
    page.get_by_role("combobox", name="Measure").select_option("Hot share")
    wait_for(page, f"{CHART_DATA}.columns[0].at(-1) > 0 && {CHART_DATA}.columns[0].at(-1) < 1")
    page.get_by_role("combobox", name="Measure").select_option("Hottest (°C)")
    expect(window).to_be_hidden()
    expect(page.locator(".foot-note")).not_to_contain_text("each over")


WINDOWS = {
    "second": ["10min", "1h", "6h", "24h", "7d"],
    "day": ["7d", "28d", "365d"],
    "week": ["4w", "52w"],
    "month": ["3mo", "12mo"],
    "quarter": ["4q"],
    "year": ["5y"],
}
"""Those that panels offer, by the unit of the buckets; the first ones for all buckets within a day."""


def accepted(aggregate: Aggregate, interval: str | None, unit: str) -> list[str]:
    """Return the windows that the API reads, of those that have several buckets."""
    found = []
    for window in WINDOWS.get(unit, WINDOWS["second"]):
        day = "2024-05-15T10:00:00Z"
        given = [("from", day), ("to", day), ("limit", "1"), ("window", window), ("interval", interval)]
        given += [] if aggregate.by[0] is aggregate.bucket else [("sensor", "s1")]
        try:
            query = parse_row_query(aggregate, [(name, value) for name, value in given if value is not None])
            WindowReader(RowReader(cast("Any", Table([])), "rows")).read(query)
        except (InvalidMessage, QueryTooLarge):
            continue
        found.append(window)
    return found


def test_a_panel_offers_the_windows_that_the_api_reads(serve: Callable[..., Site], visit: Callable[..., Page]) -> None:
    """It limits their buckets and, where each bucket is a query, the queries of a request."""
    wanted: list[Any] = []
    for unit, size in BUCKETS:
        bucket = BucketGroup("at", "at", unit, ZoneInfo("Asia/Kolkata"), size)
        orders: list[Any] = [[field("sensor"), bucket], [bucket, field("sensor")]]
        for by in orders:
            aggregate = Aggregate("a", of=READINGS, by=by, measures={"readings": count()})
            described = describe(aggregate) | {"intervals": rollup_intervals(aggregate)}
            own = unit if size == 1 else f"{size} {unit}s"
            wanted += [(described, own, accepted(aggregate, None, unit))]
            wanted += [(described, one, accepted(aggregate, one, one)) for one in rollup_intervals(aggregate)]
    page = visit(serve(RealRows().respond).url)
    offered = page.evaluate(
        """async (all) => {
            const { windowOptions } = await import('./panels/window-control.js');
            const { Aggregate } = await import('./data/aggregate.js');
            return all.map(([described, unit]) => windowOptions(new Aggregate(described), unit).slice(1))
                .map((options) => options.map(({ value }) => value));
        }""",
        [[described, unit] for described, unit, _ in wanted],
    )
    single = {"hour": "1h", "6 hours": "6h"}  # a window of one bucket is that bucket
    for (described, unit, expected), found in zip(wanted, offered, strict=True):
        assert found == [window for window in expected if window != single.get(unit)], (described["groups"], unit)
