"""(h) The other stages beside handwritten ones, on a stub of AWS with 5 ms latency: processor time per change."""

import gc
import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any

import boto3
from botocore.exceptions import ClientError

from benchmarks.changes import event, latest_batches
from benchmarks.peers import stages as by_hand
from benchmarks.report import Result, Show
from benchmarks.server import stub_dynamodb
from pipeline.definition import pipeline
from tailrace.aws.items.store import ItemStore
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.runtime.clients import client
from tailrace.aws.stages.archive import Archiver
from tailrace.aws.stages.fanout import Destinations, Fanout
from tailrace.aws.stages.ingest import Ingester
from tailrace.aws.stages.load import Loader
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import dumps
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.packing import pack
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch
from tailrace.queries.freshness import FANOUT

_BATCH = 1_000
_ROUNDS = 7
_MESSAGES = 100
_TIME_LEFT_MS = 900_000

type Work = Callable[[], object]


def run(show: Show) -> list[Result]:
    """Measure each stage and its handwritten counterpart, alternating batch by batch."""
    with stub_dynamodb(b"{}") as address:
        os.environ |= {
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
            "POWERTOOLS_METRICS_DISABLED": "true",
            "POWERTOOLS_METRICS_NAMESPACE": "Tailrace",
        }
        before, texts = latest_batches(_BATCH, _ROUNDS)
        # keep the benchmark's own data out of garbage collections
        gc.collect()
        gc.freeze()
        return [
            *_fanout(show, before, texts),
            *_archive(show, texts),
            *_load(show, texts),
            *_ingest(show, texts),
        ]


def _compare(show: Show, stage: str, work: list[tuple[Work, Work]], units: int) -> tuple[float, float]:
    """Return the median microseconds of processor time per unit of the stage and of its counterpart."""
    ours, theirs = [], []
    for number, (one, other) in enumerate(work, 1):
        show(f"(h) {stage}: {number} of {len(work)}")
        ours.append(_timed(one) / units)
        theirs.append(_timed(other) / units)
    return median(ours), median(theirs)


def _timed(work: Work) -> float:
    begin = time.process_time()
    work()
    return (time.process_time() - begin) * 1e6


def _now() -> datetime:
    return datetime.now(UTC)


def _fanout(show: Show, before: list[Json], texts: list[str]) -> list[Result]:
    queues = {name: f"{os.environ['AWS_ENDPOINT_URL']}/1/{name}" for name in ("archive", "disruptions")}
    destinations = Destinations(queues["archive"], {"disruptions": queues["disruptions"]}, "failures")
    progress = ProgressWriter(client("dynamodb"), "progress", FANOUT, _now)
    stage = Fanout(pipeline, client("sqs"), lambda: client("s3"), destinations, progress)
    for start in range(0, len(before), _BATCH):  # as in steady state, the process knows the week's flights
        stage(json.loads(event(before[start : start + _BATCH])))
    sqs: Any = boto3.client("sqs", region_name="us-east-1")

    def pair(text: str) -> tuple[Work, Work]:
        ours, theirs = json.loads(text), json.loads(text)
        return lambda: stage(ours), lambda: by_hand.fan_out(theirs, sqs, *queues.values())

    found = _compare(show, "fanout", [pair(text) for text in texts], _BATCH)
    alone = PreparedImages(pipeline)
    batches = [parse_raw_batch(json.loads(text)) for text in texts]
    cold = median(_timed(partial(dispatch, batch, pipeline, alone)) for batch in batches)
    return [
        Result("h", "fanout, processor time per change, batch of 1,000", found[0], "µs", found[1], target="60 µs"),
        Result(
            "h",
            "of this, validating, transforming and routing images that the process does not know",
            cold / _BATCH,
            "µs",
        ),
    ]


def _messages(text: str) -> Json:
    """Return the archive's queue event for a batch of changes."""
    found = dispatch(parse_raw_batch(json.loads(text)), pipeline, PreparedImages(pipeline))
    bodies = [body for body, _ in pack([outgoing.text for outgoing in found.archive])]
    return {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}


def _archive(show: Show, texts: list[str]) -> list[Result]:
    stage = Archiver(client("s3"), "archive", "failures")
    s3: Any = boto3.client("s3", region_name="us-east-1")

    def pair(text: str) -> tuple[Work, Work]:
        messages = _messages(text)
        return lambda: stage(messages), lambda: by_hand.archive(messages, s3)

    found = _compare(show, "archive", [pair(text) for text in texts], _BATCH)
    return [Result("h", "archive, processor time per change, batch of 1,000", found[0], "µs", found[1], target="30 µs")]


def _items(text: str) -> list[tuple[str, Json]]:
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
        return {}


class _Table:
    """A table that accepts everything at once."""

    def batch_write_item(self, **_request: Any) -> Json:
        return {}


def _load(show: Show, texts: list[str]) -> list[Result]:
    table: Any = boto3.resource("dynamodb", region_name="us-east-1").Table("items")
    created = {
        "Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "inbox/flights/a.jsonl"}}, "eventTime": ""}]
    }

    def loader(content: bytes, dynamodb: Any) -> Work:
        s3: Any = _File(content)
        stage = Loader(pipeline, dynamodb, s3, "items", "failures", _now, hand_on=lambda _event: None)
        return lambda: stage(created, lambda: _TIME_LEFT_MS)

    contents = [b"\n".join(dumps({"id": name} | item).encode() for name, item in _items(text)) for text in texts]
    work: list[tuple[Work, Work]] = [
        (loader(content, client("dynamodb")), partial(by_hand.load, content.split(b"\n"), table))
        for content in contents
    ]
    found = _compare(show, "load", work, _BATCH)
    alone = median(_timed(loader(content, _Table())) for content in contents) / _BATCH
    return [
        Result("h", "load, processor time per line, with the table's calls", found[0], "µs", found[1]),
        Result("h", "load, processor time per line, without the table's calls", alone, "µs", target="60 µs"),
    ]


def _ingest(show: Show, texts: list[str]) -> list[Result]:
    dynamodb, calls = client("dynamodb"), Counter[str]()
    dynamodb.meta.events.register("before-call.dynamodb", lambda model, **_: calls.update([model.name]))
    stage = Ingester(ItemStore(dynamodb, "items", pipeline), lambda: client("s3"), "failures")
    table: Any = boto3.resource("dynamodb", region_name="us-east-1").Table("items")

    def pair(text: str) -> tuple[Work, Work]:
        bodies = [
            dumps({"op": "put", "collection": "flights", "id": name, "item": item})
            for name, item in _items(text)[-_MESSAGES:]
        ]
        attributes = {"MessageGroupId": "g", "SentTimestamp": "0"}
        messages = [{"messageId": str(n), "body": body, "attributes": attributes} for n, body in enumerate(bodies)]
        batch = {"Records": messages}
        return lambda: stage(batch, lambda: _TIME_LEFT_MS), lambda: by_hand.ingest(batch, table)

    work = [pair(text) for text in texts]
    found = _compare(show, "ingest", work, _MESSAGES)
    each = calls.total() / (len(work) * _MESSAGES)
    return [
        Result("h", "ingest, processor time per message that puts an item", found[0], "µs", found[1]),
        Result("h", "ingest, calls per message that puts an item", each, "", target="3"),
    ]
