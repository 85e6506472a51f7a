"""A plain HTTP server on loopback that invokes a handler of the HTTP API, in place of API Gateway.

It accepts many connections but handles one request at a time, like a single Lambda environment. It does not check
signatures, so any local user has access. The event has payload format 2.0:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import unquote

type Handler = Callable[[dict[str, Any], Any], Mapping[str, Any]]

_NO_BODY = (204, 304)


def http_api_event(method: str, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return a request's event as an HTTP API builds it: the path is decoded twice and cut at ``%3F``."""
    raw_path, _, query = target.partition("?")
    path = unquote(unquote(raw_path).partition("?")[0])
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": ""},
            "requestId": "local",
            "stage": "$default",
        },
        "isBase64Encoded": encoded,
    } | ({"body": text} if body else {})


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # send headers and body together: a second write would wait for an acknowledgement
    server: "HttpApiServer"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # the base class looks up do_GET, do_POST and so on
            return self._respond
        raise AttributeError(name)

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        event = http_api_event(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
        with self.server.invocation_lock:
            response = self.server.handler(event, None)
        text = response.get("body") or ""
        body = base64.b64decode(text) if response.get("isBase64Encoded") else text.encode()
        self.send_response(response["statusCode"])
        for name, value in (response.get("headers") or {}).items():
            self.send_header(name, value)
        if response["statusCode"] not in _NO_BODY:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if response["statusCode"] not in _NO_BODY and self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Log nothing: the handler has its own log."""


class HttpApiServer(ThreadingHTTPServer):
    """A server on a loopback port, by default a free one; ``serve_forever`` runs it, ``shutdown`` stops it."""

    request_queue_size = 64  # a browser opens several connections at once, and waits for one that is dropped

    def __init__(self, handler: Handler, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.handler = handler
        self.invocation_lock = Lock()

    @property
    def url(self) -> str:
        """The root URL, without a trailing slash."""
        return f"http://127.0.0.1:{self.server_port}"
