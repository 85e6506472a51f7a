"""The documentation's site as its readers see it: diagrams, search, the API reference, and nothing from elsewhere."""

import os
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page

import tailrace
from tests.browser.conftest import missing
from tests.browser.page_state import wait_for
from tests.conftest import ROOT

SPHINX = ROOT / ".tools" / "docs" / "bin" / "python"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, *_arguments: object) -> None:
        """Keep the tests' output free of requests."""


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build the site as `make docs` does."""
    if not SPHINX.exists():
        missing("Sphinx is not here: `make docs` fetches it")
    return subprocess.run(
        [str(SPHINX), "-m", "sphinx", "-q", "-W", "--keep-going", "-c", str(ROOT / "docs" / "site"), source, target],
        env=os.environ | {"PYTHONPATH": str(ROOT / "layers" / "tailrace")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build and serve the site."""
    folder = tmp_path_factory.mktemp("docs")
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stderr
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that may ask this server only, and has nothing to complain of."""
    complaints: list[str] = []
    page = browser.new_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert complaints == []
    assert [url for url in requested if not url.startswith((address, "data:"))] == []


def test_the_diagram_of_the_front_page_is_drawn(page: Page, address: str) -> None:
    page.goto(f"{address}/README.html")
    assert "items table" in wait_for(page, "document.querySelector('pre.mermaid svg')?.textContent")


def test_the_search_finds_a_page(page: Page, address: str) -> None:
    page.goto(f"{address}/search.html?q=freshness")
    assert wait_for(page, "[...document.querySelectorAll('ul.search a')].some(a => a.href.includes('docs/api.html'))")


def test_the_reference_describes_everything_that_a_definition_imports(page: Page, address: str) -> None:
    page.goto(f"{address}/docs/python.html")
    described = set(page.evaluate("[...document.querySelectorAll('dt.sig[id]')].map(({id}) => id)"))
    assert {f"tailrace.{name}" for name in tailrace.__all__} <= described


def test_links_that_lead_nowhere_fail_the_build(tmp_path: Path) -> None:
    """The pages are few, so that the build is short; the sidebar lists pages that are not among them."""
    source = tmp_path / "source"
    (source / "docs").mkdir(parents=True)
    (source / "docs" / "page.md").write_text("# A page\n\n## Somewhere\n")
    links = ["docs/page.md#somewhere", "docs/nopage.md", "docs/page.md#noanchor", "#nosection"]
    (source / "README.md").write_text("# Front\n\n" + "\n".join(f"[a link]({link})" for link in links) + "\n")
    built = build(source, tmp_path / "site")
    assert built.returncode != 0
    assert [name for name in ("somewhere", "nopage", "noanchor", "nosection") if name in built.stderr] == [
        "nopage",
        "noanchor",
        "nosection",
    ]
