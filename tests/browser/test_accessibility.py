"""axe-core finds no violations, in light and dark, on large and small screens."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PAGE_READY
from tests.browser.fake_api import FakeApi, day
from tests.browser.page_state import DRAWN_COLOR, wait_for, wait_until
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]
type Check = Callable[[Page], list[str]]

VARIANTS = pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False), (360, True)])


@VARIANTS
def test_a_page_with_a_table_open(serve: Serve, visit: Visit, violations: Check, width: int, dark: bool) -> None:
    page = visit(serve(FakeApi(rows=day(8)).respond).url, width=width, dark=dark)
    page.get_by_role("button", name="Table").click()
    page.get_by_role("button", name="s1").click()
    if page.locator("#flow").is_hidden():
        page.get_by_role("button", name="Stages").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@VARIANTS
def test_a_page_with_a_dialog_open(serve: Serve, visit: Visit, violations: Check, width: int, dark: bool) -> None:
    page = visit(serve(FakeApi(rows=day(12)).respond).url, width=width, dark=dark)
    page.get_by_role("button", name="Filter by sensor").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []


@VARIANTS
def test_a_page_with_a_warning_and_an_error(
    serve: Serve, visit: Visit, violations: Check, width: int, dark: bool
) -> None:
    api = FakeApi(rows=day())
    api.freshness |= {"behind_s": 60}
    page = visit(serve(api.respond).url, width=width, dark=dark)
    expect(page.locator(".panel .warning")).to_be_visible()
    api.problem = (503, {"title": "Try again later", "detail": "the table is throttled"})
    expect(page.locator(".panel .problem")).to_be_visible()
    assert violations(page) == []


def test_the_appearance_can_be_switched_and_is_remembered(serve: Serve, visit: Visit, violations: Check) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Appearance: system. Switch to light").click()
    assert page.evaluate(background) == light
    page.get_by_role("button", name="Appearance: light. Switch to dark").click()
    dark = page.evaluate(background)
    assert dark != light
    assert violations(page) == []
    page.reload()
    page.wait_for_selector(".panel")
    assert page.evaluate(background) == dark
    page.get_by_role("button", name="Appearance: dark. Switch to system").click()
    assert page.evaluate(background) == light


def test_high_contrast_keeps_the_colors_that_tell_lines_bars_and_states_apart(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    marks = (
        "[...document.querySelectorAll('.legend .swatch, .dot')].map((one) => getComputedStyle(one).backgroundColor)"
    )
    colors = page.evaluate(marks)
    page.emulate_media(forced_colors="active")
    assert page.evaluate(marks) == colors


@pytest.mark.parametrize("dark", [False, True])
def test_high_contrast_has_the_colors_for_the_ground_of_the_system(serve: Serve, visit: Visit, dark: bool) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url, dark=dark)
    of_root = "getComputedStyle(document.documentElement)"
    colors = f"['line-1', 'line-8', 'ink-soft'].map((one) => {of_root}.getPropertyValue('--' + one))"
    of_system = page.evaluate(colors)
    page.evaluate(f"localStorage.setItem('tailrace.appearance', '{'light' if dark else 'dark'}')")
    page.reload()
    wait_for(page, PAGE_READY)
    assert page.evaluate(colors) != of_system
    page.emulate_media(forced_colors="active", color_scheme="dark" if dark else "light")
    wait_for(page, f"({colors}).join() === '{','.join(of_system)}'")
    # the canvas, too
    assert page.locator(".legend .swatch").first.evaluate(DRAWN_COLOR)
    page.emulate_media(forced_colors="none", color_scheme="dark" if dark else "light")
    wait_for(page, f"({colors}).join() !== '{','.join(of_system)}'")


@pytest.mark.parametrize("chosen", [False, True])
def test_a_page_in_the_dark_is_printed_dark_on_white(serve: Serve, visit: Visit, chosen: bool) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url, dark=not chosen)
    ink = "getComputedStyle(document.documentElement).color"
    if chosen:
        page.get_by_role("button", name="Appearance: system. Switch to light").click()
        page.get_by_role("button", name="Appearance: light. Switch to dark").click()
    assert page.evaluate(ink) == "rgb(232, 236, 241)"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate(ink) == "rgb(22, 32, 44)"
    # without it, browsers print no background, which is all that a swatch has
    swatch = page.locator(".legend .swatch").first
    assert swatch.evaluate("(one) => getComputedStyle(one).printColorAdjust") == "exact"
    # a canvas is printed as it was drawn
    assert swatch.evaluate(DRAWN_COLOR)
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(ink) == "rgb(232, 236, 241)"


def test_a_printed_table_is_not_cut_off(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    page.get_by_role("button", name="Table").click()
    hidden = "(one) => one.scrollHeight - one.clientHeight"
    region = page.get_by_role("region", name="Rows of Sensor hours")
    assert region.evaluate(hidden) > 0
    page.emulate_media(media="print")
    assert region.evaluate(hidden) == 0


def test_a_start_that_is_retried_is_announced_once(serve: Serve, visit: Visit) -> None:
    api = FakeApi(problem=(503, {"title": "Try again later"}))
    served = serve(api.respond)
    page = visit(served.url, ready=False)
    expect(page.locator("#notices")).to_have_text("Try again later. Retrying …")
    announced = "(window.announced ??= []).push(document.querySelector('#notices').textContent)"
    observed = "{ childList: true, subtree: true, characterData: true }"
    page.evaluate(
        f"() => new MutationObserver(() => {announced}).observe(document.querySelector('#notices'), {observed})"
    )
    before = len(served.requests)
    wait_until(page, lambda: len(served.requests) > before + 1)
    assert page.evaluate("window.announced ?? []") == []
    api.problem = (503, {"title": "Not yet"})
    expect(page.locator("#notices")).to_have_text("Not yet. Retrying …")
