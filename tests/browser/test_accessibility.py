"""axe-core finds nothing to mend, however the page looks."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, day
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]
type Look = Callable[[Page], list[str]]

WAYS = pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False), (360, True)])


@WAYS
def test_a_page_with_its_table_open(serve: Serve, visit: Visit, violations: Look, width: int, dark: bool) -> None:
    page = visit(serve(FakeApi(rows=day(8)).answer).url, width=width, dark=dark)
    page.get_by_role("button", name="Table").click()
    page.get_by_role("button", name="s1").click()
    if page.locator("#flow").is_hidden():
        page.get_by_role("button", name="Stages").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@WAYS
def test_a_page_with_its_chooser_open(serve: Serve, visit: Visit, violations: Look, width: int, dark: bool) -> None:
    page = visit(serve(FakeApi(rows=day(12)).answer).url, width=width, dark=dark)
    page.get_by_role("button", name="Choose by sensor").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []


@WAYS
def test_a_page_that_is_stale_and_refused(serve: Serve, visit: Visit, violations: Look, width: int, dark: bool) -> None:
    api = FakeApi(rows=day())
    api.freshness |= {"behind_s": 60}
    page = visit(serve(api.answer).url, width=width, dark=dark)
    expect(page.locator(".panel .warning")).to_be_visible()
    api.problem = (503, {"title": "Not now", "detail": "the table rests"})
    expect(page.locator(".panel .problem")).to_be_visible()
    assert violations(page) == []


def test_the_appearance_is_chosen_and_remembered(serve: Serve, visit: Visit, violations: Look) -> None:
    page = visit(serve(FakeApi(rows=day()).answer).url)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Appearance: system. Change to light").click()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Appearance: light. Change to dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    assert violations(page) == []
    page.reload()
    page.wait_for_selector(".panel")
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Appearance: dark. Change to system").click()
    assert page.evaluate(ground) == light
