"""The value axis of a chart: its scale and ticks, for numbers of any size and difference."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.fake_api import FakeApi, row
from tests.browser.page_state import wait_for
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]

WRITTEN = """() => {
    const { fillText } = CanvasRenderingContext2D.prototype;
    window.written = new Set();
    CanvasRenderingContext2D.prototype.fillText = function (text, ...others) {
        window.written.add(text);
        return fillText.call(this, text, ...others);
    };
}"""
"""A function that records the texts drawn on a chart from now on."""


@pytest.mark.parametrize("power", [-120, -30, -14, 26, 40, 120])
def test_the_value_axis_of_tiny_and_huge_numbers_has_ticks(serve: Serve, visit: Visit, power: int) -> None:
    rows = [row("s0", hour, 1) | {"celsius": Decimal(f"{hour}E{power}")} for hour in range(9)]
    page = visit(serve(FakeApi(rows={"sensor_hours": rows}).respond).url)
    page.get_by_label("Measure").select_option("celsius")
    expect(page.locator(".foot-note")).to_contain_text("Celsius")
    page.evaluate(WRITTEN)
    ticks = ["0", *(f"{number}e{power:+}" for number in (2, 4, 6, 8))]
    wait_for(page, f"{ticks}.every((tick) => written.has(tick))")
    drawn = page.evaluate(
        "(() => { const { chart } = document.querySelector('.panel').panel;"
        " return [0, 1, 8].map((index) => chart.drawnValue(0, index)); })()"
    )
    assert drawn == pytest.approx([0, float(f"1e{power}"), float(f"8e{power}")], abs=0)


def show_means(serve: Serve, visit: Visit, lines: list[list[str]]) -> Page:
    """Open a page with a line of means for each list, and record the texts drawn on the chart from then on."""
    rows = [
        row(f"s{line}", hour, len(lines) - line) | {"celsius": Decimal(text)}
        for line, texts in enumerate(lines)
        for hour, text in enumerate(texts)
    ]
    page = visit(serve(FakeApi(rows={"sensor_hours": rows}).respond).url)
    page.evaluate(WRITTEN)
    page.get_by_label("Measure").select_option("celsius")
    expect(page.locator(".foot-note")).to_contain_text("Celsius")
    return page


@pytest.mark.parametrize(
    ("texts", "ticks"),
    [
        (["0.9999992", "0.9999995", "0.9999999"], ["0.9999992", "0.9999994", "0.9999996", "0.9999998"]),
        (["20.0000002", "20.0000008", "20.0000005"], ["20.0000002", "20.0000004", "20.0000006", "20.0000008"]),
        (["-1.0000003", "-1.0000007"], ["-1.0000007", "-1.0000006", "-1.0000005", "-1.0000004"]),
    ],
)
def test_numbers_that_are_almost_round_have_an_axis(
    serve: Serve, visit: Visit, texts: list[str], ticks: list[str]
) -> None:
    page = show_means(serve, visit, [texts])
    wait_for(page, f"{ticks}.every((tick) => written.has(tick))")


def test_a_hidden_line_does_not_determine_the_scale_of_the_others(serve: Serve, visit: Visit) -> None:
    page = show_means(serve, visit, [["0", "8e30"], ["3", "8"]])
    wait_for(page, "written.has('8e+30')")
    page.get_by_role("button", name="s0").click()
    wait_for(page, "['4', '6', '8'].every((tick) => written.has(tick))")
