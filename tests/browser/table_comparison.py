"""Compares the panels of a page with the aggregates table of a running stack."""

from typing import Any

from playwright.sync_api import Page

from local.stack import Stack
from pipeline.definition import pipeline
from tailrace.encoding.dynamodb import decode_item
from tests.browser.page_state import wait_for
from tests.browser.panels.shown_tables import cell, same, table_rows


def assert_panels_match_table(page: Page, stack: Stack, at_least: int = 3) -> None:
    """Assert that each panel lists at least so many rows, all of them equal to the stored ones."""
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.outputs["AggregatesTable"])
    stored = [decode_item(row) for one in pages for row in one["Items"]]
    for aggregate in pipeline.aggregates:
        rows: dict[tuple[str, ...], Any] = {
            tuple(cell(row[group.name]) for group in aggregate.by): aggregate.render(row)
            for row in stored
            if row["pk"].startswith(f"{aggregate.name}@{aggregate.version}#")
        }
        panel = page.locator(f"[data-aggregate={aggregate.name}]")
        panel.scroll_into_view_if_needed()
        wait_for(page, f"document.querySelector('[data-aggregate={aggregate.name}]').panel.rows.length > 0")
        found = table_rows(panel)
        assert len(found) >= at_least
        for line in found:
            row = rows[tuple(line[group.name] for group in aggregate.by)]
            assert row is not None
            for name in aggregate.measures:
                assert same(line[name], row[name]), (aggregate.name, name, line[name], row[name])
