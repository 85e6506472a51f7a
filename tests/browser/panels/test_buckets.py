"""Panels of buckets of several minutes, of quarters and of seconds: labels, ranges and the axis."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tailrace import Aggregate, Collection, Pipeline, count, field, minutes, quarter, second
from tailrace.definition.descriptions import describe
from tailrace.queries.parameters import rollup_intervals
from tailrace.testing import history, rows
from tests.browser.conftest import SCREENSHOTS
from tests.browser.fake_api import FakeApi
from tests.browser.page_state import CHART_DATA
from tests.browser.site import Site

READINGS = Collection("readings", schema={"type": "object"})
CASES: list[tuple[str, Any, timedelta, list[str], str]] = [
    (
        "minutes",
        minutes(15, "at", tz="Europe/Berlin"),
        timedelta(minutes=11),
        ["Auto (15 minutes)", "15 minutes", "Hour", "Day", "Week", "Month", "Quarter", "Year"],
        "Readings by 15 minutes · times in Europe/Berlin",
    ),
    (
        "quarters",
        quarter("at", tz="Europe/Berlin"),
        timedelta(days=61),
        ["Auto (quarter)", "Quarter", "Year"],
        "Readings by quarter · times in Europe/Berlin",
    ),
    (
        "seconds",
        second("at"),
        timedelta(seconds=1),
        ["Auto (second)", "Second", "Minute"],
        "Readings by second · times in UTC",
    ),
]


@pytest.mark.parametrize(("name", "group", "apart", "intervals", "caption"), CASES)
def test_a_panel_of_other_buckets(  # noqa: PLR0917 - what varies, and the fixtures
    serve: Callable[..., Site], visit: Callable[..., Page],
    name: str, group: Any, apart: timedelta, intervals: list[str], caption: str,
) -> None:  # fmt: skip
    aggregate = Aggregate("sensor", of=READINGS, by=[field("sensor"), group], measures={"readings": count()})
    start = datetime(2004, 10, 30, 20, tzinfo=UTC)  # the night in which clocks go back
    items = [
        (str(number), {"sensor": "s1", "at": (start + apart * number).isoformat()})
        for number in range(90)
        if number % 7
    ]
    made = [
        row | {"updated_at": "2024-06-01T00:00:00Z"}
        for row in rows(history("readings", items), Pipeline([READINGS], [aggregate]))["sensor"]
    ]
    described = describe(aggregate) | {"intervals": rollup_intervals(aggregate)}
    api = FakeApi(aggregates=[described], rows={"sensor": made})
    page = visit(serve(api.respond).url)
    options = page.get_by_role("combobox", name="Interval").locator("option")
    assert options.all_text_contents()[: len(intervals)] == intervals
    expect(page.locator(".foot-note")).to_have_text(caption)
    drawn = page.evaluate(f"{CHART_DATA}.xs.filter((x, index) => {CHART_DATA}.columns[0][index] > 0)")
    assert drawn == sorted({round(group.start(str(group.value(item))).timestamp()) for _, item in items})
    page.screenshot(path=SCREENSHOTS / f"buckets-{name}.png")
