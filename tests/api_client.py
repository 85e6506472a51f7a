"""Requests as an HTTP API hands them over, and what the api function answers."""

import re
from typing import Any

from functions.api.app import handler
from tailrace.encoding.tagged_json import dumps, loads


def request(method: str, path: str, body: Any = None, query: str = "", **changes: Any) -> dict[str, Any]:
    """Return a request as an HTTP API hands it over (payload 2.0): ``path`` decoded, ``query`` as it was sent."""
    texts = {} if body is None else {"body": body if isinstance(body, str) else dumps(body)}
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", "host": "api"},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
            "requestId": "r",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    } | texts | changes  # fmt: skip


def item_path(item_id: str) -> str:
    return f"/collections/orders/items/{item_id}"


def call(*arguments: Any, **more: Any) -> tuple[int, Any]:
    """Send a request and return its status and its JSON."""
    answer = handler(request(*arguments, **more), None)
    status: int = answer["statusCode"]
    if status == 204:
        assert not answer.get("body")
        return status, None
    assert answer["headers"]["Content-Type"] == ("application/json" if status < 300 else "application/problem+json")
    return status, loads(answer["body"])


def problem(*arguments: Any, **more: Any) -> tuple[int, str]:
    """Send a request that is refused; return the status and the type of the problem, whose form is checked."""
    status, document = call(*arguments, **more)
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert all(violation.keys() == {"pointer", "keyword", "message"} for violation in document["violations"])
    return status, document["type"].removeprefix("urn:problem-type:tailrace:")


def send(method: str, path: str, body: Any = None, query: str = "", **headers: str) -> dict[str, Any]:
    """Send a request with headers (``if_match`` is ``if-match``) and return the function's answer.

    The time that it took is left out, as it is never the same: only its form is looked at.
    """
    given = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
    answer = handler(request(method, path, body, query, headers=given), None)
    assert re.fullmatch(r"handler;dur=[0-9]+\.[0-9]", answer["headers"].pop("Server-Timing"))
    return answer
