"""Panels say how far a build is, what is not built, and what may not be exact; the page follows deployments."""

from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import Page, expect

from tailrace.encoding.json_types import Json
from tests.browser.conftest import SCREENSHOTS
from tests.browser.fake_api import FakeApi, day, hours
from tests.browser.page_state import wait_for
from tests.browser.site import Response, Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]

LISTED_EVERY_MS = 5000
"""How often the page asks for the list of aggregates, at least."""
LIVE = {"version": 1, "state": "live", "exact": True, "reason": None}


def building(progress: float | None, reason: str | None = None) -> Json:
    return {"version": 2, "state": "building", "exact": False, "reason": reason, "progress": progress}


def described(shown: int | None, *generations: Json, name: str = "sensor_hours", **values: Any) -> Json:
    """Return the description of an aggregate with these generations."""
    return hours(name) | {"version": shown or 2, "shown": shown, "generations": list(generations)} | values


def test_an_exact_generation_needs_no_words(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi([described(1, LIVE)], rows=day()).respond).url)
    expect(page.locator(".panel .build")).to_be_hidden()
    expect(page.locator(".panel .inexact:visible")).to_have_count(0)


def test_a_panel_says_why_its_values_may_not_be_exact(serve: Serve, visit: Visit) -> None:
    doubted = LIVE | {"exact": False, "reason": "a batch was given up"}
    page = visit(serve(FakeApi([described(1, doubted)], rows=day()).respond).url)
    expect(page.locator(".panel .inexact:visible")).to_have_text("These values may not be exact: a batch was given up.")
    expect(page.locator(".panel .build")).to_be_hidden()


def test_a_version_that_is_not_fed_any_more_is_not_up_to_date(serve: Serve, visit: Visit) -> None:
    """The freshness that the API reports is that of all aggregates."""
    interrupted = {"version": 1, "state": "interrupted", "exact": False, "reason": "its meaning has changed"}
    api = FakeApi([described(1, interrupted)], rows=day())
    page = visit(serve(api.respond).url, clock=True)
    page.clock.run_for(1500)
    mark = page.locator(".panel .fresh")
    expect(mark).to_have_text("no longer updated")
    expect(page.locator("#state")).to_have_text("1 panel is not up to date")
    api.aggregates = [described(1, LIVE)]
    page.clock.run_for(LISTED_EVERY_MS + 1500)
    expect(mark).to_contain_text("up to date")


def test_a_panel_that_is_not_built_says_how_and_requests_no_rows(serve: Serve, visit: Visit) -> None:
    declared = {"version": 2, "state": "declared", "exact": False, "reason": None}
    served = serve(FakeApi([described(None, declared)], rows=day()).respond)
    page = visit(served.url, ready=False, clock=True)
    expect(page.locator(".panel .build")).to_have_text(
        "Version 2 is not built. Run tailrace rebuild sensor_hours to build it."
    )
    for part in (".controls", ".stage", ".panel-foot", "progress", ".problem"):
        expect(page.locator(f".panel {part}").first).to_be_hidden()
    page.clock.run_for(2500)
    page.wait_for_timeout(300)  # for requests on their way
    assert not any("/rows" in target or "/groups" in target for target in served.requests)


def test_a_build_is_followed_until_its_rows_are_shown(serve: Serve, visit: Visit) -> None:
    api = FakeApi([described(None, building(None))], rows=day())
    page = visit(serve(api.respond).url, ready=False, clock=True)
    text, bar = page.locator(".panel .build"), page.get_by_role("progressbar", name="Build of Sensor hours")
    expect(text).to_have_text("Version 2 is being built.")
    expect(bar).not_to_have_attribute("value", "0")
    api.aggregates = [described(None, building(0.429))]
    page.clock.fast_forward(LISTED_EVERY_MS)
    expect(text).to_have_text("Version 2 is being built: 42% done.")
    expect(bar).to_have_attribute("value", "0.429")
    api.aggregates = [described(None, building(0.57))]
    page.clock.fast_forward(LISTED_EVERY_MS)
    expect(text).to_have_text("Version 2 is being built: 57% done.")
    api.aggregates = [described(None, building(None, "the build failed: a batch was given up"))]
    page.clock.fast_forward(LISTED_EVERY_MS)
    expect(text).to_have_text(
        "Version 2 is not built (the build failed: a batch was given up). "
        "Run tailrace rebuild sensor_hours to build it.",
    )
    expect(bar).to_be_hidden()
    api.aggregates = [described(2, LIVE | {"version": 2})]
    page.clock.fast_forward(LISTED_EVERY_MS)
    expect(text).to_be_hidden()
    wait_for(page, "document.querySelector('.panel').panel.rows.length > 0")


def test_the_old_version_is_shown_while_the_new_one_is_built(serve: Serve, visit: Visit) -> None:
    api = FakeApi([described(1, building(0.5), LIVE)], rows=day())
    page = visit(serve(api.respond).url, clock=True)
    expect(page.locator(".panel .build")).to_have_text(
        "Version 2 is being built: 50% done. Until then, version 1 is shown."
    )
    page.evaluate("document.querySelector('.panel').dataset.mark = 'old'")
    api.aggregates = [described(1, building(0.7), LIVE)]
    page.clock.fast_forward(LISTED_EVERY_MS)
    expect(page.locator(".panel[data-mark=old] .build")).to_contain_text("70% done")  # the same panel
    measures = [{"name": "readings", "kind": "count", "unit": None, "description": "All of them."}]
    api.aggregates = [described(2, LIVE | {"version": 2}, LIVE, measures=measures)]
    page.clock.fast_forward(LISTED_EVERY_MS)
    expect(page.locator(".panel[data-mark=old]")).to_have_count(0)
    wait_for(page, "document.querySelector('.panel').panel.rows.length > 0")
    expect(page.locator(".panel .foot-note")).to_contain_text("All of them.")


def test_rows_of_another_version_are_not_shown_as_those_of_the_old_one(serve: Serve, visit: Visit) -> None:
    """The rows of a version with another group would be drawn on top of each other."""
    api = FakeApi([described(1, LIVE)], rows=day())
    held = [False]

    def respond(path: str, query: str, headers: Mapping[str, str]) -> Response:
        if path == "/aggregates" and held[0]:
            return 429, {"Content-Type": "application/json"}, '{"message": "Too Many Requests"}'
        return api.respond(path, query, headers)

    page = visit(serve(respond).url)
    expect(page.locator(".legend .value").first).to_have_text("33")
    held[0] = True
    api.aggregates = [described(2, LIVE | {"version": 2}, LIVE, description="By region.")]
    api.rows["sensor_hours"] = [one | {"readings": 1000} for one in api.rows["sensor_hours"]]
    expect(page.locator(".panel .problem")).to_have_text("Readers see version 2 of sensor_hours now, not version 1.")
    expect(page.locator(".legend .value").first).to_have_text("33")
    held[0] = False
    expect(page.locator(".panel .about")).to_have_text("By region.")
    expect(page.locator(".legend .value").first).to_have_text("1,000")
    expect(page.locator(".problem:visible")).to_have_count(0)


def test_an_aggregate_that_is_deployed_appears_and_one_that_is_gone_disappears(serve: Serve, visit: Visit) -> None:
    rows = day()
    api = FakeApi([described(1, LIVE)], rows=rows | {"new_hours": rows["sensor_hours"]})
    page = visit(serve(api.respond).url, clock=True)
    page.evaluate("document.querySelector('.panel').dataset.mark = 'old'")
    api.aggregates = [described(1, LIVE), described(1, LIVE, name="new_hours")]
    page.clock.fast_forward(LISTED_EVERY_MS)
    expect(page.locator(".panel")).to_have_count(2)
    expect(page.locator(".panel[data-mark=old]")).to_have_count(1)
    wait_for(page, "[...document.querySelectorAll('.panel')].every(({ panel }) => panel.rows.length > 0)")
    expect(page.locator("h2 small")).to_have_text("2 aggregates")
    api.aggregates = [described(1, LIVE, name="new_hours")]
    page.clock.fast_forward(LISTED_EVERY_MS)
    expect(page.locator(".panel")).to_have_count(1)
    expect(page.locator(".panel[data-mark=old]")).to_have_count(0)


def test_a_deployment_leaves_the_other_panels_as_they_are(serve: Serve, visit: Visit) -> None:
    """What has the focus in them keeps it, and what is scrolled stays where it is."""
    rows = day()
    names = ["sensor_hours", "a_hours", "b_hours"]
    api = FakeApi([described(1, LIVE)], rows=dict.fromkeys(names, rows["sensor_hours"]))
    page = visit(serve(api.respond).url, clock=True)
    page.get_by_role("button", name="Table").click()
    page.evaluate("document.querySelector('.scroll').scrollTop = 300")
    measure = page.locator("[data-aggregate=sensor_hours]").get_by_role("combobox", name="Measure")
    measure.focus()
    # one before it, then another collection before its own, then neither
    others = described(1, LIVE, name="a_hours"), described(1, LIVE, name="b_hours", collection="others")
    for aggregates in (
        [others[0], described(1, LIVE)],
        [others[1], others[0], described(1, LIVE)],
        [described(1, LIVE)],
    ):
        api.aggregates = aggregates
        page.clock.fast_forward(LISTED_EVERY_MS)
        expect(page.locator(".panel")).to_have_count(len(aggregates))
        expect(page.locator(".collection")).to_have_count(len({str(one["collection"]) for one in aggregates}))
        expect(measure).to_be_focused()
        assert page.locator("[data-aggregate=sensor_hours] .scroll").evaluate("(one) => one.scrollTop") == 300


def test_the_list_is_not_requested_while_the_page_is_paused(serve: Serve, visit: Visit) -> None:
    served = serve(FakeApi([described(1, building(0.5), LIVE)], rows=day()).respond)
    page = visit(served.url, clock=True)
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(600)  # for requests in flight
    served.requests.clear()
    page.clock.run_for(LISTED_EVERY_MS + 500)
    page.wait_for_timeout(300)  # for requests on their way
    assert served.requests == []


def test_every_state_is_accessible(serve: Serve, visit: Visit, violations: Callable[[Page], list[str]]) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    declared = {"version": 1, "state": "declared", "exact": False, "reason": None}
    doubted = LIVE | {"exact": False, "reason": "a batch was given up on 2 March; run `tailrace verify --repair`"}
    names = ["exact_hours", "building_hours", "new_hours", "unbuilt_hours", "doubted_hours"]
    api = FakeApi(
        [
            described(1, LIVE, name=names[0]),
            described(1, building(0.42), LIVE, name=names[1]),
            described(None, building(None), name=names[2]),
            described(None, declared, name=names[3]),
            described(1, doubted, name=names[4]),
        ],
        rows=dict.fromkeys(names, day()["sensor_hours"]),
    )
    for dark in (False, True):
        page = visit(serve(api.respond).url, height=1800, dark=dark, ready=False)
        wait_for(page, "document.querySelector('.panel')?.panel.rows.length > 0")
        page.wait_for_timeout(500)
        page.screenshot(path=SCREENSHOTS / f"generations-{'dark' if dark else 'light'}.png", full_page=True)
        assert violations(page) == []
