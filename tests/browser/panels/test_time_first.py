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
