"""The dashboard on loopback: the page's files, and under ``/api/`` a proxy to a stack's API.

The proxy signs with the user's credentials, so access is restricted: the server listens on loopback only; the Host
header must be ours, against DNS rebinding; requests from pages of other origins are rejected; and, except for the
emulator, a key keeps out other users of this machine.
"""

import json
import secrets
import sys
from hmac import compare_digest
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

from cli.dashboard.upstream import Upstream, UpstreamError
from tailrace.http.static_site import Site, SiteResponse

HOST = "127.0.0.1"
API = "/api"
TYPE_PREFIX = "urn:problem-type:tailrace-dashboard:"
IDLE_TIMEOUT_S = 60
_ALLOWED_METHODS = ("GET", "HEAD")


class _RequestRejected(Exception):
    def __init__(self, status: int, name: str, title: str, detail: str = "", **headers: str) -> None:
        super().__init__(title)
        document = {"type": f"{TYPE_PREFIX}{name}", "title": title, "status": status, "detail": detail}
        kind = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
        self.response = SiteResponse(status, kind | headers, json.dumps(document).encode())


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT_S
    wbufsize = -1  # send each response in one piece: a second one would wait for an acknowledgement
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain"
    server: "DashboardServer"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # the base class looks up a method per HTTP method
            return self._serve
        raise AttributeError(name)

    def version_string(self) -> str:
        """Reveal no versions."""
        return "tailrace"

    def _serve(self) -> None:
        try:
            response = self._respond()
        except _RequestRejected as rejected:
            response = rejected.response
            self.close_connection = True  # a request body, if any, was not read
        self.send_response(response.status)
        for name, value in {**self.server.site.headers, **response.headers}.items():
            self.send_header(name, value)
        if response.status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def _respond(self) -> SiteResponse:
        if self.headers.get_all("Host") is None or self.headers.get_all("Host") not in self.server.hosts:
            raise _RequestRejected(
                421, "not-this-host", "This server responds to its own address only", self.server.url
            )
        if self.command not in _ALLOWED_METHODS:
            raise _RequestRejected(405, "read-only", "The dashboard is read-only", Allow=", ".join(_ALLOWED_METHODS))
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            raise _RequestRejected(400, "no-body", "Requests must not have a body")
        path, _, query = self.path.partition("?")
        if path == API or path.startswith(f"{API}/"):
            return self._forward(path.removeprefix(API) or "/", query)
        if path == "/" and (key := parse_qs(query).get("key")):
            return self._set_cookie(key[0])
        return self.server.site.respond(
            unquote(path).removeprefix("/"),
            accept_encoding=self.headers.get("Accept-Encoding", ""),
            if_none_match=self.headers.get("If-None-Match", ""),
        )

    def _forward(self, path: str, query: str) -> SiteResponse:
        self._check_caller()
        if ".." in unquote(path).split("/") or "\\" in unquote(path):
            raise _RequestRejected(400, "no-such-path", "The path leaves the API")
        if self.command != "GET":
            raise _RequestRejected(405, "read-only", "The API supports GET only", Allow="GET")
        try:
            found = self.server.upstream.get(path, query, {name.lower(): text for name, text in self.headers.items()})
        except UpstreamError as error:
            raise _RequestRejected(error.status, error.name, error.title, error.detail) from error
        return SiteResponse(found.status, {"cache-control": "no-store", **found.headers}, found.body)

    def _check_caller(self) -> None:
        """Reject requests from pages of other origins and requests without the key."""
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "same-origin")
        if site not in ("same-origin", "none") or (origin is not None and origin not in self.server.origins):
            raise _RequestRejected(403, "other-origin", "Requests from pages of other origins are rejected")
        if self.server.key is not None and not compare_digest(self._cookie().encode(), self.server.key.encode()):
            raise _RequestRejected(401, "no-key", "Open the address that `tailrace dashboard` printed")

    def _cookie(self) -> str:
        try:
            found = SimpleCookie(self.headers.get("Cookie", "")).get(self.server.cookie)
        except CookieError:
            return ""
        return found.value if found else ""

    def _set_cookie(self, key: str) -> SiteResponse:
        if not self.server.accepts(key):
            return SiteResponse(303, {"Location": "./"})
        cookie = f"{self.server.cookie}={self.server.key}; HttpOnly; SameSite=Strict; Path=/"
        return SiteResponse(303, {"Location": "./", "Set-Cookie": cookie, "Cache-Control": "no-store"})

    def log_message(self, *_arguments: Any) -> None:
        """Log nothing: every panel would log a line per refresh."""


class DashboardServer(ThreadingHTTPServer):
    """The server on a loopback port (0: a free one); `serve_forever` runs it, `shutdown` stops it.

    With a ``key``, only browsers that have opened :attr:`address` get data. Raises OSError if the port is in use.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, site: Site, upstream: Upstream, port: int = 0, key: str | None = None) -> None:
        super().__init__((HOST, port), _Request)
        self.site, self.upstream, self.key = site, upstream, key
        self._tickets: set[str] = set()
        names = [f"{host}:{self.server_port}" for host in (HOST, "localhost")]
        self.hosts = [[name] for name in names]
        self.origins = [f"http://{name}" for name in names]
        self.cookie = f"tailrace-{self.server_port}"

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.server_port}/"

    @property
    def address(self) -> str:
        """Address to show to the user, with the key if there is one."""
        return self.url if self.key is None else f"{self.url}?key={self.key}"

    def address_for_browser(self) -> str:
        """Return an address that can be opened once: all users of this machine can read a browser's command line."""
        if self.key is None:
            return self.url
        ticket = secrets.token_urlsafe(24)
        self._tickets.add(ticket)
        return f"{self.url}?key={ticket}"

    def accepts(self, key: str) -> bool:
        """Tell whether a key is that of the server, or that of an address for a browser, which this uses up."""
        if self.key is None:
            return False
        if compare_digest(key.encode(), self.key.encode()):
            return True
        try:
            self._tickets.remove(key)
        except KeyError:
            return False
        return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnected browsers; show every other error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
