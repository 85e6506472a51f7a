"""Rates of the stages while the clock of the device changes."""

import re
import time
from collections.abc import Callable, Mapping

from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, day, stages
from tests.browser.site import Response, Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]


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
