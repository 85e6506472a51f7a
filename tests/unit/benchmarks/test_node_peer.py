"""The handlers around aws-lambda-stream do the same work, as far as the library can: they send and store the same."""

import gzip
import json
import os
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks.peers import in_node
from benchmarks.peers.stages import flight
from benchmarks.server import answer
from pipeline.definition import pipeline
from tailrace.encoding.dynamodb import decode_item
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import Dispatch, OutgoingEvent, dispatch
from tests.unit.benchmarks.samples import event_text, parsed_event

type Requests = list[tuple[str, bytes]]


class Services(ThreadingHTTPServer):
    """The benchmark's stub of AWS, which keeps the requests: operation or path, and body."""

    requests: Requests


class Recording(BaseHTTPRequestHandler):
    """Keeps a request, and answers as the benchmark's stub does."""

    protocol_version = "HTTP/1.1"
    server: Services

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.headers.get("X-Amz-Target", self.path), body))
        self.wfile.write(answer(self.requestline.encode() + bytes(self.headers), body))

    do_PUT = do_POST  # noqa: N815 - the base class's name

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def services() -> Iterator[Services]:
    if not in_node.is_installed():
        reason = "aws-lambda-stream is not here: run `python3 local/environments/setup.py aws-lambda-stream`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with Services(("127.0.0.1", 0), Recording) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def handle(handler: str, text: str, server: Services) -> Requests:
    """Let a handler handle an event; return the requests that it makes."""
    with in_node.node_handler(handler, f"http://127.0.0.1:{server.server_port}") as running:
        assert running(text) > 0
    return server.requests


def sent(requests: Requests, queue: str) -> list[Any]:
    """Return the bodies of the messages to a queue."""
    bodies = [json.loads(body) for operation, body in requests if operation == "AmazonSQS.SendMessageBatch"]
    entries = [entry for body in bodies if body["QueueUrl"].endswith(f"/{queue}") for entry in body["Entries"]]
    return [json.loads(entry["MessageBody"]) for entry in entries]


def theirs(events: list[Any]) -> dict[str, Any]:
    """Return the images of what the library sends, by id. It repeats a request that is not answered within a second."""
    images: dict[str, Any] = {}
    for one in events:
        found = {"old": one["raw"].get("old"), "new": one["raw"].get("new")}
        assert images.setdefault(one["id"], found) == found
    return images


def ours(events: list[OutgoingEvent]) -> dict[str, Any]:
    """Return the images of what `fanout` sends, by id."""
    assert events
    found = [json.loads(one.text) for one in events]
    return {one["id"]: {"old": one["data"]["old"], "new": one["data"]["new"]} for one in found}


@cache
def dispatched() -> Dispatch:
    """Return what fanout sends of it."""
    return dispatch(parse_raw_batch(parsed_event()), pipeline, PreparedImages(pipeline))


def test_the_same_changes_go_to_the_queues(services: Services) -> None:
    requests = handle("route", event_text(), services)
    assert theirs(sent(requests, "archive")) == ours(dispatched().archive)
    assert theirs(sent(requests, "disruptions")) == ours(dispatched().routes["disruptions"])


def test_the_same_changes_go_to_the_bus(services: Services) -> None:
    requests = handle("publish", event_text(), services)
    bodies = [json.loads(body) for operation, body in requests if operation == "AWSEvents.PutEvents"]
    published = [json.loads(entry["Detail"]) for body in bodies for entry in body["Entries"]]
    assert theirs(published) == ours(dispatched().archive)
    assert theirs(sent(requests, "disruptions")) == ours(dispatched().routes["disruptions"])


def test_what_is_routed_to_the_archive_is_archived(services: Services) -> None:
    """The benchmark makes the archive's event without routing the changes before; both events are the same."""
    routed = {one["id"]: one for one in sent(handle("route", event_text(), services), "archive")}
    text = in_node.archive_event(parsed_event())
    assert {one["messageId"]: json.loads(one["body"]) for one in json.loads(text)["Records"]} == routed
    services.requests.clear()
    ((path, body),) = set(handle("archive", text, services))  # the library repeats a request that takes long
    assert path.startswith("/archive/2023-11-14T22/")
    lines = [json.loads(line) for line in gzip.decompress(body).splitlines()]
    assert {one["id"]: one for one in lines} == routed


def test_the_newest_image_of_each_item_becomes_its_row(services: Services) -> None:
    requests = [json.loads(body) for body in {body for _, body in handle("materialize", event_text(), services)}]
    rows = {}
    for request in requests:
        values = decode_item(request["ExpressionAttributeValues"])
        row = {name: values[f":{name}"] for name in request["ExpressionAttributeNames"].values()}
        rows[request["Key"]["pk"]["S"]] = {name: value for name, value in row.items() if name != "timestamp"}
    newest = {
        record["dynamodb"]["Keys"]["pk"]["S"]: record["dynamodb"]["NewImage"] for record in parsed_event()["Records"]
    }
    assert len(requests) == len(rows)
    assert rows == {key: flight(image) for key, image in newest.items()}


def test_a_handler_that_fails_is_noticed(services: Services) -> None:
    with pytest.raises(RuntimeError, match="the handler has failed"):
        handle("route", "no JSON", services)
