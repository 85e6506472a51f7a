"""Serves the built site and an API from one origin, as the product's servers do, and logs the API's requests."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from tailrace.http.static_site import Site as Files
from tailrace.http.static_site import SiteResponse

type Response = tuple[int, Mapping[str, str], str]
"""Status, headers and body."""
type Respond = Callable[[str, str, Mapping[str, str]], Response]
"""An API: returns the response to a path, a query and headers."""

CONFIG = {"api": "../api", "refresh_s": 1, "title": "tailrace", "auth": None}


class Site(ThreadingHTTPServer):
    """A server on a free port of the loopback address. ``requests`` are the targets of the API's requests so far.

    While it is ``silent``, the API does not respond.
    """

    daemon_threads = True
    request_queue_size = 64  # a browser opens several connections at once, and waits for one that is dropped

    def __init__(self, folder: Path, respond: Respond, config: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.files = _files(folder, json.dumps(config))
        self.respond = respond
        self.requests: list[str] = []
        self.silent = False

    @property
    def url(self) -> str:
        """The page's address. It is not the root, because the page must work under any path."""
        return f"http://127.0.0.1:{self.server_port}/dashboard/"

    def response_to(self, target: str, headers: Mapping[str, str]) -> SiteResponse:
        """Return the response to a request."""
        path, query = urlsplit(target).path, urlsplit(target).query
        if not path.startswith("/api/"):
            return self.files.respond(
                path.removeprefix("/dashboard/"), accept_encoding=headers.get("accept-encoding", "")
            )
        self.requests.append(target.removeprefix("/api"))
        while self.silent:
            time.sleep(0.05)
        status, response_headers, text = self.respond(path.removeprefix("/api"), query, headers)
        return SiteResponse(status, response_headers, text.encode())


@lru_cache(maxsize=8)
def _files(folder: Path, config: str) -> Files:
    """Read a folder's files once: compressing them takes as long as serving them."""
    chosen = json.loads(config)
    return Files(folder, chosen, () if chosen["auth"] is None else (chosen["auth"]["issuer"],))


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Site

    def do_GET(self) -> None:
        response = self.server.response_to(self.path, {name.lower(): value for name, value in self.headers.items()})
        try:
            self.send_response(response.status)
            for name, value in {**response.headers, "Content-Length": str(len(response.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.body)
        except ConnectionError:
            self.close_connection = True  # the page was closed

    def log_message(self, *_arguments: Any) -> None:
        """Log nothing: requests are in ``requests``."""


@contextmanager
def running_site(folder: Path, respond: Respond, config: Mapping[str, Any] | None = None) -> Iterator[Site]:
    """Run a site for the duration of the block."""
    site = Site(folder, respond, CONFIG | dict(config or {}))
    thread = Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.silent = False
        site.shutdown()
        thread.join()
        site.server_close()
