"""A request whose event Lambda would refuse is refused on one machine, too."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.emulation.concurrency_limit import API_PATH_PREFIX
from local.emulation.payload_limit import limit_payload

API = f"{API_PATH_PREFIX}abc/collections/a/items"


def status(path: str, chunks: Sequence[bytes]) -> int:
    """Send a request in chunks to an application that may take ten bytes of an event; it answers 200 to a whole one."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages[-1]["more_body"] = False
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        assert body == b"".join(chunks)
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 200})

    async def play() -> None:
        await limit_payload(application, 10)({"type": "http", "path": path}, receive, send)

    # in a separate thread: a browser opened by an earlier test runs an event loop in this one
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(play())).result()
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("path", "chunks", "expected"),
    [
        (API, [b"12345678"], 200),
        (API, [b"1234", b"56789"], 413),
        (API, [b'"23456"'], 413),  # an event has "\"23456\""
        (API, ["éééé".encode()], 200),
        (API, [b"\xff" * 6], 200),
        (API, [b"\xff" * 9], 413),  # in Base64
        (API, [b""], 200),
        ("/a-bucket/inbox/a.jsonl", [b"1" * 100], 200),
    ],
)
def test_what_takes_more_of_an_event_than_lambda_has_is_refused(path: str, chunks: list[bytes], expected: int) -> None:
    assert status(path, chunks) == expected
