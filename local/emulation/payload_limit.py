"""Refuse requests to HTTP APIs whose event would be larger than Lambda takes.

The gateway takes bodies of 10 MB, Lambda events of 6 MB, in which the body is a JSON text: a quotation mark takes two
bytes. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

import base64
import json
from typing import Any

from local.emulation.concurrency_limit import API_PATH_PREFIX, Application

MAX_EVENT_BYTES = 6 * 1024**2

_REFUSAL = b'{"message":"Request Too Long"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_REFUSAL)).encode())]


def limit_payload(application: Application, limit: int = MAX_EVENT_BYTES) -> Application:
    """Return an application that answers a request to an HTTP API with 413 if its body takes more of an event."""

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(API_PATH_PREFIX):
            await application(scope, receive, send)
            return
        body = bytearray()
        message: dict[str, Any] = {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        if message["type"] == "http.request" and _size_in_event(bytes(body)) > limit:
            await send({"type": "http.response.start", "status": 413, "headers": _HEADERS})
            await send({"type": "http.response.body", "body": _REFUSAL})
            return
        whole = [message | ({"body": bytes(body)} if message["type"] == "http.request" else {})]

        async def receive_whole() -> Any:
            return whole.pop() if whole else await receive()

        await application(scope, receive_whole, send)

    return limited


def _size_in_event(body: bytes) -> int:
    try:
        return len(json.dumps(body.decode(), ensure_ascii=False).encode())
    except UnicodeDecodeError:
        return len(base64.b64encode(body))
