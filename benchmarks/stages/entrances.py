"""The entrances `load` and `ingest` against hand-written ones, and `ingest` against Powertools' batch processor."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any

import boto3
from botocore.exceptions import ClientError

from benchmarks.peers import powertools
from benchmarks.peers import stages as by_hand
from benchmarks.report import Result, Show
from benchmarks.stages.alternating import Variant, alternate, timed
from pipeline.definition import pipeline
from tailrace.aws.items.store import ItemStore
from tailrace.aws.runtime.clients import client
from tailrace.aws.stages.ingest import Ingester
from tailrace.aws.stages.load import Loader
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps

MESSAGES = 100
_TIME_LEFT_MS = 900_000


def items(text: str) -> list[tuple[str, Json]]:
    """Return the new items of an event of the stream, each with its id."""
    rows = [decode_item(record["dynamodb"]["NewImage"]) for record in json.loads(text)["Records"]]
    return [(row.pop("pk").partition("#")[2], row) for row in rows]


class _File:
    """A bucket with one file and no receipt."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def head_object(self, *, Key: str, **_request: Any) -> Json:  # noqa: N803 - boto3's name
        if not Key.startswith("inbox/"):
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        return {"ETag": '"1"', "ContentLength": len(self._content)}

    def get_object(self, *, Key: str, **_request: Any) -> Json:  # noqa: N803 - boto3's name
        if not Key.startswith("inbox/"):
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"ETag": '"1"', "Body": io.BytesIO(self._content)}

    def put_object(self, **_request: Any) -> Json:
        return {"ETag": '"1"'}


class _Table:
    """A table that accepts everything at once."""

    def batch_write_item(self, **_request: Any) -> Json:
        return {}


def load(show: Show, texts: list[str]) -> list[Result]:
    """Measure `load` on files with the new items of these events."""
    table: Any = boto3.resource("dynamodb", region_name="us-east-1").Table("items")
    created = {
        "Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "inbox/flights/a.jsonl"}}, "eventTime": ""}]
    }

    def loader(content: bytes, dynamodb: Any) -> Variant:
        s3: Any = _File(content)
        stage = Loader(pipeline, dynamodb, s3, "items", "failures", _now, hand_on=lambda _event: None)
        return partial(timed, lambda: stage(created, lambda: _TIME_LEFT_MS))

    files = [[dumps({"id": name} | item).encode() for name, item in items(text)] for text in texts]
    rounds = [
        (loader(b"\n".join(lines), client("dynamodb")), partial(timed, partial(by_hand.load, lines, table)))
        for lines in files
    ]
    ours, theirs = alternate(show, "(h) load", rounds, len(files[0]))
    alone = median(loader(b"\n".join(lines), _Table())() for lines in files) / len(files[0])
    return [
        Result("h", "load, CPU time per line, with the table's calls", ours, "µs", theirs),
        Result("h", "load, CPU time per line, without the table's calls", alone, "µs", target="60 µs"),
    ]


def _now() -> datetime:
    return datetime.now(UTC)


def intake_event(text: str) -> Json:
    """Return the intake queue's event that puts the last new items of an event of the stream."""
    bodies = [
        dumps({"op": "put", "collection": "flights", "id": name, "item": item})
        for name, item in items(text)[-MESSAGES:]
    ]
    attributes = {"MessageGroupId": "g", "SentTimestamp": "0"}
    return {"Records": [{"messageId": str(n), "body": body, "attributes": attributes} for n, body in enumerate(bodies)]}


def ingest(show: Show, texts: list[str]) -> list[Result]:
    """Measure `ingest` on messages that put the new items of these events."""
    dynamodb, calls = client("dynamodb"), Counter[str]()
    dynamodb.meta.events.register("before-call.dynamodb", lambda model, **_: calls.update([model.name]))
    stage = Ingester(ItemStore(dynamodb, "items", pipeline), lambda: client("s3"), "failures")
    table: Any = boto3.resource("dynamodb", region_name="us-east-1").Table("items")

    def rounds() -> Iterator[list[Variant]]:
        for text in texts:
            event = intake_event(text)
            yield [
                partial(timed, partial(stage, event, lambda: _TIME_LEFT_MS)),
                partial(timed, partial(by_hand.ingest, event, table)),
                partial(timed, partial(powertools.ingest, event, table)),
            ]

    ours, theirs, powertools_own = alternate(show, "(h) ingest", rounds(), MESSAGES)
    title = "ingest, CPU time per message that puts an item"
    each = calls.total() / (len(texts) * MESSAGES)
    return [
        Result("h", title, ours, "µs", theirs),
        Result("h", title, ours, "µs", powertools_own, powertools.NAME),
        Result("h", "ingest, calls per message that puts an item", each, "", target="3"),
    ]
