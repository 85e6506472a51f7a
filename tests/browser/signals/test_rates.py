"""The stages' rates and failures are those since the page was opened, by a clock that may be set."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, day, stage, stages
from tests.browser.site import Response, Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]


def test_rates_are_differences_between_samples(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())
    began = time.monotonic()

    def respond(path: str, query: str, headers: Any) -> Any:
        changes = int(200 * (time.monotonic() - began))
        names = ("load", "ingest", "fanout", "aggregate", "archive", "catalog")
        counted: dict[str, Any] = {name: {"changes": changes} for name in names}
        counted["api"] = {"changes": changes, "failed": 2}
        counted["ingest"] |= {"waiting": 3}
        counted["load"] |= {"waited_s": 7}
        counted["catalog"] |= {"waited_s": 120}
        routes = [stage(name, changes=changes // 2) for name in ("alarms", "late-orders")]
        api.health |= {"stages": stages(**counted), "routes": routes}
        return api.respond(path, query, headers)

    page = visit(serve(respond).url)
    rate = page.locator("[data-stage=aggregate] dl > div:nth-child(3) dd")
    expect(rate).not_to_have_text("–")
    near_200 = re.compile(r"^(1[5-9]|2[0-4])\d/s$")  # a response may be late
    expect(page.locator("[data-stage] dl > div:nth-child(3) dd")).to_have_text([near_200] * 10)
    expect(page.locator("[data-stage=ingest]")).to_contain_text("3 waiting")
    expect(page.locator("[data-stage=load]")).to_contain_text("7 s")
    expect(page.locator("[data-stage=catalog]")).to_contain_text("2 min")
    # requests failed, but none while the page was open
    expect(page.locator("[data-stage=api] dl > div:nth-child(2) dd")).to_have_text("2")
    expect(page.locator("[data-stage=api]")).to_have_attribute("data-state", "well")


def test_a_clock_that_is_set_changes_no_rate(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())
    began = time.monotonic()

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        changes = int(200 * (time.monotonic() - began))
        api.health |= {"stages": stages(aggregate={"changes": changes})}
        return api.respond(path, query, headers)

    page = visit(serve(respond).url)
    rate = page.locator("[data-stage=aggregate] dl > div:nth-child(3) dd")
    near_200 = re.compile(r"^(1[5-9]|2[0-4])\d/s$")  # a response may be late
    expect(rate).to_have_text(near_200)
    for ahead_ms in (-5000, 10_000):
        page.evaluate("(ms) => { const real = Date.now; Date.now = () => real() + ms; }", ahead_ms)
        expect(rate).to_have_text("–")  # until there are two samples by the new time
        expect(rate).to_have_text(near_200)


def test_a_new_failed_request_is_highlighted(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())
    page = visit(serve(api.respond).url)
    card = page.locator("[data-stage=api]")
    expect(card).to_have_attribute("data-state", "well")
    api.health |= {"stages": stages(api={"failed": 1})}
    expect(card).to_have_attribute("data-state", "failed")
    expect(card).to_contain_text("failed")
