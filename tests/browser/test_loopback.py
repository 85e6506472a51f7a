"""The server of `tailrace dashboard` in a real browser: its address grants access, and other pages have none."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from cli.dashboard.command import running_server
from cli.dashboard.server import DashboardServer
from cli.dashboard.upstream import Upstream, http_session
from tailrace.http.static_site import Site
from tests.unit.cli.conftest import CREDENTIALS, REGION, FakeApi, running_api

FETCH = """([address, mode]) => fetch(address, {mode, credentials: 'include'})
    .then(response => response.status, error => error.name)"""


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with running_api() as running:
        yield running


@pytest.fixture
def server(api: FakeApi, site_folder: Path) -> Iterator[DashboardServer]:
    site = Site(site_folder, {"api": "./api", "refresh_s": 5, "title": "t", "auth": None})
    upstream = Upstream(api.url, REGION, CREDENTIALS, http_session())
    with running_server(site, upstream, key="the-key") as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_the_printed_address_grants_access(page: Page, server: DashboardServer) -> None:
    """The key does not stay in the address bar."""
    page.goto(server.url)
    assert page.evaluate(FETCH, ["./api/aggregates", "same-origin"]) == 401
    page.goto(server.address)
    assert page.url == server.url
    assert page.evaluate(FETCH, ["./api/aggregates", "same-origin"]) == 200
    assert page.evaluate("document.cookie") == ""


class _ForeignPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def foreign_port() -> Iterator[int]:
    """Run another server on this machine, whose pages try to use the dashboard's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _ForeignPage) as running:
        thread = Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_pages_of_other_origins_have_no_access(
    page: Page, server: DashboardServer, api: FakeApi, foreign_port: int, host: str
) -> None:
    """Not even in a browser with access. Another port is the same site, so the browser sends the cookie."""
    page.goto(server.address)
    assert page.evaluate(FETCH, ["./api/aggregates", "same-origin"]) == 200
    page.goto(f"http://{host}:{foreign_port}/")
    count = len(api.asked)
    for mode in ("cors", "no-cors"):
        assert page.evaluate(FETCH, [f"{server.url}api/aggregates", mode]) == "TypeError"
    assert len(api.asked) == count
