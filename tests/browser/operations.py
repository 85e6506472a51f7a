"""The operations of an API description, and of the page that shows it."""

import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Locator, Page


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
