"""The emulator runs the functions that it is given, so no page on the web may reach it through the user's browser."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.emulation.foreign_pages import refuse_foreign_pages

HERE = "127.0.0.1:4566"
PAGE = "/_aws/execute-api/abc/dashboard/index.html"
CROSS_SITE = {"sec-fetch-site": "cross-site"}
OPENED = CROSS_SITE | {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def response_to(headers: dict[str, str], path: str = "/2015-03-31/functions", kind: str = "http") -> list[Any]:
    """Return what the guarded emulator sends; the emulator itself would respond with 200."""
    sent: list[Any] = []

    async def emulator(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "path": path, "headers": [(name.encode(), text.encode()) for name, text in headers.items()]}

    async def respond() -> None:
        await refuse_foreign_pages(emulator)(scope, receive, send)

    # in a separate thread: a browser opened by an earlier test runs an event loop in this one
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(respond())).result()
    return sent


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://evil.example:4566", "sec-fetch-site": "same-origin", "host": "evil.example:4566"},
        {"origin": "http://203.0.113.7"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "http://[::"},
        {"origin": "null"},
        {"host": "evil.example:4566"},
        {"host": "127.0.0.1.evil.example"},
        {"host": ""},
        CROSS_SITE,
        OPENED,
        CROSS_SITE | {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ],
)
def test_pages_of_other_sites_are_refused(headers: dict[str, str]) -> None:
    """Without a header that would let such a page read the response."""
    start, body = response_to({"host": HERE} | headers)
    assert start["status"] == 403
    assert not [name for name, _ in start["headers"] if name.startswith(b"access-control")]
    assert b"another site" in body["body"]


def test_their_web_sockets_are_refused() -> None:
    (message,) = response_to({"host": HERE, "origin": "https://evil.example"}, kind="websocket")
    assert message == {"type": "websocket.close", "code": 1008}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": HERE},
        {"host": "localhost:4566"},
        {"host": "[::1]:4566"},
        {"host": "172.17.0.1:4566"},
        {"host": "host.docker.internal:4566"},
        {"host": HERE, "origin": "http://localhost:5173", "sec-fetch-site": "cross-site"},
        {"host": HERE, "origin": f"http://{HERE}", "sec-fetch-site": "same-origin"},
        {"host": HERE, "sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    ],
)
def test_programs_containers_and_pages_of_this_machine_are_served(headers: dict[str, str]) -> None:
    assert [message["status"] for message in response_to(headers)] == [200]


def test_an_issuer_leads_its_users_back_to_the_dashboard() -> None:
    """A redirect of the whole page, after the sign-in; the issuer's page sees nothing of the response."""
    assert [message["status"] for message in response_to({"host": HERE} | OPENED, PAGE)] == [200]
    assert response_to({"host": HERE} | CROSS_SITE, PAGE)[0]["status"] == 403


def test_starting_and_stopping_are_no_requests() -> None:
    assert response_to({"origin": "https://evil.example"}, kind="lifespan")[0]["status"] == 200
