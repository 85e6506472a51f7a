"""Numbers outside of tables, which are rounded."""

from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.fake_api import FakeApi, day
from tests.browser.site import Site

type Visit = Callable[..., Page]
type Serve = Callable[..., Site]


def test_zero_has_no_sign(serve: Serve, visit: Visit) -> None:
    page = visit(serve(FakeApi(rows=day()).respond).url)
    found = page.evaluate(
        """async () => {
            const { formatNumber } = await import('./values/format.js');
            const { Exact } = await import('./values/exact.js');
            return [-0, new Exact('-0.0'), -1].map(formatNumber);
        }"""
    )
    assert found == ["0", "0", "-1"]


def test_a_number_is_not_shown_as_an_integer_that_it_is_not(serve: Serve, visit: Visit) -> None:
    """An availability of 0.9999992 is not 1."""
    page = visit(serve(FakeApi(rows=day()).respond).url)
    given = [0.9999992, 1.0000001, -2.00004, 999.99997, 0.99994, 0.999, 20.5, 1, 1234.5, 12345.6, 0]
    exact = [
        "0.99999999999999999999",
        "1.00000000000000000001",
        "0.9999992000000000",
        "20.0000000000000000",
        "99999999999999.5",
    ]
    found = page.evaluate(
        """async ([given, exact]) => {
            const { formatNumber } = await import('./values/format.js');
            const { Exact } = await import('./values/exact.js');
            return [...given, ...exact.map((text) => new Exact(text))].map(formatNumber);
        }""",
        [given, exact],
    )
    assert found == [
        *("0.9999992", "1.0000001", "-2.00004", "999.99997", "0.9999", "0.999", "20.5", "1"),
        *("1,235", "12,346", "0", "1.000", "1.000", "0.9999992", "20", "100,000,000,000,000"),
    ]
