"""When values count as stale: panels that nobody reads, idle tables, and an API or an aggregation that is behind."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, day, hours, stages
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]


def test_a_panel_that_was_not_read_or_is_empty_is_not_up_to_date(serve: Serve, visit: Visit) -> None:
    definitions = [hours(f"sensors_{number}") for number in range(8)]
    rows = {one["name"]: day()["sensor_hours"] for one in definitions} | {"sensors_0": []}
    page = visit(serve(FakeApi(definitions, rows).respond).url, width=700, height=800, ready=False)
    marks = page.locator(".panel .fresh")
    expect(marks.nth(0)).to_have_text("no rows")
    expect(marks.nth(1)).to_contain_text("up to date")
    expect(marks.nth(7)).to_have_text("not read yet")
    assert [marks.nth(place).get_attribute("data-state") for place in (0, 1, 7)] == ["none", "well", "none"]


def test_a_panel_out_of_view_and_a_page_that_slept_are_not_stale(serve: Serve, visit: Visit) -> None:
    definitions = [hours(f"sensors_{number}") for number in range(6)]
    rows = {one["name"]: day()["sensor_hours"] for one in definitions}
    page = visit(serve(FakeApi(definitions, rows).respond).url, width=360, height=780, ready=False)
    marks = page.locator(".panel .fresh")
    for place in range(6):
        marks.nth(place).scroll_into_view_if_needed()
        expect(marks.nth(place)).to_contain_text("up to date")
    page.wait_for_timeout(8000)
    states = [mark.get_attribute("data-state") for mark in marks.all()]
    assert "late" not in states
    assert states[0] == "none"  # it was read, and nobody has asked since
    expect(marks.nth(0)).to_contain_text("read ")
    expect(page.locator(".warning:visible")).to_have_count(0)
    assert "behind" in (page.locator("#state").text_content() or "")
    slept = """async () => {
        const real = Date.now;
        Date.now = () => real() + 600_000;
        const seen = [];
        for (let turn = 0; turn < 30; turn += 1) {
            await new Promise((done) => setTimeout(done, 100));
            seen.push(document.querySelector('#state').dataset.state);
            seen.push(...[...document.querySelectorAll('.fresh')].map((one) => one.dataset.state));
        }
        return [...new Set(seen)];
    }"""
    assert set(page.evaluate(slept)) <= {"well", "none"}


@pytest.mark.parametrize("groups", [["sensor", "hour"], ["sensor"], ["sensor", "kind"], ["sensor", "kind", "hour"]])
def test_an_empty_panel_warns_when_aggregation_is_behind(serve: Serve, visit: Visit, groups: list[str]) -> None:
    definition = hours()
    known = {group["name"]: group for group in definition["groups"]} | {"kind": {"name": "kind", "kind": "field"}}
    bucket = definition["bucket"] if "hour" in groups else None
    api = FakeApi([definition | {"groups": [known[name] for name in groups], "bucket": bucket}])
    page = visit(serve(api.respond).url, ready=False)
    expect(page.locator(".panel .fresh")).to_have_text("no rows")
    expect(page.locator(".panel .warning")).to_be_hidden()
    api.freshness |= {"behind_s": 30}
    expect(page.locator(".panel .warning")).to_contain_text("Stale: aggregation is 3")
    api.freshness |= {"behind_s": None}
    expect(page.locator(".panel .fresh")).to_have_text("no rows")


def test_an_idle_table_is_not_stale(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())
    api.freshness |= {"behind_s": None, "age_s": 7200}
    page = visit(serve(api.respond).url)
    mark = page.locator(".panel .fresh")
    expect(mark).to_have_text("up to date with the last change seen, 2 h ago")
    assert mark.get_attribute("data-state") == "idle"
    api.freshness |= {"newest_change": None, "age_s": None}
    expect(mark).to_have_text("no changes in two days")
    expect(page.locator(".panel .warning")).to_be_hidden()


def test_it_warns_when_aggregation_is_behind(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())
    page = visit(serve(api.respond).url)
    expect(page.locator(".panel .fresh")).to_contain_text("up to date · last change 1 s ago")
    expect(page.locator(".panel .warning")).to_be_hidden()
    api.freshness |= {"behind_s": 2}
    page.wait_for_timeout(1500)
    expect(page.locator(".panel .warning")).to_be_hidden()  # a second or two is normal
    api.freshness |= {"behind_s": 30}
    api.health |= {"stages": stages(aggregate={"behind_s": 30})}
    expect(page.locator(".panel .warning")).to_contain_text("Stale: aggregation is 3")
    expect(page.locator("[data-stage=aggregate]")).to_contain_text("behind")
    expect(page.locator("#state")).to_have_text("Aggregation is 30 s behind")
    api.freshness |= {"behind_s": 1}
    expect(page.locator(".panel .warning")).to_be_hidden()


def test_it_warns_when_the_api_does_not_respond(serve: Serve, visit: Visit) -> None:
    served = serve(FakeApi(rows=day()).respond)
    page = visit(served.url)
    served.silent = True
    expect(page.locator(".panel .warning")).to_contain_text("Stale: no response from the API for")
    expect(page.locator("#state")).to_contain_text("No response from the API for")
    served.silent = False
    expect(page.locator(".panel .warning")).to_be_hidden()


def test_a_lag_that_was_read_before_a_pause_is_that_of_then(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())
    api.freshness |= {"behind_s": 6}
    page = visit(serve(api.respond).url, clock=True)
    page.clock.run_for(1500)
    expect(page.locator(".panel .warning")).to_contain_text("Stale: aggregation is ")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(500)  # for requests on their way
    page.clock.fast_forward(3_600_000)
    page.clock.run_for(1500)
    expect(page.locator(".panel .warning")).to_have_text(
        "Stale: these values were read 60 min ago, when aggregation was 6 s behind."
    )
    expect(page.locator(".panel .fresh")).to_have_text("6 s behind, 60 min ago (paused)")


def test_a_clock_that_is_set_back_neither_holds_a_warning_nor_shortens_a_lag(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async () => {
            const { FreshnessMark } = await import('./panels/freshness-mark.js');
            const mark = new FreshnessMark(5);
            const freshness = { newest_change: '2024-06-01T00:00:00Z', age_s: 30, behind_s: 60 };
            mark.update(freshness, false);
            const hourEarlier = Date.now() - 3_600_000;
            mark.show(hourEarlier, true);
            const lag = mark.text.textContent;
            mark.update({ ...freshness, behind_s: 90 }, false);
            mark.show(hourEarlier, true);
            return [lag, mark.warning.textContent];
        }"""
    )
    assert found == ["60 s behind", "Stale: aggregation is 2 min behind. The latest changes may be missing."]
