"""A reverse proxy on loopback between the callers and the emulator, with a port for each caller.

Without a plan it passes everything on.
"""

import json
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import urllib3

from local.deployment.emulator import HOST
from tests.chaos.proxy import calls, partial
from tests.chaos.proxy.calls import Answer, Call

if TYPE_CHECKING:
    from tests.chaos.proxy.faults import Plan

HANG_S = 7.0
"""Longer than a function waits for an answer (5 s)."""
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "expect"}
_UPSTREAM_TIMEOUT_S = 120.0
_METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")
_TAKES_EFFECT = {"lost", "cut-after", "slow", "hang", "partial", "kill"}
"""The faults of calls that are carried out; of killed processes, a part."""
_CHANCE_OF_EFFECT = 0.5
_RESETS = {"cut", "cut-after", "late", "timeout", "kill"}
"""The faults after which the connection is reset."""


class Proxy:
    """The proxy of one emulator. `plan` may be replaced at any time; `kill` ends a function's processes."""

    def __init__(self, upstream: str, callers: Sequence[str], kill: Callable[[str], None]) -> None:
        self.upstream = upstream
        self.kill = kill
        self.plan: Plan | None = None
        self.received: list[tuple[str, str]] = []
        """The messages that were received since anybody asked: the queue's URL, and the receipt."""
        self.pool = urllib3.PoolManager(maxsize=64, retries=False, timeout=_UPSTREAM_TIMEOUT_S)
        self._servers = {caller: _server(self, caller) for caller in callers}

    def endpoint(self, caller: str) -> str:
        """Return the address for a caller."""
        return f"http://{HOST}:{self._servers[caller].server_address[1]}"

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Serve within the block."""
        threads = [
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True) for server in self._servers.values()
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for server in self._servers.values():
                server.shutdown()
                server.server_close()
            self.pool.clear()

    def note_received(self, body: bytes, answer: Answer) -> None:
        """Remember the messages that an answer holds."""
        queue = json.loads(body)["QueueUrl"]
        messages = json.loads(answer.body or b"{}").get("Messages") or []
        self.received += [(queue, message["ReceiptHandle"]) for message in messages]

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Pass a request on. Raises urllib3's errors."""
        response = self.pool.request(
            method, self.upstream + path, body=body, headers=headers, redirect=False, decode_content=False
        )
        return Answer(response.status, dict(response.headers), response.data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that are gone: they were killed on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    proxy: Proxy
    caller: str

    def handle_any(self) -> None:
        """Serve a request, and let it meet its fault."""
        body = self._body()
        call = calls.call_of(self.caller, self.command, self.path, dict(self.headers.items()), body)
        plan = self.proxy.plan
        decided = plan.decide(call) if plan is not None else None
        if decided is None:
            self._answer(self._forward(body))
            return
        kind, rng = decided
        self._meet(kind, call, body, rng)

    def _meet(self, kind: str, call: Call, body: bytes, rng: random.Random) -> None:
        """Do to a call what a kind of fault does."""
        if kind in _TAKES_EFFECT and (kind != "kill" or rng.random() < _CHANCE_OF_EFFECT):
            answer = self._partly(call, body, rng) if kind == "partial" else self._forward(body)
        match kind:
            case "throttle" | "error" | "lost":
                self._answer((calls.throttled if kind == "throttle" else calls.broken)(call, rng))
            case "partial":
                self._answer(answer)
            case "slow" | "hang" if self._stays_for(HANG_S if kind == "hang" else rng.uniform(0.05, 0.5)):
                self._answer(answer)
            case "late" if not self._stays_for(HANG_S):
                self._forward(body)
            case "timeout":
                self._stays_for(HANG_S)
            case "kill":
                self.proxy.kill(self.caller)
        if kind in _RESETS:
            self._reset()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _forward(self, body: bytes) -> Answer:
        headers = {name: text for name, text in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        answer = self.proxy.forward(self.command, self.path, headers, body)
        if self.headers.get("X-Amz-Target") == "AmazonSQS.ReceiveMessage":
            self.proxy.note_received(body, answer)
        return answer

    def _partly(self, call: Call, body: bytes, rng: random.Random) -> Answer:
        found = partial.cut(call, body, rng)
        if found is None:
            return self._forward(body)
        request, complete = found
        answer = self._forward(request)
        if answer.status != 200:
            return answer
        headers = {name: text for name, text in answer.headers.items() if name.lower() != "x-amz-crc32"}
        return Answer(200, headers, json.dumps(complete(json.loads(answer.body))).encode())

    def _answer(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, text in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, text)
        self.send_header("Content-Length", answer.length if self.command == "HEAD" else str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _stays_for(self, seconds: float) -> bool:
        """Wait, and tell whether the client is still there: what it gave up is not carried out."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.connection], [], [], min(left, 0.2))[0]:
                with suppress(OSError):
                    if self.connection.recv(1, socket.MSG_PEEK):
                        continue
                self.close_connection = True
                return False
        return True

    def _reset(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Write no access log."""


def _server(proxy: Proxy, caller: str) -> _Server:
    methods = dict.fromkeys([f"do_{method}" for method in _METHODS], _Handler.handle_any)
    handler = type("Handler", (_Handler,), {"proxy": proxy, "caller": caller, **methods})
    return _Server((HOST, 0), handler)
