"""Every panel of several pipelines shows the numbers of the aggregates table."""

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Locator, Page, expect

from functions.aggregate.app import handler as aggregate_handler
from functions.api.app import handler as api_handler
from local.in_memory.http_api import http_api_event
from tailrace.aws.runtime.settings import ApiSettings
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.json_types import Json
from tailrace.testing import event, history
from tests.browser.conftest import SCREENSHOTS
from tests.browser.fake_api import FakeApi
from tests.browser.page_state import wait_for
from tests.browser.site import Response, Site

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]

TABLES = {
    "ITEMS_TABLE": ["pk"],
    "AGGREGATES_TABLE": ["pk", "sk"],
    "IDEMPOTENCY_TABLE": ["id"],
    "PROGRESS_TABLE": ["pk", "sk"],
}
LISTS = ("top", "largest", "smallest")
SHOPS = ["north", "b#%", "c&d=ü"]
START = datetime(2024, 10, 26, 20, 7, tzinfo=UTC)  # the night in which Berlin's clocks go back
ORDERS: list[Json] = [
    {
        "shop": SHOPS[n % 7 % 3],
        "placed": (START + timedelta(minutes=19 * n)).isoformat(),
        "lines": n * 7 % 11,
        "amount": Decimal(n * 37 % 171) + Decimal("0.07"),
        "paid": n % 3 > 0,
    }
    for n in range(60)
]
VISITS: list[Json] = [{"page": f"/page/{n % 9}", "ms": Decimal(n * 31 % 97) / 4} for n in range(40)]
PIPELINES = [
    "tests.pipelines.orders:pipeline",
    "tests.pipelines.measured:pipeline",
    "tests.pipelines.readable:pipeline",
]


@dataclass(frozen=True)
class FilledTables:
    """Tables with aggregates, and the API function that reads them."""

    dynamodb: "DynamoDBClient"
    pipeline: str
    table: str
    lock: Lock

    def respond(self, path: str, query: str, headers: Mapping[str, str]) -> Response:
        """Respond as the API function does. There are no queues here, so the health is made up."""
        if path == "/health":
            return FakeApi().respond(path, query, headers)
        with self.lock:
            response = api_handler(http_api_event("GET", f"{path}?{query}", headers, b""), None)
        return response["statusCode"], response["headers"], response["body"]

    def rows(self, aggregate: Aggregate) -> list[Json]:
        """Return all rows of an aggregate from the table."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        stored: dict[tuple[Any, ...], list[Json]] = {}
        for row in (decode_item(one) for page in pages for one in page["Items"]):
            if row["pk"].startswith(f"{aggregate.name}@{aggregate.version}#"):
                stored.setdefault(tuple(row[group.name] for group in aggregate.by), []).append(row)
        found = []
        for lanes in stored.values():
            sums = {name: sum(lane.get(name, 0) for lane in lanes) for name in aggregate.layout.counters}
            latest = max(lane["updated_at"] for lane in lanes)
            found.append(aggregate.render(lanes[0] | sums | {"updated_at": latest}))
        return [row for row in found if row is not None]


@pytest.fixture(scope="module", params=PIPELINES)
def filled(
    dynamodb: "DynamoDBClient", dynamodb_endpoint: str, request: pytest.FixtureRequest
) -> Iterator[FilledTables]:
    """Fill an aggregates table from three shards, once: no test changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", dynamodb_endpoint)
        patch.setenv("TAILRACE_PIPELINE", request.param)
        patch.setenv("HISTORY_BUCKET", "unused")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "POWERTOOLS_METRICS_NAMESPACE"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("POWERTOOLS_METRICS_DISABLED", "true")  # they print a line per request
        for variable, keys in TABLES.items():
            name = f"browser-{variable}-{PIPELINES.index(request.param)}"
            dynamodb.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": key, "KeyType": "RANGE" if key == "sk" else "HASH"} for key in keys],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                BillingMode="PAY_PER_REQUEST",
            )
            patch.setenv(variable, name)
        for name in {
            field.name.upper() for field in fields(ApiSettings) if field.default is MISSING
        } - os.environ.keys():
            patch.setenv(name, "unused")
        for collection, items in (("orders", ORDERS), ("visits", VISITS)):
            for shard_number in range(3):
                own = [(f"{shard_number} {n}", item) for n, item in enumerate(items) if n % 3 == shard_number]
                records = history(collection, [*own, ("gone", items[0]), ("gone", None)], 10_000 * shard_number + 1)
                shard = f"shardId-{shard_number:020d}-{collection}"
                assert aggregate_handler(event(records, shard=shard), None)["batchItemFailures"] == []
        yield FilledTables(dynamodb, request.param, os.environ["AGGREGATES_TABLE"], Lock())


def cell(value: Any) -> str:
    """Return a value as a table cell shows it."""
    if isinstance(value, list):
        return ", ".join(map(entry_cell, value))
    if isinstance(value, dict):
        return f"{cell(value['value'])} ({cell(value.get('at', value.get('by')))})"
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def entry_cell(entry: Json) -> str:
    """Return an entry of a list as a table cell shows it."""
    if "count" in entry:
        return f"{cell(entry['value'])} × {cell(entry['count'])}"
    shown = [cell(value) or "–" for name, value in entry.items() if name != "value"]
    return f"{cell(entry['value'])} ({', '.join(shown)})" if shown else cell(entry["value"])


def table_rows(panel: Locator) -> list[dict[str, str]]:
    """Open a panel's table, and return all its rows by column name."""
    panel.get_by_role("button", name="Table").click()
    rows: list[dict[str, str]] = []
    names = panel.evaluate("(one) => one.panel.table.columns.map(({ name }) => name)")
    while True:
        for line in panel.locator("tbody tr").all():
            texts = line.locator("th, td").all_text_contents()
            rows.append(dict(zip(names, texts, strict=True)))
        next_page = panel.get_by_role("button", name="Next rows")
        if next_page.is_disabled():
            panel.get_by_role("button", name="Table").click()
            return rows
        next_page.click()


def same(text: str, value: Any) -> bool:
    """Return whether a cell shows a value, digit for digit."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(text) == value
    return text == cell(value)


def show_table_comparison(panel: Locator, aggregate: Aggregate) -> None:
    """Make a panel show all rows as stored, not rolled up."""
    if aggregate.bucket is not None:
        panel.get_by_role("combobox", name="Range").select_option("All data")
    interval = panel.get_by_label("Interval")
    if interval.count() and interval.is_visible():
        interval.select_option(aggregate.bucket.unit if aggregate.bucket is not None else "auto")


def open_page(serve: Serve, visit: Visit, filled: FilledTables) -> Page:
    return visit(serve(filled.respond).url, width=1400, height=3000)


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


def test_tables_show_every_row_digit_for_digit(serve: Serve, visit: Visit, filled: FilledTables) -> None:
    page = open_page(serve, visit, filled)
    for aggregate, panel in panels(page, filled):
        stored = filled.rows(aggregate)
        found = table_rows(panel)
        key = [group.name for group in aggregate.by]
        by_key = {tuple(cell(row[name]) for name in key): row for row in stored}
        fixed = panel.evaluate("(one) => Object.fromEntries(one.panel.groups.fixed)")
        expected = {
            values for values, row in by_key.items() if all(str(row[name]) == value for name, value in fixed.items())
        }
        assert {tuple(line[name] for name in key) for line in found} == expected, aggregate.name
        for line in found:
            row = by_key[tuple(line[name] for name in key)]
            for name in (*aggregate.measures, "updated_at"):
                assert same(line[name], row[name]), (aggregate.name, name, line[name], row[name])


def test_charts_and_bars_show_the_numbers_of_every_measure(serve: Serve, visit: Visit, filled: FilledTables) -> None:
    page = open_page(serve, visit, filled)
    for aggregate, panel in panels(page, filled):
        stored = {tuple(cell(row[group.name]) for group in aggregate.by): row for row in filled.rows(aggregate)}
        for name, measure in aggregate.measures.items():
            panel.get_by_label("Measure").select_option(name)
            wait_until_loaded(page, aggregate)
            if aggregate.bucket is None:
                check_bars(panel, name, measure.kind, stored)
            elif panel.evaluate("(one) => one.panel.form") == "chart":
                check_lines(panel, aggregate, name, measure.kind, stored)
            else:
                assert measure.kind in LISTS or panel.evaluate("(one) => one.panel.chartData.xs.length") == 1


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
            assert value == (0 if kind in ("count", "total", "distinct") else None)
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


def check_bars(panel: Locator, name: str, kind: str, stored: Mapping[tuple[str, ...], Json]) -> None:
    bars = panel.locator(".ranking.wide > li")
    expect(bars).to_have_count(len(stored))
    lengths = {}
    for bar in bars.all():
        label = bar.locator("> .name").text_content() or ""
        value = stored[(label,)][name]
        if kind in LISTS:
            assert bar.locator(".ranking li").all_text_contents() == [
                entry_text(one, n) for n, one in enumerate(value, 1)
            ]
            continue
        number = value["value"] if isinstance(value, dict) else value
        shown = Decimal((bar.locator(".value").text_content() or "").replace(",", ""))
        assert abs(shown - number) <= abs(number) / 1000  # four digits
        lengths[number] = bar.locator(".bar").evaluate("(one) => one.getBoundingClientRect().width")
    longest = max(lengths, default=0)
    for number, length in lengths.items():
        assert abs(length / lengths[longest] - float(number / longest)) < 0.02


def test_the_page_shows_any_pipeline(serve: Serve, visit: Visit, filled: FilledTables) -> None:
    page = open_page(serve, visit, filled)
    pipeline = load_pipeline(filled.pipeline)
    names = page.evaluate("[...document.querySelectorAll('.panel')].map((one) => one.dataset.aggregate)")
    assert sorted(names) == sorted(aggregate.name for aggregate in pipeline.aggregates)
    for aggregate in pipeline.aggregates:
        panel = page.locator(f"[data-aggregate='{aggregate.name}']")
        options = panel.get_by_label("Measure").locator("option").evaluate_all("(all) => all.map((one) => one.value)")
        assert set(options) >= set(aggregate.measures)
    expect(page.locator(".problem:visible")).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / f"pipeline-{filled.pipeline.split('.')[-1].split(':')[0]}.png", full_page=True)


def test_a_downloaded_file_contains_the_rows_of_the_table(serve: Serve, visit: Visit, filled: FilledTables) -> None:
    page = open_page(serve, visit, filled)
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
