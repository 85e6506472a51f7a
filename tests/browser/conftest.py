"""A real browser, the built page, and what a test asks of a page."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from cli.dashboard import SITE
from tests.browser.page_state import wait_for
from tests.browser.site import Answer, Site, running_site
from tests.conftest import ROOT

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SCREENSHOTS = ROOT / ".tailrace" / "screenshots"
AXE = ROOT / ".tools" / "axe" / "package" / "axe.min.js"
WAIT_MS = 20_000
STARTED = "document.querySelector('.panel') !== null || !document.querySelector('#notices').matches(':empty')"
PAGE_READY = """(() => {
    const panels = [...document.querySelectorAll('.panel')].map(({ panel }) => panel).filter(({ visible }) => visible);
    return panels.length > 0 && panels.every(({ rows }) => rows.length > 0);
})()"""
"""Every panel that can be seen has rows."""

MEASURED = "measured"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured, in whatever process, and where the pictures are."""
    reports = [report for name in ("passed", "failed") for report in terminalreporter.getreports(name)]
    if lines := [str(text) for report in reports for name, text in report.user_properties if name == MEASURED]:
        terminalreporter.section("measured in the browser")
        terminalreporter.write("\n".join([*lines, ""]))
    if SCREENSHOTS.is_dir():
        terminalreporter.write(f"pictures to look at: {SCREENSHOTS.relative_to(ROOT)}\n")


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return a way to have a figure shown when the tests are over."""
    return partial(record_property, MEASURED)


def missing(reason: str) -> None:
    """Skip for a reason; in CI, where it can be installed, fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # the machine's own, or what `playwright install chromium` has fetched
        names = (*PROGRAMS, playwright.chromium.executable_path)
        program = next((found for name in names if (found := shutil.which(name))), None)
        if program is None:
            missing("there is no browser: `apt install chromium`, or `.venv/bin/playwright install chromium`")
        running = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def serve(site_folder: Path) -> Iterator[Callable[..., Site]]:
    """Return a way to serve the page beside an API."""
    with ExitStack() as running:

        def start(answer: Answer, **config: object) -> Site:
            return running.enter_context(running_site(site_folder, answer, config))

        yield start


@pytest.fixture
def visit(browser: Browser, serve: object) -> Iterator[Callable[..., Page]]:
    """Return a way to open a page; nothing may go wrong in it, and nothing may leave its origin."""
    opened: list[tuple[Page, str, list[str], list[str]]] = []

    def go(url: str, *, width: int = 1280, height: int = 900, dark: bool = False, ready: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale="en-GB",
            timezone_id="Asia/Kolkata",  # nobody's data are of here: times are the aggregate's, not the reader's
        )
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        wrong: list[str] = []
        asked: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if is_console_error(said.type, said.text) else None)
        page.on("request", lambda request: asked.append(request.url))
        opened.append((page, url, wrong, asked))
        page.goto(url)
        if ready:
            wait_for(page, STARTED)
            assert wrong == []
            wait_for(page, PAGE_READY)
        return page

    yield go
    for page, url, wrong, asked in opened:
        page.context.close()
        assert wrong == []
        origin = "/".join(url.split("/")[:3])
        assert [one for one in asked if not one.startswith((f"{origin}/", f"blob:{origin}/"))] == []


def is_console_error(kind: str, text: str) -> bool:
    """Tell whether the console complains of the page; that an answer was a refusal it tells in any case."""
    return kind in ("error", "warning") and "Failed to load resource" not in text


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    """Return a way to have axe-core look at a page as it is now; what it says of each fault."""
    if not AXE.exists():
        missing("axe-core is not here: `make test` fetches it")
    source = AXE.read_text(encoding="utf-8")

    def look(page: Page) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{fault['id']}: {node['target']} {node['failureSummary']}"
            for fault in found["violations"]
            for node in fault["nodes"]
        ]

    return look


@pytest.fixture(scope="session")
def site_folder() -> Path:
    """Make the site as it is shipped, and return its folder."""
    making = [sys.executable, str(ROOT / "local" / "environments" / "setup.py"), "dashboard"]
    made = subprocess.run(making, check=False, capture_output=True, text=True)
    if made.returncode:
        missing(made.stderr)
    return SITE
