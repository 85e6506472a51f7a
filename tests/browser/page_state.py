"""Reading the state of a page. The page's policy forbids `eval`, which Playwright's own `wait_for_function` needs."""

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Error, Page

CHART_DATA = "document.querySelector('.panel').panel.chartData"
"""An expression: the data of the first panel's chart."""

DRAWN_COLOR = """(one) => {
    const [canvas, color] = [document.querySelector('.plot canvas'), getComputedStyle(one).backgroundColor];
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some((_, at) => at % 4 === 0 && color === `rgb(${data.slice(at, at + 3).join(', ')})`);
}"""
"""A function: whether the chart has the color of a swatch."""

PAINT_LIMIT_MS = 1000
MAX_MEASUREMENTS = 5

FOCUSED_LABEL = """() => {
    const one = document.activeElement;
    const label = one.labels?.[0]?.textContent ?? one.getAttribute('aria-label') ?? one.textContent;
    return one === document.body ? null : label.trim();
}"""
"""A function: the label of the focused element, or null."""


def wait_for(page: Page, expression: str, within_s: float = 20) -> Any:
    """Wait until an expression is true in a page, and return its value. Meanwhile, the page may reload itself."""
    limit = time.monotonic() + within_s
    while True:
        reason = None
        try:
            found = page.evaluate(expression)
        except Error as error:
            found, reason = None, error
        if found:
            return found
        if time.monotonic() > limit:
            raise AssertionError(f"not within {within_s} s: {expression}") from reason
        page.wait_for_timeout(40)


def wait_until(page: Page, look: Callable[[], bool], within_s: float = 20) -> None:
    """Wait until a test sees something, while the page goes on."""
    limit = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < limit
        page.wait_for_timeout(100)


def until_below(limit: float, measure: Callable[[], float]) -> list[float]:
    """Measure until a figure is below its limit, five times at most: the machine may be busy. Return all figures."""
    found = [measure()]
    while found[-1] >= limit and len(found) < MAX_MEASUREMENTS:
        found.append(measure())
    return found


def listed(figures: list[float], digits: int = 0) -> str:
    """Return all figures of a measurement, for the summary."""
    return ", ".join(f"{figure:.{digits}f}" for figure in figures)


def first_paint(visit: Callable[[], Page]) -> tuple[Page, list[float]]:
    """Open a page until it paints within a second.

    Returns:
        The page, and when it first painted content, at each time that it was opened.
    """
    pages: list[Page] = []

    def paint() -> float:
        pages.append(visit())
        return float(pages[-1].evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))

    found = until_below(PAINT_LIMIT_MS, paint)
    return pages[-1], found


def announced_text(page: Page) -> str:
    """Return the last announcement of a chart."""
    return page.locator(".plot ~ [aria-live]").first.text_content() or ""
