"""The built page and an API under one origin, as the servers of the product put them, with a log of what was asked."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from tailrace.http.static_site import Site as Files
from tailrace.http.static_site import SiteResponse as Found

type Answered = tuple[int, Mapping[str, str], str]
type Answer = Callable[[str, str, Mapping[str, str]], Answered]
"""What an API answers to a path, a query and headers."""

CONFIG = {"api": "../api", "refresh_s": 1, "title": "tailrace", "auth": None}


class Site(ThreadingHTTPServer):
    """A server on a free port of the loopback address. ``asked`` are the targets of the API's requests so far.

    While it is ``silent``, the API does not answer.
    """

    daemon_threads = True

    def __init__(self, folder: Path, answer: Answer, config: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.files = Files(folder, config, () if config["auth"] is None else (config["auth"]["issuer"],))
        self.answer = answer
        self.asked: list[str] = []
        self.silent = False

    @property
    def url(self) -> str:
        """The page's address, which is not the root: all that is in it is relative."""
        return f"http://127.0.0.1:{self.server_port}/dashboard/"

    def found(self, target: str, headers: Mapping[str, str]) -> Found:
        """Return what there is at an address."""
        path, query = urlsplit(target).path, urlsplit(target).query
        if not path.startswith("/api/"):
            return self.files.respond(
                path.removeprefix("/dashboard/"), accept_encoding=headers.get("accept-encoding", "")
            )
        self.asked.append(target.removeprefix("/api"))
        while self.silent:
            time.sleep(0.05)
        status, told, text = self.answer(path.removeprefix("/api"), query, headers)
        return Found(status, told, text.encode())


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Site

    def do_GET(self) -> None:
        answer = self.server.found(self.path, {name.lower(): value for name, value in self.headers.items()})
        try:
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)
        except ConnectionError:
            self.close_connection = True  # the page was closed meanwhile

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing: what was asked is in ``asked``."""


@contextmanager
def running_site(folder: Path, answer: Answer, config: Mapping[str, Any] | None = None) -> Iterator[Site]:
    """Run a site until the block is left."""
    site = Site(folder, answer, CONFIG | dict(config or {}))
    thread = Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.silent = False
        site.shutdown()
        thread.join()
        site.server_close()
