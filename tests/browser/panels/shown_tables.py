"""What the tables of panels show."""

from decimal import Decimal
from typing import Any

from playwright.sync_api import Locator

from tailrace.encoding.json_types import Json


def cell(value: Any) -> str:
    """Return a value as a table cell shows it."""
    if isinstance(value, list):
        return ", ".join(map(entry_cell, value))
    if isinstance(value, dict):
        return f"{cell(value['value'])} ({cell(value.get('at', value.get('by')))})"
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def entry_cell(entry: Json) -> str:
    """Return an entry of a list as a table cell shows it."""
    if "count" in entry:
        return f"{cell(entry['value'])} × {cell(entry['count'])}"
    shown = [cell(value) or "–" for name, value in entry.items() if name != "value"]
    return f"{cell(entry['value'])} ({', '.join(shown)})" if shown else cell(entry["value"])


CELLS = "(lines) => lines.map((line) => [...line.querySelectorAll('th, td')].map((one) => one.textContent))"


def table_rows(panel: Locator) -> list[dict[str, str]]:
    """Open a panel's table, and return all its rows by column name."""
    panel.get_by_role("button", name="Table").click()
    previous_page = panel.get_by_role("button", name="Previous rows")
    while not previous_page.is_disabled():  # it stays where it was left
        previous_page.click()
    rows: list[dict[str, str]] = []
    names = panel.evaluate("(one) => one.panel.table.columns.map(({ name }) => name)")
    while True:
        rows += [dict(zip(names, texts, strict=True)) for texts in panel.locator("tbody tr").evaluate_all(CELLS)]
        next_page = panel.get_by_role("button", name="Next rows")
        if next_page.is_disabled():
            panel.get_by_role("button", name="Table").click()
            return rows
        next_page.click()


def same(text: str, value: Any) -> bool:
    """Return whether a cell shows a value, digit for digit."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(text) == value
    return text == cell(value)
