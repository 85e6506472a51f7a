"""Fixtures: a real browser, the built site, and pages opened in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

from cli.dashboard.command import SITE
from tests.browser.page_state import wait_for
from tests.browser.site import Respond, Site, running_site
from tests.conftest import ROOT

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first needs a quarter less CPU time."""
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--renderer-process-limit=1",
]  # fmt: skip
SCREENSHOTS = ROOT / ".tailrace" / "screenshots"
AXE = ROOT / ".tools" / "axe" / "package" / "axe.min.js"
WAIT_MS = 20_000
"""How long anything may take to appear, since the machine may be busy."""
STARTED = "document.querySelector('.panel') !== null || !document.querySelector('#notices').matches(':empty')"
PAGE_READY = """(() => {
    const panels = [...document.querySelectorAll('.panel')].map(({ panel }) => panel).filter(({ visible }) => visible);
    return panels.length > 0 && panels.every(({ rows }) => rows.length > 0);
})()"""
"""Every panel in view has rows."""
MEASURED = "measured"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measurements of all test processes, and where the screenshots are."""
    reports = [report for name in ("passed", "failed") for report in terminalreporter.getreports(name)]
    if lines := [str(text) for report in reports for name, text in report.user_properties if name == MEASURED]:
        terminalreporter.section("measured in the browser")
        terminalreporter.write("\n".join([*lines, ""]))
    if SCREENSHOTS.is_dir():
        terminalreporter.write(f"screenshots: {SCREENSHOTS.relative_to(ROOT)}\n")


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return a function that records a measurement for the summary."""
    return partial(record_property, MEASURED)


def missing(reason: str) -> None:
    """Skip the test; fail in CI, where everything can be installed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        # the system's, or the one that `playwright install chromium` has fetched
        names = (*PROGRAMS, playwright.chromium.executable_path)
        program = next((found for name in names if (found := shutil.which(name))), None)
        if program is None:
            missing("no browser found: `apt install chromium`, or `.venv/bin/playwright install chromium`")
        running = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def serve(site_folder: Path) -> Iterator[Callable[..., Site]]:
    """Return a function that serves the page and an API."""
    with ExitStack() as running:

        def start(respond: Respond, **config: object) -> Site:
            return running.enter_context(running_site(site_folder, respond, config))

        yield start


type Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, serve: object) -> Iterator[Visit]:
    """Return a function that opens a page. Errors, missing files and requests to other origins fail the test."""
    with opened_pages(browser) as open_page:
        yield open_page


@contextmanager
def opened_pages(browser: Browser) -> Iterator[Visit]:
    """Provide a function that opens a page; at the end, close the pages and check that all went well in them."""
    opened: list[tuple[Page, str, list[str], list[str]]] = []

    def open_page(
        url: str, *, width: int = 1280, height: int = 900, dark: bool = False, ready: bool = True, clock: bool = False
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale="en-GB",
            timezone_id="Asia/Kolkata",  # differs from every aggregate's: times must be in theirs
        )
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        if clock:  # the test can let time pass
            page.clock.install()
        errors: list[str] = []
        requests: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: errors.append(message.text) if is_console_error(message.type, message.text) else None,
        )
        page.on("response", lambda found: errors.append(f"missing: {found.url}") if is_missing(found) else None)
        page.on("request", lambda request: requests.append(request.url))
        opened.append((page, url, errors, requests))
        page.goto(url)
        if ready:
            wait_for(page, STARTED)
            assert errors == []
            wait_for(page, PAGE_READY)
        return page

    yield open_page
    for page, url, errors, requests in opened:
        page.context.close()
        assert errors == []
        origin = "/".join(url.split("/")[:3])
        assert [one for one in requests if not one.startswith((f"{origin}/", f"blob:{origin}/"))] == []


def is_console_error(kind: str, text: str) -> bool:
    """Return whether a console message is an error of the page. Chromium also logs every failed request."""
    return kind in ("error", "warning") and "Failed to load resource" not in text


def is_missing(response: Response) -> bool:
    """Return whether a file of the site is missing. The API may respond with any status."""
    return response.status >= 400 and "/api/" not in response.url


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    """Return a function that runs axe-core on a page and returns a description of each violation."""
    if not AXE.exists():
        missing("axe-core is not installed: `make test` fetches it")
    source = AXE.read_text(encoding="utf-8")

    def check(page: Page) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    return check


@pytest.fixture(scope="session")
def site_folder() -> Path:
    """Build the site as it is shipped, and return its folder."""
    command = [sys.executable, str(ROOT / "local" / "environments" / "setup.py"), "dashboard"]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode:
        missing(result.stderr)
    return SITE
