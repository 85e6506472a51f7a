"""On loopback: a stack's API that checks signatures as IAM does, the dashboard's server before it, CloudFormation."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cli.dashboard.server import DashboardServer
from cli.dashboard.upstream import Upstream, http_session
from tailrace.http.static_site import Site
from tests.unit.cli.cloudformation import CloudFormation

REGION = "eu-west-1"
CREDENTIALS = Credentials("AKIDEXAMPLE", "a secret", "a session token")


class FakeApi(ThreadingHTTPServer):
    """An API behind IAM that records its requests. Tests set its responses."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.status = 200
        self.headers = {
            "Content-Type": "application/json",
            "Tailrace-Freshness": '{"age_s":1}',
            "Tailrace-Generation": "x=1",
        }
        self.body = b'{"rows":[]}'
        self.delay_s = 0.0
        self.truncates_body = False
        self.asked: list[tuple[str, dict[str, str]]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeApi

    def do_GET(self) -> None:
        server = self.server
        server.asked.append((self.path, {name.lower(): text for name, text in self.headers.items()}))
        time.sleep(server.delay_s)
        status = server.status if self.is_signed() else 403
        self.send_response(status)
        for name, text in server.headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(server.body) + server.truncates_body))
        self.end_headers()
        self.wfile.write(server.body)
        self.close_connection = server.truncates_body

    def is_signed(self) -> bool:
        """Recompute the signature from the request, as the service does."""
        scheme, _, rest = self.headers["Authorization"].partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        signed = {name: self.headers[name] for name in parts["SignedHeaders"].split(";")}
        request = AWSRequest("GET", f"{self.server.url}{self.path}", signed)
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        signer = SigV4Auth(CREDENTIALS, "execute-api", REGION)
        text = signer.string_to_sign(request, signer.canonical_request(request))
        return (
            scheme == "AWS4-HMAC-SHA256"
            and parts["Credential"] == signer.scope(request)
            and self.headers["X-Amz-Security-Token"] == CREDENTIALS.token
            and {"host", "x-amz-date", "x-amz-security-token"} <= signed.keys()
            and parts["Signature"] == signer.signature(text, request)
        )

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def running_api() -> Iterator[FakeApi]:
    """Run an API until the block exits."""
    with FakeApi() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with running_api() as running:
        yield running


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site of a few files, next to a file outside it."""
    folder = tmp_path / "site"
    (folder / "vendor").mkdir(parents=True)
    (tmp_path / "secret.js").write_text("not yours", encoding="utf-8")
    (folder / "index.html").write_text("<!doctype html><title>page</title>", encoding="utf-8")
    (folder / "main.js").write_text("import './vendor/chart.js'\n" * 50, encoding="utf-8")
    (folder / "vendor" / "LICENSE").write_text("MIT", encoding="utf-8")
    (folder / ".made-from").write_text("a stamp", encoding="utf-8")
    return Site(folder, {"api": "./api", "auth": None})


class DashboardClient:
    """A client of the dashboard's server."""

    def __init__(self, server: DashboardServer) -> None:
        self.server = server

    def __call__(
        self, target: str, method: str = "GET", body: bytes | None = None, /, **headers: str
    ) -> urllib3.BaseHTTPResponse:
        """Request a target verbatim; `sec_fetch_site` becomes the header `Sec-Fetch-Site`."""
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        with urllib3.HTTPConnectionPool("127.0.0.1", self.server.server_port) as pool:
            connection = pool.ConnectionCls("127.0.0.1", self.server.server_port, timeout=60)
            connection.request(method, target, body=body, headers=given, preload_content=True, decode_content=False)
            answer = connection.getresponse()
            connection.close()
        return answer


def serve(server: DashboardServer) -> Iterator[DashboardClient]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield DashboardClient(server)
        server.shutdown()
        thread.join()
        server.upstream.close()


@pytest.fixture
def upstream(api: FakeApi) -> Upstream:
    return Upstream(api.url, REGION, CREDENTIALS, http_session(read_timeout_s=30))


@pytest.fixture
def ask(site: Site, upstream: Upstream) -> Iterator[DashboardClient]:
    yield from serve(DashboardServer(site, upstream))


@pytest.fixture
def ask_with_key(site: Site, upstream: Upstream) -> Iterator[DashboardClient]:
    yield from serve(DashboardServer(site, upstream, key="the-key"))


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CloudFormation]:
    """Run CloudFormation, and point the SDK's environment to it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with CloudFormation() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        for name, value in {
            "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key,
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_key,
            "AWS_SESSION_TOKEN": str(CREDENTIALS.token),
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_CLOUDFORMATION": running.url,
            "CI": "true",  # opens no browser
        }.items():
            monkeypatch.setenv(name, value)
        yield running
        running.shutdown()
        thread.join()
