"""The operations of an API description, and of the page that shows it."""

import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Locator, Page

ATTEMPTS = 5


def operations(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the methods and paths of a document's operations."""
    paths = document["paths"].items()
    return {(method.upper(), path) for path, methods in paths for method in methods if method != "parameters"}


def open_operation(page: Page, method: str, path: str) -> Locator:
    """Expand an operation and return it."""
    operation = page.locator(".opblock", has=page.locator(f"[data-path='{path}']")).filter(
        has=page.locator(".opblock-summary-method", has_text=re.compile(f"^{method}$"))
    )
    operation.locator(".opblock-summary-control").click()
    return operation


def execute_with(operation: Locator, parameter: str, value: str) -> None:
    """Give a list parameter its only value, execute the operation, and check that the request carries the value.

    Swagger UI passes on what a field contains 350 ms later; while a busy page renders, its sample value can win. Then
    fill the field again, as a user would.
    """
    page = operation.page
    operation.get_by_role("button", name="Add string item").first.click()
    field = operation.locator(f"tr[data-param-name={parameter}] input")
    sent: list[str] = []
    while f"{parameter}={value}" not in "".join(sent[-1:]):
        assert len(sent) < ATTEMPTS, sent
        field.fill("")
        field.fill(value)
        with page.expect_request(re.compile(rf"\?.*{parameter}=")) as request:
            operation.get_by_role("button", name="Execute").click()
        sent.append(request.value.url)
