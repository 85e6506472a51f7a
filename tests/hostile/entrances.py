"""Every entrance of the pipeline, assembled on in-memory backends: api, queue, files and stream."""

import base64
import contextlib
import io
import json
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from local.in_memory import Database
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.aws.api.idempotency import Idempotency
from tailrace.aws.api.router import Router
from tailrace.aws.items import batch_writer
from tailrace.aws.items.store import ItemStore
from tailrace.aws.monitoring.freshness import CachedProgress
from tailrace.aws.monitoring.health import HealthMonitor
from tailrace.aws.monitoring.progress import ProgressReader, ProgressWriter
from tailrace.aws.runtime import objects
from tailrace.aws.runtime.telemetry import logger
from tailrace.aws.stages import archive as archiving
from tailrace.aws.stages.aggregate import Aggregator
from tailrace.aws.stages.archive import Archiver
from tailrace.aws.stages.catalog import Cataloguer
from tailrace.aws.stages.fanout import Destinations, Fanout
from tailrace.aws.stages.ingest import Ingester
from tailrace.aws.stages.load import Loader
from tailrace.encoding.json_types import Json
from tailrace.testing import SHARD, SOURCE, event
from tests.api_client import request
from tests.hostile.backends import Bucket, Items, Queues
from tests.hostile.definition import pipeline
from tests.simulation.world.serial_executor import SerialExecutor

NOW = datetime(2024, 6, 1, tzinfo=UTC)
_TIME_LEFT_MS = 900_000


def _in_turn(max_workers: int) -> Executor:
    return SerialExecutor(0 * max_workers)


class _Streams:
    """A DynamoDB Streams client of one shard."""

    def describe_stream(self, **_request: Any) -> Json:
        """Describe the stream."""
        return {"StreamDescription": {"Shards": [{"ShardId": SHARD}]}}


def _time_left() -> int:
    return _TIME_LEFT_MS


def _clock() -> datetime:
    return NOW


@dataclass
class Entrances:
    """The functions' stages; ``logs`` is all that they write to their logs, metrics too."""

    database: Database = field(default_factory=Database)
    bucket: Bucket = field(default_factory=Bucket)
    queues: Queues = field(default_factory=Queues)
    records: deque[Json] = field(default_factory=deque)
    logs: io.StringIO = field(default_factory=io.StringIO)
    sequence: int = 0

    def __post_init__(self) -> None:
        self.database.create("items", "pk", on_change=self._record)
        self.database.create("aggregates", "pk", "sk")
        self.database.create("progress", "pk", "sk")
        self.database.create("catalog", "pk", "sk")
        self.database.create("idempotency", "id")
        table: Any = Items(self.database)
        s3: Any = self.bucket
        sqs: Any = self.queues
        streams: Any = _Streams()
        items = ItemStore(table, "items", pipeline)
        progress = CachedProgress(ProgressReader(table, "progress"), _clock)
        health: Any = HealthMonitor(_never, lambda: sqs, lambda: s3, progress, _clock)
        self.api = Router(pipeline, items, RowReader(table, "aggregates"), health, Idempotency(table, "idempotency"))
        self.ingest = Ingester(items, s3, "failures")
        self.load = Loader(pipeline, table, s3, "items", "failures", _clock)
        committer = Committer(table, "aggregates", clock=_clock, executor=_in_turn)
        lineages = Lineages(table, streams=lambda: streams, table="aggregates", clock=_clock)
        stages = [ProgressWriter(table, "progress", name, clock=_clock) for name in ("aggregate", "fanout")]
        self.aggregate = Aggregator(pipeline, committer, lineages, stages[0])
        destinations = Destinations("archive", {"odd-things": "odd-things"}, "failures")
        self.fanout = Fanout(pipeline, sqs, s3, destinations, stages[1])
        self.archive = Archiver(s3, "archive", "failures")
        self.catalog = Cataloguer(s3, table, "archive", "catalog")

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Keep the logs, and do without threads."""
        handler = logging.StreamHandler(self.logs)
        with ExitStack() as stack:
            for module in (objects, archiving, batch_writer):
                stack.enter_context(patch.object(module, "ThreadPoolExecutor", _in_turn))
            stack.enter_context(contextlib.redirect_stdout(self.logs))
            log = logging.getLogger(logger().name)
            handler.setFormatter(logger().registered_formatter)
            log.addHandler(handler)
            stack.callback(log.removeHandler, handler)
            yield

    def ask(self, method: str, path: str, body: bytes | str | None = None, query: str = "", **headers: str) -> Json:
        """Send a request; check that its answer is one that a gateway can send."""
        sent = request(method, path, None, query)
        sent["headers"] |= headers
        if isinstance(body, bytes):
            sent |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        elif body is not None:
            sent["body"] = body
        answer = self.api(sent, None)
        json.dumps(answer, ensure_ascii=False).encode()
        assert answer["statusCode"] in (200, 201, 204, 207, 304, 400, 404, 405, 406, 409, 412, 413, 415, 422)
        return answer

    def write(self, method: str, collection: str, item_id: str, body: bytes | str) -> int:
        """Put or patch an item by its id, whatever characters it has; return the status."""
        query = f"id={quote(item_id, safe='', errors='surrogatepass')}"
        status: int = self.ask(method, f"/collections/{collection}/items", body, query)["statusCode"]
        return status

    def send(self, bodies: Sequence[str]) -> None:
        """Send messages to the intake queue; each is done, whatever it holds."""
        attributes = {"MessageGroupId": "g", "SentTimestamp": "1700000000000"}
        records = [{"messageId": f"{self._next()}", "body": body, "attributes": attributes} for body in bodies]
        assert self.ingest({"Records": records}, _time_left) == {"batchItemFailures": []}

    def drop(self, name: str, body: bytes) -> Json:
        """Drop a file into the inbox and return its receipt."""
        self.bucket.put_object(Bucket="archive", Key=f"inbox/{name}", Body=body)
        place = {
            "bucket": {"name": "archive"},
            "object": {"key": quote(f"inbox/{name}"), "sequencer": f"{self._next():X}"},
        }
        (receipt,) = self.load({"Records": [{"eventTime": "2024-06-01T00:00:00.000Z", "s3": place}]}, _time_left)
        json.dumps(receipt, default=str).encode()
        return receipt

    def deliver(self, extra: Sequence[Json] = ()) -> None:
        """Deliver the stream's changes and other records to both readers, and on to archive and catalog."""
        records = [*self.records, *extra]
        self.records.clear()
        if not records:
            return
        batch = event(records)
        for reader in (self.aggregate, self.fanout):
            assert reader(batch)["batchItemFailures"] == []
        bodies = self.queues.messages.pop("archive", [])
        messages = [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]
        before = set(self.bucket.objects)
        assert self.archive({"Records": messages}) == {"batchItemFailures": []}
        for bucket, key in sorted(set(self.bucket.objects) - before):
            if bucket == "archive":
                told = {"bucket": {"name": "archive"}, "object": {"key": quote(key)}}
                self.catalog({"Records": [{"eventName": "ObjectCreated:Put", "s3": told}]})

    def record(self, keys: Any, old: Any, new: Any) -> Json:
        """Return a record of the stream with any content."""
        number = self._next()
        body = {"ApproximateCreationDateTime": 1_717_200_000, "SequenceNumber": f"{number:021d}", "Keys": keys}
        body |= {name: image for name, image in (("OldImage", old), ("NewImage", new)) if image is not None}
        return {"eventID": f"{number:x}", "eventName": "MODIFY", "dynamodb": body, "eventSourceARN": SOURCE}

    def _record(self, keys: Mapping[str, Any], old: Any, new: Any) -> None:
        self.records.append(self.record(keys, old, new))

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence


def _never() -> Any:
    raise AssertionError("nothing asks for the health")
