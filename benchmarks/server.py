"""A stub DynamoDB that accepts everything after 5 ms, in its own process so that only the caller is measured."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection

LATENCY_S = 0.005
_HEAD = (
    b"HTTP/1.1 %s\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\nx-amzn-RequestId: 1\r\n\r\n%s"
)
_NO_STREAM = b'{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no such stream"}'


def _response(head: bytes, body: bytes, control: bytes) -> bytes:
    if b"BatchExecuteStatement" in head:
        # one key per statement; no value of a flight contains this word
        text = b'{"Responses":[' + b",".join([b'{"TableName":"t"}'] * body.count(b'"Statement"')) + b"]}"
    elif b"DescribeStream" in head:
        return _HEAD % (b"400 Bad Request", len(_NO_STREAM), _NO_STREAM)
    elif b'"~control"' in body:
        text = control
    elif b"BatchWriteItem" in head:
        text = b'{"UnprocessedItems":{}}'
    else:
        text = b"" if head.startswith(b"PUT ") else b"{}"  # the SDK takes any body of S3's response for an error
    return _HEAD % (b"200 OK", len(text), text)


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
        response = _response(head, rest[:length], self._control)
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
