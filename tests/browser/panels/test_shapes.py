"""Panels of nested fields, lines of items, overlapping windows, ranked values and moving sums, and how they look."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

from tailrace import Aggregate, Collection, Pipeline, count, field, hop, hours
from tailrace.definition.aggregate import Aggregate as AggregateType
from tailrace.definition.descriptions import describe
from tailrace.encoding.json_types import Json
from tailrace.testing import history, rows
from tests.browser.conftest import SCREENSHOTS
from tests.browser.fake_api import FakeApi, day
from tests.browser.fake_api import hours as hours_by_sensor
from tests.browser.page_state import CHART_DATA, wait_for
from tests.browser.panels.filled_tables import CARTS, FilledTables, filled_tables
from tests.browser.site import Response, Site

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]

PIPELINE = "tests.pipelines.shapes:pipeline"
CAPTION = ".foot-note"
OVERFLOWING = """(panel) => {
    const end = panel.getBoundingClientRect().right;
    return [...panel.querySelectorAll('*')]
        .filter((one) => !one.closest('.scroll, .plot, .visually-hidden') && one.getBoundingClientRect().right > end)
        .map((one) => `${one.className} ${one.textContent}`);
}"""
"""A function: the parts of a panel that reach beyond it, except in what scrolls."""


@pytest.fixture(scope="module")
def filled(dynamodb: "DynamoDBClient", dynamodb_endpoint: str) -> Iterator[FilledTables]:
    """Fill an aggregates table, once: no test changes it."""
    with filled_tables(dynamodb, dynamodb_endpoint, PIPELINE, {"carts": CARTS}) as tables:
        yield tables


@pytest.fixture(scope="module")
def unfilled(dynamodb: "DynamoDBClient", dynamodb_endpoint: str) -> Iterator[FilledTables]:
    """Create an aggregates table without rows."""
    with filled_tables(dynamodb, dynamodb_endpoint, PIPELINE, {}) as tables:
        yield tables


def up_to_date(tables: FilledTables) -> Callable[..., Response]:
    """Return an API whose rows are as counted now: those of the tables are of a made-up stream of the past."""

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        status, found, body = tables.respond(path, query, headers)
        return status, found, re.sub(r'"behind_s":\d+', '"behind_s":1', body).replace('"exact":false', '"exact":true')

    return respond


def panel_of(page: Page, name: str) -> Locator:
    """Return a panel that is in view and has its rows."""
    panel = page.locator(f"[data-aggregate='{name}']")
    panel.scroll_into_view_if_needed()
    wait_for(page, f"document.querySelector('[data-aggregate={name}]').panel.rows.length > 0")
    return panel


def select(page: Page, panel: Locator, measure: str) -> None:
    """Show a measure, and wait for its rows."""
    panel.get_by_role("combobox", name="Measure").select_option(measure)
    wait_for(
        page, f"!document.querySelector('#{panel.get_attribute('aria-labelledby')}').closest('.panel').panel.loading"
    )


def test_overlapping_windows_say_how_long_they_are(serve: Serve, visit: Visit, filled: FilledTables) -> None:
    page = visit(serve(up_to_date(filled), refresh_s=60).url, width=1400, height=3600)
    panel = panel_of(page, "country_windows")
    expect(panel.locator(CAPTION)).to_have_text(
        "Carts in windows of 3 hours, one every hour · Of any kind. · times in Europe/Berlin"
    )
    for hidden in ("Interval", "Moving window"):
        expect(panel.get_by_role("combobox", name=hidden)).to_be_hidden()
    panel.locator(".plot").focus()
    page.keyboard.press("Home")
    expect(panel.locator(".readout .when")).to_have_text("Carts · 3 hours from Sat, 26 Oct 2024, 21:00")
    expect(panel.locator(".plot ~ [aria-live]")).to_contain_text("3 hours from Sat, 26 Oct 2024, 21:00: NO ")
    days = panel_of(page, "windows")
    select(page, days, "dearest")
    expect(days.locator(".list h4").first).to_have_text("NO 3 days from Tue, 29 Oct 2024")
    expect(days.locator(CAPTION)).to_contain_text("in windows of 3 days, one every day · with id and currency")
    page.screenshot(path=SCREENSHOTS / "shapes.png", full_page=True)


def test_a_window_is_over_when_its_last_bucket_is(serve: Serve, visit: Visit) -> None:
    readings = Collection("readings", schema={"type": "object"})
    group = hop("at", size=hours(6), every=hours(1))
    aggregate = Aggregate("sensor_windows", of=readings, by=[field("sensor"), group], measures={"readings": count()})
    now = datetime.now(UTC)
    items = [(str(n), {"sensor": "s1", "at": (now - timedelta(hours=n)).isoformat()}) for n in range(12)]
    made = [
        row | {"updated_at": "2024-06-01T00:00:00Z"}
        for row in rows(history("readings", items), Pipeline([readings], [aggregate]))["sensor_windows"]
    ]
    api = FakeApi([describe(aggregate) | {"intervals": []}], rows={"sensor_windows": made})
    api.freshness = {"newest_change": "2024-06-01T00:00:00Z", "age_s": 1, "behind_s": None}
    page = visit(serve(windows_as_hours(api)).url)
    open_windows = page.evaluate(f"{CHART_DATA}.xs.length - {CHART_DATA}.openFrom")
    assert open_windows == 6
    expect(page.locator(CAPTION)).to_contain_text("dashed: the last windows are not over")
    expect(page.locator(".legend .value")).to_contain_text("so far")


def windows_as_hours(api: FakeApi) -> Callable[..., Response]:
    """Return an API that finds rows by the start of their window."""
    api.rows = {name: [row | {"hour": row["hop"]} for row in some] for name, some in api.rows.items()}
    return api.respond


def test_ranked_values_come_with_their_fields_in_the_order_of_the_definition(
    serve: Serve, visit: Visit, filled: FilledTables
) -> None:
    page = visit(serve(up_to_date(filled), refresh_s=60).url, width=1400, height=3600)
    totals = panel_of(page, "everything")
    best = sorted(CARTS, key=lambda cart: -cart["amount"]["value"])[:3]
    expect(totals.locator(".with-list > .name").first).to_have_text("Dearest (€)")
    expect(totals.locator(".with-list").first.locator("li")).to_have_text(
        [f"{cart['customer']['id']}, EUR{cart['amount']['value']}" for cart in best]
    )
    panel = panel_of(page, "products")
    select(page, panel, "dearest")
    expect(panel.locator(CAPTION)).to_have_text(
        "dearest (€) in the order of the groups · with id and product · counts the elements of lines"
    )
    expect(panel.locator(".ranking .ranking .name").first).to_have_attribute("title", re.compile(r"c-\d+, fig & date"))


def test_the_time_of_a_last_value_is_that_of_the_panel(serve: Serve, visit: Visit, filled: FilledTables) -> None:
    page = visit(serve(up_to_date(filled), refresh_s=60).url, width=1400, height=3600)
    panel = panel_of(page, "country_hours")
    select(page, panel, "newest")
    last = max((cart for cart in CARTS if place_of(cart) == "NO"), key=lambda cart: cart["placed"])
    at = datetime.fromisoformat(last["placed"]) + timedelta(hours=1)  # Berlin's winter
    expected = f"{last['customer']['id']} ({at.strftime('%a, %-d %b %Y, %H:%M:%S')})"
    expect(panel.locator(".list:has(h4 > span:text-is('NO')) .text")).to_have_text(expected)
    everything = panel_of(page, "everything").locator(".with-list").last
    newest = max(CARTS, key=lambda cart: cart["placed"])
    at = datetime.fromisoformat(newest["placed"])
    expect(everything).to_have_text(f"Newest{newest['customer']['id']} ({at.strftime('%a, %-d %b %Y, %H:%M:%S')} UTC)")


def place_of(cart: Json) -> str | None:
    address: Json | None = cart["customer"]["address"]
    return None if address is None else str(address["country"])


def test_moving_sums_of_nested_fields_and_ratios_equal_a_recount(
    serve: Serve, visit: Visit, filled: FilledTables
) -> None:
    page = visit(serve(up_to_date(filled), refresh_s=60).url, width=1400, height=3600)
    panel = panel_of(page, "country_hours")
    select(page, panel, "paid_share")
    panel.get_by_role("combobox", name="Moving window").select_option("24 hours")
    expect(panel.locator(CAPTION)).to_contain_text("each over the 24 hours up to its end")
    drawn = panel.evaluate(
        """({ panel: { chartData } }) => chartData.lines.map(({ key }) => [
            key, [...chartData.rows.get(key)].map(([second, row]) => [second, Number(row.paid), Number(row.carts)]),
        ])"""
    )
    assert sum(len(points) for _, points in drawn) > 100
    for place, points in drawn:
        own = [(datetime.fromisoformat(cart["placed"]), cart["paid"]) for cart in CARTS if place_of(cart) == place]
        for second, paid, carts in points:
            end = datetime.fromtimestamp(second, UTC) + timedelta(hours=1)
            within = [is_paid for at, is_paid in own if end - timedelta(hours=24) <= at < end]
            assert (paid, carts) == (sum(within), len(within)), (place, second)
    panel.screenshot(path=SCREENSHOTS / "shapes-window.png")


def test_lines_of_items_are_counted_as_the_items_say(serve: Serve, visit: Visit, filled: FilledTables) -> None:
    page = visit(serve(up_to_date(filled), refresh_s=60).url, width=1400, height=3600)
    lines = Counter(line["product"] for cart in CARTS for line in cart["lines"])
    bars = panel_of(page, "products").locator(".ranking.wide > li")
    expect(bars).to_have_count(len(lines))
    found = {bar.locator(".name").text_content(): bar.locator(".value").text_content() for bar in bars.all()}
    assert found == {product: str(number) for product, number in lines.items()}
    stock: Counter[str] = Counter()
    for cart in CARTS:
        stock.update({city: entry["pieces"] for city, entry in cart["stock"].items()})
    bars = panel_of(page, "stock").locator(".ranking.wide > li")
    expect(bars).to_have_count(len(stock))
    found = {bar.locator(".name").text_content(): bar.locator(".value").text_content() for bar in bars.all()}
    assert found == {city: str(number) for city, number in stock.items()}
    for name, path in (("product_days", "lines"), ("tag_days", "tags"), ("stock", "stock")):
        expect(panel_of(page, name).locator(CAPTION)).to_contain_text(f"counts the elements of {path}")
    for name in ("product_days", "products"):
        select(page, panel_of(page, name), "carts")
        caption = panel_of(page, name).locator(CAPTION)
        expect(caption).to_contain_text("counts each item once, however many elements of lines it has")


@pytest.mark.parametrize("width", [320, 390, 1400])
def test_nothing_reaches_beyond_its_panel(serve: Serve, visit: Visit, filled: FilledTables, width: int) -> None:
    page = visit(serve(up_to_date(filled), refresh_s=60).url, width=width, height=1600)
    for aggregate in filled.aggregates():
        panel = panel_of(page, aggregate.name)
        assert panel.evaluate(OVERFLOWING) == [], aggregate.name
        if panel.get_by_role("combobox", name="Measure").count():
            for name in list_measures(aggregate):
                select(page, panel, name)
                assert panel.evaluate(OVERFLOWING) == [], (aggregate.name, name)
        panel.screenshot(path=SCREENSHOTS / f"shapes-{aggregate.name}-{width}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def list_measures(aggregate: AggregateType) -> list[str]:
    return [name for name, one in aggregate.measures.items() if one.kind in ("largest", "smallest", "last")]


def test_names_of_totals_are_shown_in_full_on_a_phone(serve: Serve, visit: Visit, filled: FilledTables) -> None:
    page = visit(serve(up_to_date(filled), refresh_s=60).url, width=390, height=1600)
    names = panel_of(page, "everything").locator(".totals > li > .name")
    assert names.evaluate_all("(all) => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
    lengths = (
        panel_of(page, "everything").locator(".totals .bar").evaluate_all("(all) => all.map((one) => one.offsetWidth)")
    )
    assert min(lengths) > 40


def test_panels_without_rows_say_so(serve: Serve, visit: Visit, unfilled: FilledTables) -> None:
    page = visit(serve(up_to_date(unfilled), refresh_s=60).url, width=1400, height=3600, ready=False)
    for aggregate in unfilled.aggregates():
        panel = page.locator(f"[data-aggregate='{aggregate.name}']")
        expect(panel.locator(".empty")).to_have_text(re.compile(r"^No rows"))
        expect(panel.locator(".problem")).to_be_hidden()
    page.screenshot(path=SCREENSHOTS / "shapes-empty.png", full_page=True)


def test_a_table_has_no_columns_of_measures_that_its_rows_lack(serve: Serve, visit: Visit) -> None:
    # every object inherits members of these names
    inherited = ["constructor", "__proto__", "toString"]
    described = hours_by_sensor()
    described["measures"] += [
        {"name": name, "kind": "distinct", "unit": None, "description": None} for name in inherited
    ]
    page = visit(serve(FakeApi([described], day()).respond).url)
    page.get_by_role("button", name="Table").click()
    names = page.locator("thead th").all_text_contents()
    assert names == ["Sensor", "Hour", "Readings", "Celsius (°C)", "Updated"]
