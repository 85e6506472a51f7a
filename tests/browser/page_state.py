"""Reading the state of a page. The page's policy forbids `eval`, which Playwright's own `wait_for_function` needs."""

import time
from typing import Any

from playwright.sync_api import Page

CHART_DATA = "document.querySelector('.panel').panel.chartData"
"""An expression: the data of the first panel's chart."""

FOCUSED_LABEL = """() => {
    const one = document.activeElement;
    const label = one.labels?.[0]?.textContent ?? one.getAttribute('aria-label') ?? one.textContent;
    return one === document.body ? null : label.trim();
}"""
"""A function: the label of the focused element, or null."""


def wait_for(page: Page, expression: str, within_s: float = 20) -> Any:
    """Wait until an expression is true in a page, and return its value."""
    limit = time.monotonic() + within_s
    while not (found := page.evaluate(expression)):
        if time.monotonic() > limit:
            raise AssertionError(f"not within {within_s} s: {expression}")
        page.wait_for_timeout(40)
    return found


def announced_text(page: Page) -> str:
    """Return the last announcement of a chart."""
    return page.locator(".plot ~ [aria-live]").first.text_content() or ""
