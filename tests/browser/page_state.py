"""Looks at a page that its own policy allows: it forbids to make code from texts, as Playwright's waiting does."""

import time
from typing import Any

from playwright.sync_api import Page

CHART_DATA = "document.querySelector('.panel').panel.chartData"
"""What the first panel draws, as an expression."""

FOCUSED_LABEL = """() => {
    const one = document.activeElement;
    const label = one.labels?.[0]?.textContent ?? one.getAttribute('aria-label') ?? one.textContent;
    return one === document.body ? null : label.trim();
}"""
"""What has the focus, by its label; null where nothing has."""


def wait_for(page: Page, expression: str, within_s: float = 20) -> Any:
    """Wait until an expression is true of a page, and return its value."""
    limit = time.monotonic() + within_s
    while not (found := page.evaluate(expression)):
        if time.monotonic() > limit:
            raise AssertionError(f"not within {within_s} s: {expression}")
        page.wait_for_timeout(40)
    return found


def announced_text(page: Page) -> str:
    """Return what a chart has read aloud last."""
    return page.locator(".plot ~ [aria-live]").first.text_content() or ""
