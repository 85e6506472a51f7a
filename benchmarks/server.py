"""A stub of AWS that accepts everything after 5 ms, in its own process so that only the caller is measured.

Its answers are as long as the services', because reading them is work: SDKs parse them and check digests in them.
"""

import asyncio
import hashlib
import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

LATENCY_S = 0.005
_HEAD = (
    b"HTTP/1.1 %s\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\nx-amzn-RequestId: 1\r\n\r\n%s"
)
_ID = "11111111-2222-3333-4444-555555555555"
_NO_STREAM = b'{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no such stream"}'


def answer(head: bytes, body: bytes, control: bytes = b"") -> bytes:
    """Return the response to a request; ``control`` answers reads of the control rows."""
    if b"BatchExecuteStatement" in head:
        # one key per statement; no value of a flight contains this word
        text = b'{"Responses":[' + b",".join([b'{"TableName":"t"}'] * body.count(b'"Statement"')) + b"]}"
    elif b"SendMessageBatch" in head:
        text = _sent_messages(json.loads(body))
    elif b"PutEvents" in head:
        text = _put_events(json.loads(body))
    elif b"UpdateItem" in head and b'"ALL_NEW"' in body:
        text = _updated_item(json.loads(body))
    elif b"DescribeStream" in head:
        return _HEAD % (b"400 Bad Request", len(_NO_STREAM), _NO_STREAM)
    elif b'"~control"' in body:
        text = control
    elif b".Query" in head:
        text = b'{"Items":[],"Count":0,"ScannedCount":0}'
    elif b"BatchWriteItem" in head:
        text = b'{"UnprocessedItems":{}}'
    else:
        text = b"" if head.startswith(b"PUT ") else b"{}"  # the SDK takes any body of S3's response for an error
    return _HEAD % (b"200 OK", len(text), text)


def _sent_messages(request: dict[str, Any]) -> bytes:
    entries = [
        {
            "Id": entry["Id"],
            "MessageId": _ID,
            "MD5OfMessageBody": hashlib.md5(entry["MessageBody"].encode(), usedforsecurity=False).hexdigest(),
        }
        for entry in request["Entries"]
    ]
    return json.dumps({"Successful": entries}).encode()


def _put_events(request: dict[str, Any]) -> bytes:
    return json.dumps({"FailedEntryCount": 0, "Entries": [{"EventId": _ID}] * len(request["Entries"])}).encode()


def _updated_item(request: dict[str, Any]) -> bytes:
    """Return the row as an update that sets `#name = :name` leaves it."""
    values = request["ExpressionAttributeValues"]
    names = request["ExpressionAttributeNames"].values()
    return json.dumps({"Attributes": request["Key"] | {name: values[f":{name}"] for name in names}}).encode()


class _Protocol(asyncio.Protocol):
    def __init__(self, control: bytes) -> None:
        self._control = control
        self._waiting = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        head, separator, rest = self._waiting.partition(b"\r\n\r\n")
        if not separator:
            return
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        if len(rest) < length:
            return
        self._waiting = rest[length:]
        response = answer(head, rest[:length], self._control)
        asyncio.get_running_loop().call_later(LATENCY_S, self._send, response)

    def _send(self, response: bytes) -> None:
        if self._transport is not None:
            self._transport.write(response)


def _serve(pipe: Connection, control: bytes) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(partial(_Protocol, control), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def stub_dynamodb(control: bytes) -> Iterator[str]:
    """Run the server; yield its address. ``control`` answers reads of the control rows."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, control), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()
