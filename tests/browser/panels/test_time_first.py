"""The panel of an aggregate that begins with its time bucket, where each bucket is a query."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Page, expect

from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps
from tailrace.queries.parameters import MAX_PARTITIONS
from tests.browser.fake_api import FakeApi, hours, row
from tests.browser.page_state import CHART_DATA, wait_for
from tests.browser.site import Response, Site

type Serve = Callable[..., Site]
type Visit = Callable[..., Page]

JSON = {"Content-Type": "application/json"}


def by_hour() -> Json:
    """Return the definition of an aggregate by hour, then by sensor."""
    described = hours("by_hour") | {"intervals": ["day"]}
    return described | {"groups": described["groups"][::-1]}


def test_it_is_read_while_an_aggregate_that_would_show_its_range_is_not_built(serve: Serve, visit: Visit) -> None:
    declared = {"version": 2, "state": "declared", "exact": False, "reason": None}
    unbuilt = hours() | {"version": 2, "shown": None, "generations": [declared]}
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    labels = [(hour - timedelta(hours=age)).isoformat(timespec="minutes") for age in range(24, 0, -1)]
    rows = [row("s0", 0, 5) | {"hour": label} for label in labels]
    api = FakeApi([by_hour(), unbuilt])

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if "sensor_hours" in path:
            return 503, JSON, '{"title": "Not built", "type": "urn:problem-type:tailrace:not-built"}'
        if not path.endswith("/rows"):
            return api.respond(path, query, headers)
        given = dict(parse_qsl(query))
        found = [one for one in rows if given["from"][:13] <= one["hour"][:13] <= given["to"][:13]]
        found = found[::-1] if given.get("order") == "desc" else found
        return 200, JSON, dumps({"rows": found[: int(given["limit"])], "freshness": api.freshness})

    page = visit(serve(respond).url, ready=False)
    wait_for(page, f"{CHART_DATA}?.xs.length === 24")
    expect(page.locator(".problem:visible")).to_have_count(0)


@pytest.mark.parametrize("unit", [("second", 1), ("minute", 1), ("minute", 15), ("hour", 1), ("day", 1)])
def test_it_offers_only_ranges_that_the_api_reads(serve: Serve, visit: Visit, unit: tuple[str, int]) -> None:
    kind, size = unit
    described = by_hour()
    described["groups"][0] |= {"kind": kind} | ({"size": size} if size > 1 else {})
    page = visit(serve(FakeApi([described]).respond).url, ready=False)
    options = page.get_by_role("combobox", name="Range").locator("option")
    expect(options.first).to_have_text("All data")
    length_s = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}[kind] * size
    spans = {value.partition(":")[2] for value in options.evaluate_all("(all) => all.map(({ value }) => value)")}
    assert 2 <= max(int(span) for span in spans if span) / length_s <= MAX_PARTITIONS - 20


def test_a_range_that_the_api_cannot_read_at_once_is_shown_in_part(serve: Serve, visit: Visit) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    ages = [*range(20_000, 19_950, -1), *range(9_900, 100, -50), *range(100, 0, -1)]
    labels = [(hour - timedelta(hours=age)).isoformat(timespec="minutes") for age in ages]
    api = FakeApi([by_hour(), hours()], {"sensor_hours": [row("s0", 0, 5) | {"hour": label} for label in labels]})

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if "/by_hour/" not in path:
            return api.respond(path, query, headers)
        given = dict(parse_qsl(query))
        first, last = (datetime.fromisoformat(given[end]) for end in ("from", "to"))
        if given.get("interval") == "day":
            first, last = first - timedelta(hours=23), last + timedelta(hours=23)
        if (last - first) / timedelta(hours=1) >= MAX_PARTITIONS:
            return 400, JSON, '{"title": "Invalid request", "detail": "from and to are too far apart"}'
        found = [one for one in api.rows["sensor_hours"] if given["from"][:13] <= one["hour"][:13] <= given["to"][:13]]
        if "interval" in given:
            days = sorted({one["hour"][:10] for one in found})
            return 200, JSON, dumps({"rows": [row("s0", 0, 5) | {"day": one} for one in days], "bucket": "day"})
        return 200, JSON, dumps({"rows": found[: int(given["limit"])], "freshness": api.freshness})

    page = visit(serve(respond).url, width=1280, height=2000)
    panel = page.locator("[data-aggregate='by_hour']")
    note = panel.locator("> .note").first
    panel.get_by_role("combobox", name="Range").select_option("All data")
    expect(note).to_have_text("Showing only the newest 9,700 hours of the range. Select a custom range to see others.")
    expect(panel.locator(".problem")).to_be_hidden()
    panel.get_by_role("combobox", name="Range").select_option("Custom range")
    oldest = hour - timedelta(hours=20_000)
    panel.get_by_label("From").fill(f"{oldest:%Y-%m-%dT%H:%M}")
    expect(note).to_contain_text("newest 9,700 hours")
    panel.get_by_label("To", exact=True).fill(f"{oldest + timedelta(hours=100):%Y-%m-%dT%H:%M}")
    expect(note).to_be_hidden()
    assert page.evaluate("document.querySelector('[data-aggregate=by_hour]').panel.rows.length") > 2
    for _ in range(10):
        panel.get_by_role("button", name="Zoom out").click()
    page.wait_for_timeout(500)
    expect(panel.locator(".problem")).to_be_hidden()
    expect(note).to_be_hidden()
    expect(panel).not_to_have_attribute("aria-busy", "true")
