"""A printed page: charts that fit on paper, and panels that are not in view."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import PAGE_READY
from tests.browser.fake_api import FakeApi, day, hours
from tests.browser.page_state import wait_for
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]

PAPER_WIDTH = 740
RECORD_PRINTING = """() => {
    const texts = () => [...document.querySelectorAll('.panel .fresh')].map((one) => one.textContent);
    window.printed = [];
    window.print = () => window.printed.push(texts());
    addEventListener('keydown', (event) => { window.isPrevented = event.defaultPrevented; });
}"""


def serve_many(serve: Serve) -> Site:
    """Serve a page with more panels than are in view."""
    definitions = [hours(f"sensors_{number}") for number in range(6)]
    return serve(FakeApi(definitions, {one["name"]: day()["sensor_hours"] for one in definitions}).respond)


def test_a_chart_of_a_wide_screen_fits_on_paper(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url, width=3000)
    # a browser lays out a page for paper without any event
    page.add_init_script("window.ResizeObserver = class { observe() {} }")
    page.reload()
    wait_for(page, PAGE_READY)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER_WIDTH, "height": 1000})
    canvas = page.locator(".plot canvas")
    size, drawn, fit = canvas.evaluate(
        """(one) => [
            [one.clientWidth, one.clientHeight],
            [one.width / devicePixelRatio, one.height / devicePixelRatio],
            getComputedStyle(one).objectFit,
        ]"""
    )
    assert PAPER_WIDTH - 80 < size[0] < PAPER_WIDTH - 20
    assert fit == "contain"
    assert min(size[0] / drawn[0], size[1] / drawn[1]) > 0.7  # otherwise, its text is too small to read
    assert page.locator(".plot").evaluate("(one) => one.clientHeight") == size[1]
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 3000, "height": 900})
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert canvas.evaluate("(one) => one.clientWidth") > 2800
    assert canvas.evaluate("(one) => one.width / devicePixelRatio") > 2800


def test_panels_out_of_view_are_read_before_they_are_printed(serve: Serve, visit: Visit) -> None:
    page = visit(serve_many(serve).url, width=700, height=600)
    page.evaluate(RECORD_PRINTING)
    expect(page.locator(".panel .fresh").last).to_have_text("not read yet")
    page.keyboard.press("Control+p")
    assert page.evaluate("isPrevented")
    wait_for(page, "printed.length === 1")
    [texts] = page.evaluate("printed")
    assert [text.partition(" · ")[0] for text in texts] == ["up to date"] * 6
    expect(page.locator("#notices")).to_be_empty()


def test_a_second_press_prints_at_once(serve: Serve, visit: Visit) -> None:
    served = serve_many(serve)
    page = visit(served.url, width=700, height=600)
    page.evaluate(RECORD_PRINTING)
    served.silent = True
    page.keyboard.press("Control+p")
    expect(page.locator("#notices")).to_contain_text("Reading")
    page.keyboard.press("Control+p")
    assert not page.evaluate("isPrevented")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    served.silent = False
    expect(page.locator("#notices")).to_be_empty()
    assert page.evaluate("printed") == []


def test_what_the_menu_prints_is_read_for_the_next_time(serve: Serve, visit: Visit) -> None:
    """The paper says which panels it lacks: an empty one would look as if there were no rows."""
    page = visit(serve_many(serve).url, width=700, height=600)
    told = page.locator(".panel", has_text="was not in view before it was printed, so it was not read. Print again")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert told.count() == 5
    expect(page.locator(".panel .fresh", has_text="not read yet")).to_have_count(0)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert told.count() == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert told.count() == 0


def test_a_panel_that_could_not_be_read_is_printed_with_the_reason(serve: Serve, visit: Visit) -> None:
    api = FakeApi(rows=day())
    api.problem = (500, {"title": "Out of order"})
    page = visit(
        serve(lambda *asked: FakeApi().respond(*asked) if asked[0] == "/aggregates" else api.respond(*asked)).url,
        ready=False,
    )
    expect(page.locator(".panel .problem")).to_contain_text("Out of order")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert "Print again" not in (page.locator(".panel").text_content() or "")
