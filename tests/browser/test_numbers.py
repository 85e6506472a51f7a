"""Every panel of several pipelines shows the numbers of the aggregates table."""

import csv
import io
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.groups.buckets import BucketGroup
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.json_types import Json
from tests.browser.conftest import SCREENSHOTS, opened_pages
from tests.browser.page_state import wait_for
from tests.browser.panels.filled_tables import CARTS, ORDERS, VISITS, FilledTables, filled_tables
from tests.browser.panels.shown_tables import cell, same, table_rows
from tests.browser.site import running_site

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TEXTS = ("newest",)
"""Measures of texts, which no chart shows."""

LISTS = ("top", "largest", "smallest")
PIPELINES: dict[str, Mapping[str, list[Json]]] = {
    "tests.pipelines.orders:pipeline": {"orders": ORDERS, "visits": VISITS},
    "tests.pipelines.measured:pipeline": {"orders": ORDERS, "visits": VISITS},
    "tests.pipelines.readable:pipeline": {"orders": ORDERS, "visits": VISITS},
    "tests.pipelines.shapes:pipeline": {"carts": CARTS},
}


@pytest.fixture(scope="module", params=PIPELINES)
def filled(
    dynamodb: "DynamoDBClient", dynamodb_endpoint: str, request: pytest.FixtureRequest
) -> Iterator[FilledTables]:
    """Fill an aggregates table from three shards, once: no test changes it."""
    with filled_tables(dynamodb, dynamodb_endpoint, request.param, PIPELINES[request.param]) as tables:
        yield tables


def unit_of(bucket: BucketGroup | None) -> str:
    """Return the unit of a time bucket as the page's options have it."""
    if bucket is None:
        return "auto"
    return bucket.unit if bucket.size == 1 else f"{bucket.size} {bucket.unit}s"


def show_table_comparison(panel: Locator, aggregate: Aggregate) -> None:
    """Make a panel show all rows as stored, not rolled up."""
    if aggregate.bucket is not None:
        panel.get_by_role("combobox", name="Range").select_option("All data")
    interval = panel.get_by_label("Interval")
    if interval.count() and interval.is_visible():
        interval.select_option(unit_of(aggregate.bucket))


@pytest.fixture(scope="module")
def page(browser: Browser, site_folder: Path, filled: FilledTables) -> Iterator[Page]:
    """Open the page of a pipeline, once: each test sets what it needs."""
    with running_site(site_folder, filled.respond, {"refresh_s": 3600}) as site, opened_pages(browser) as open_page:
        yield open_page(site.url, width=1400, height=3000)


def wait_until_loaded(page: Page, aggregate: Aggregate) -> None:
    """Wait until a panel has no request in flight."""
    wait_for(page, f"!document.querySelector('[data-aggregate={aggregate.name}]').panel.loading")


def panels(page: Page, filled: FilledTables) -> Iterator[tuple[Aggregate, Locator]]:
    """Yield each aggregate with its panel, which shows all stored rows."""
    for aggregate in load_pipeline(filled.pipeline).aggregates:
        panel = page.locator(f"[data-aggregate='{aggregate.name}']")
        expect(panel).to_be_visible()
        show_table_comparison(panel, aggregate)
        wait_until_loaded(page, aggregate)
        yield aggregate, panel


def test_tables_show_every_row_digit_for_digit(page: Page, filled: FilledTables) -> None:
    for aggregate, panel in panels(page, filled):
        stored = filled.rows(aggregate)
        found = table_rows(panel)
        key = [group.name for group in aggregate.by]
        by_key = {tuple(cell(row[name]) for name in key): row for row in stored}
        fixed = panel.evaluate("(one) => Object.fromEntries(one.panel.groups?.fixed ?? [])")
        expected = {
            values for values, row in by_key.items() if all(str(row[name]) == value for name, value in fixed.items())
        }
        assert {tuple(line[name] for name in key) for line in found} == expected, aggregate.name
        for line in found:
            row = by_key[tuple(line[name] for name in key)]
            for name in (*aggregate.measures, "updated_at"):
                assert same(line[name], row[name]), (aggregate.name, name, line[name], row[name])


def test_charts_and_bars_show_the_numbers_of_every_measure(page: Page, filled: FilledTables) -> None:
    for aggregate, panel in panels(page, filled):
        if not aggregate.by:
            check_totals(panel, aggregate, filled.rows(aggregate)[0])
            continue
        stored = {tuple(cell(row[group.name]) for group in aggregate.by): row for row in filled.rows(aggregate)}
        for name, measure in aggregate.measures.items():
            panel.get_by_label("Measure").select_option(name)
            wait_until_loaded(page, aggregate)
            if aggregate.bucket is None:
                check_bars(panel, name, measure.kind, stored)
            elif panel.evaluate("(one) => one.panel.form") == "chart":
                check_lines(panel, aggregate, name, measure.kind, stored)
            else:
                is_text = name in TEXTS or measure.kind in LISTS
                assert is_text or panel.evaluate("(one) => one.panel.chartData.xs.length") == 1


DRAWN = """(one) => {
    const { chartData, aggregate, chart } = one.panel, parts = chartData.view.parts.length, points = [];
    chartData.lines.forEach((line, lineIndex) => chartData.xs.forEach((second, index) => {
        const row = chartData.rows.get(line.key).get(second);
        const key = row ? aggregate.groups.map((group) => String(row[group.name])) : null;
        const column = lineIndex * parts;
        points.push([key, chartData.columns[column][index], chart.drawnValue(column, index)]);
    }));
    return points;
}"""


def check_lines(
    panel: Locator, aggregate: Aggregate, name: str, kind: str, stored: Mapping[tuple[str, ...], Json]
) -> None:
    points = panel.evaluate(DRAWN)
    assert sum(key is not None for key, _, _ in points) > 1
    for key, value, drawn in points:
        assert value == drawn
        if key is None:
            assert value == (0 if kind in ("count", "count_items", "total", "distinct") else None)
        else:
            expected = stored[tuple(key)][name]
            expected = expected["value"] if kind in ("first", "last") and expected is not None else expected
            assert value == (None if expected is None else float(expected)), (aggregate.name, name, key)


def entry_text(entry: Json, rank: int) -> str:
    """Return what a bar of a list says: a frequent value and its count, or the shown fields and a ranked value."""
    if "count" in entry:
        return f"{entry['value']}{entry['count']}"
    shown = ", ".join(cell(value) or "–" for name, value in entry.items() if name != "value")
    return f"{shown or rank}{entry['value']}"


def check_totals(panel: Locator, aggregate: Aggregate, row: Json) -> None:
    for entry, (name, measure) in zip(panel.locator(".totals > li").all(), aggregate.measures.items(), strict=True):
        if measure.kind in LISTS:
            texts = [entry_text(one, n) for n, one in enumerate(row[name], 1)]
            assert entry.locator("li").all_text_contents() == texts
        elif name not in TEXTS:
            shown = (entry.locator(".value").text_content() or "").replace(",", "").removesuffix(f" {measure.unit}")
            assert abs(Decimal(shown) - row[name]) <= abs(row[name]) / 1000  # four digits


BARS = """(all) => all.map((bar) => ({
    label: bar.querySelector(':scope > .name').textContent,
    value: bar.querySelector('.value')?.textContent,
    width: bar.querySelector('.bar')?.getBoundingClientRect().width,
    entries: [...bar.querySelectorAll('.ranking li')].map((one) => one.textContent),
}))"""


def check_bars(panel: Locator, name: str, kind: str, stored: Mapping[tuple[str, ...], Json]) -> None:
    bars = panel.locator(".ranking.wide > li")
    expect(bars).to_have_count(len(stored))
    lengths = {}
    for bar in bars.evaluate_all(BARS):
        value = stored[(bar["label"],)][name]
        if kind in LISTS:
            assert bar["entries"] == [entry_text(one, n) for n, one in enumerate(value, 1)]
            continue
        number = value["value"] if isinstance(value, dict) else value
        shown = Decimal(bar["value"].replace(",", ""))
        assert abs(shown - number) <= abs(number) / 1000  # four digits
        lengths[number] = bar["width"]
    longest = max(lengths, default=0)
    for number, length in lengths.items():
        assert abs(length / lengths[longest] - float(number / longest)) < 0.02


def test_the_page_shows_any_pipeline(page: Page, filled: FilledTables) -> None:
    pipeline = load_pipeline(filled.pipeline)
    names = page.evaluate("[...document.querySelectorAll('.panel')].map((one) => one.dataset.aggregate)")
    assert sorted(names) == sorted(aggregate.name for aggregate in pipeline.aggregates)
    for aggregate in pipeline.aggregates:
        panel = page.locator(f"[data-aggregate='{aggregate.name}']")
        if not aggregate.by:
            expect(panel.locator(".totals > li")).to_have_count(len(aggregate.measures))
            continue
        options = panel.get_by_label("Measure").locator("option").evaluate_all("(all) => all.map((one) => one.value)")
        assert set(options) >= set(aggregate.measures)
    expect(page.locator(".problem:visible")).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / f"pipeline-{filled.pipeline.split('.')[-1].split(':')[0]}.png", full_page=True)


def test_a_downloaded_file_contains_the_rows_of_the_table(page: Page, filled: FilledTables) -> None:
    aggregate, panel = next(panels(page, filled))
    shown = table_rows(panel)
    with page.expect_download() as download:
        panel.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == f"{aggregate.name}.csv"
    text = download.value.path().read_bytes().decode()
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(found) == len(shown)
    for line, row in zip(shown, found, strict=True):
        for name, measure in aggregate.measures.items():
            if measure.kind not in (*LISTS, "first", "last"):
                assert line[name] == row[name] == "" or Decimal(line[name]) == Decimal(row[name])
