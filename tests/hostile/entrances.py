"""Every entrance of the pipeline, assembled on in-memory backends: api, queue, files and stream."""

import base64
import contextlib
import io
import json
import logging
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from functions.aggregate import app as aggregate
from functions.api import app as api
from functions.archive import app as archive
from functions.catalog import app as catalog
from functions.fanout import app as fanout
from functions.ingest import app as ingest
from functions.load import app as load
from local.in_memory import Database
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.monitoring import health, throughput
from tailrace.aws.runtime import parallel
from tailrace.aws.runtime.telemetry import logger
from tailrace.encoding.json_types import Json
from tailrace.testing import SHARD, SOURCE, event
from tests.api_client import request
from tests.hostile.backends import Bucket, Items, Queues
from tests.simulation.world.serial_executor import SerialExecutor

_APPS: Sequence[Any] = (aggregate, api, archive, catalog, fanout, ingest, load)
_TABLES = {"items": ("pk",), "aggregates": ("pk", "sk"), "progress": ("pk", "sk"), "catalog": ("pk", "sk")}
_TABLES |= {"idempotency": ("id",)}
_BUCKETS, _QUEUES = ("archive", "failures", "history"), ("archive", "intake", "async-failures")

ENVIRONMENT = {
    "TAILRACE_PIPELINE": "tests.hostile.definition:pipeline",
    "LOAD_FUNCTION": "load",
    **{f"{name.upper()}_TABLE": name for name in _TABLES},
    **{f"{name.upper()}_BUCKET": name for name in _BUCKETS},
    "ROUTES": "OddThings",
    **{f"{name.upper().replace('-', '_')}_QUEUE": f"stack-{name}" for name in _QUEUES},
    **{f"{name.upper().replace('-', '_')}_DEAD_LETTER_QUEUE": f"{name}-dead" for name in _QUEUES},
}


def _in_turn(max_workers: int) -> Executor:
    return SerialExecutor(0 * max_workers)


class _Streams:
    """A DynamoDB Streams client of one shard."""

    def describe_stream(self, **_request: Any) -> Json:
        """Describe the stream."""
        return {"StreamDescription": {"Shards": [{"ShardId": SHARD}]}}


@dataclass
class Entrances:
    """The functions on their backends; ``logs`` is all that they write to their logs, metrics too."""

    database: Database = field(default_factory=Database)
    bucket: Bucket = field(default_factory=Bucket)
    queues: Queues = field(default_factory=Queues)
    records: deque[Json] = field(default_factory=deque)
    logs: io.StringIO = field(default_factory=io.StringIO)
    sequence: int = 0

    def __post_init__(self) -> None:
        for name, keys in _TABLES.items():
            self.database.create(name, *keys, on_change=self._record if name == "items" else None)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Let the functions work on these backends, without threads, and keep their logs."""
        table = Items(self.database)
        clients = {"dynamodb": table, "s3": self.bucket, "sqs": self.queues, "dynamodbstreams": _Streams()}
        with ExitStack() as stack:
            stack.enter_context(patch.dict(os.environ, ENVIRONMENT))
            for app in _APPS:
                for name in {"client", "impatient_client"} & vars(app).keys():
                    stack.enter_context(patch.object(app, name, clients.__getitem__))
                if hasattr(app, "storing_client"):
                    stack.enter_context(patch.object(app, "storing_client", lambda: clients["s3"]))
                app.stage.cache_clear()
                stack.callback(app.stage.cache_clear)
            stack.enter_context(patch.object(throughput, "best_effort_client", lambda: table))
            stack.enter_context(patch.object(health, "impatient_client", clients.__getitem__))
            stack.enter_context(patch.object(aggregate, "Committer", partial(Committer, executor=_in_turn)))
            stack.enter_context(patch.object(parallel, "ThreadPoolExecutor", _in_turn))
            self._listen(stack)
            yield

    def _listen(self, stack: ExitStack) -> None:
        stack.enter_context(contextlib.redirect_stdout(self.logs))
        handler = logging.StreamHandler(self.logs)
        handler.setFormatter(logger().registered_formatter)
        log = logging.getLogger(logger().name)
        log.addHandler(handler)
        stack.callback(log.removeHandler, handler)

    def ask(self, method: str, path: str, body: bytes | str | None = None, query: str = "", **headers: str) -> Json:
        """Send a request; check that its answer is one that a gateway can send."""
        sent = request(method, path, None, query)
        sent["headers"] |= headers
        if isinstance(body, bytes):
            sent |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        elif body is not None:
            sent["body"] = body
        answer = api.handler(sent, None)
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
        assert ingest.handler({"Records": records}, None) == {"batchItemFailures": []}

    def drop(self, name: str, body: bytes) -> Json:
        """Drop a file into the inbox and return its receipt."""
        self.bucket.put_object(Bucket="archive", Key=f"inbox/{name}", Body=body)
        place = {
            "bucket": {"name": "archive"},
            "object": {"key": quote(f"inbox/{name}"), "sequencer": f"{self._next():X}"},
        }
        (receipt,) = load.handler({"Records": [{"eventTime": "2024-06-01T00:00:00.000Z", "s3": place}]}, None)
        json.dumps(receipt, default=str).encode()
        return receipt

    def deliver(self, extra: Sequence[Json] = ()) -> None:
        """Deliver the stream's changes and other records to both readers, and on to archive and catalog."""
        records = [*self.records, *extra]
        self.records.clear()
        if not records:
            return
        batch = event(records)
        for reader in (aggregate.handler, fanout.handler):
            assert reader(batch, None)["batchItemFailures"] == []
        bodies = self.queues.messages.pop("stack-archive", [])
        messages = [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]
        before = set(self.bucket.objects)
        assert archive.handler({"Records": messages}, None) == {"batchItemFailures": []}
        for bucket, key in sorted(set(self.bucket.objects) - before):
            if bucket == "archive":
                told = {"bucket": {"name": "archive"}, "object": {"key": quote(key)}}
                catalog.handler({"Records": [{"eventName": "ObjectCreated:Put", "s3": told}]}, None)

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
