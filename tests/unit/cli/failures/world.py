"""A stack in memory with failures in every place: the real stages behind the places' fakes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.failures.batches import DiscardedBatches
from cli.failures.files import AsyncFailures
from cli.failures.functions import Functions
from cli.failures.gate import Gate
from cli.failures.intake import Intake, IntakeDeadLetters
from cli.failures.items.expectations import Expectations
from cli.failures.items.table import ItemTable
from cli.failures.quarantine import Quarantine
from cli.failures.queues import DeadLetters
from cli.failures.reports import ReportStore
from cli.failures.run import Policy, Run
from local.in_memory import Database
from tailrace import Collection, Pipeline, Route
from tailrace.aws.items.store import ItemStore
from tailrace.aws.monitoring.progress import ProgressWriter
from tailrace.aws.stages.fanout import Destinations, Fanout
from tailrace.aws.stages.ingest import Ingester
from tailrace.aws.stages.replay import Replayer
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.testing import SHARD, SOURCE, event
from tests.unit.cli.failures.fakes import Buckets, Client, Lambda, Life, Sqs

ACCOUNT = "arn:aws:lambda:us-east-1:123456789012:function:"
BOTH = Policy(create=True, overwrite=True)
SAFE = Policy()


def pipeline_with(
    transform: Any = None, when: Any = lambda item: item["n"] % 2 == 0, required: Sequence[str] = ("n",)
) -> Pipeline:
    things = Collection("things", schema={"type": "object", "required": list(required)}, transform=transform)
    return Pipeline([things], routes=[Route("even", of=things, when=when)])


@dataclass
class Stack:
    """The services, and the deployed functions."""

    state: Path
    sqs: Sqs = field(default_factory=Sqs)
    s3: Buckets = field(default_factory=Buckets)
    database: Database = field(default_factory=Database)
    functions: Lambda = field(default_factory=Lambda)

    def __post_init__(self) -> None:
        for url in ("archive", "archive-dead", "even", "even-dead", "async"):
            self.sqs.create(url)
        for url in ("intake", "intake-dead"):
            self.sqs.create(url, is_fifo=True)
        self.database.create("items", "pk")
        self.database.create("progress", "pk", "sk")
        self.deploy(pipeline_with())

    def deploy(self, pipeline: Pipeline) -> None:
        """Deploy fanout and ingest with a definition."""
        self.pipeline = pipeline
        sqs, s3, table = self._untyped()
        destinations = Destinations("archive", {"even": "even"}, "failures")
        progress = ProgressWriter(table, "progress", "fanout", clock=lambda: datetime.fromtimestamp(0, UTC))
        fanout = Fanout(pipeline, sqs, lambda: s3, destinations, progress)
        self.ingest = Ingester(ItemStore(table, "items", pipeline), lambda: s3, "failures")

        def handler(event: dict[str, Any]) -> Any:
            return Replayer(fanout)(event["replay"]) if "replay" in event else fanout(event)

        self.functions.functions["s-fanout"] = handler

    def _untyped(self) -> tuple[Any, Any, Any]:
        return self.sqs, self.s3, self.database

    # --- what an operator's process holds ------------------------------------------------------------------

    def places(self, life: Life, policy: Policy = BOTH) -> Mapping[str, Any]:
        """Return the places of a new process."""
        sqs, s3, database, functions = (Client(one, life) for one in (*self._untyped(), self.functions))
        table = ItemTable(database, "items", lambda: self.pipeline)
        gate = Gate(table, policy, Expectations(self.state / "intake.jsonl"))
        intake = Intake(sqs, "intake", self.state / "discarded.jsonl")
        called = Functions(functions, "s")
        return {
            "intake": IntakeDeadLetters(sqs, "intake-dead", intake, gate),
            "archive": DeadLetters("archive", sqs, "archive-dead", "archive", self.state),
            "even": DeadLetters("even", sqs, "even-dead", "even", self.state),
            "async": AsyncFailures(sqs, s3, "async", "the-archive", called, gate, lambda: self.pipeline),
            "batches": DiscardedBatches(s3, "failures", called),
            "quarantine": Quarantine(ReportStore(s3, "failures"), SOURCE, gate, intake, called),
        }

    def redrive(self, place: str, policy: Policy = BOTH, life: Life | None = None, **options: Any) -> Run:
        """Run a redrive of a place in a new process."""
        run = Run(policy, **options)
        self.places(life or Life(), policy)[place].redrive(run)
        return run

    # --- items and messages --------------------------------------------------------------------------------

    def put_item(self, item_id: str, item: Mapping[str, Any]) -> None:
        self.database.put_item(TableName="items", Item=encode_item({"pk": f"things#{item_id}"} | dict(item)))

    def items(self) -> dict[str, Any]:
        rows = (decode_item(row) for row in self.database.rows("items"))
        return {row.pop("pk").partition("#")[2]: {k: v for k, v in row.items() if k != "~etag"} for row in rows}

    def dead(self, *messages: Mapping[str, Any] | str) -> None:
        """Put messages into the intake's dead-letter queue."""
        for message in messages:
            body = message if isinstance(message, str) else dumps(dict(message))
            group = "g" if isinstance(message, str) else f"things#{message['id']}"
            name = f"sent-{next(self.sqs.ids)}"
            self.sqs.send_message(
                QueueUrl="intake-dead", MessageBody=body, MessageGroupId=group, MessageDeduplicationId=name
            )

    def ingest_all(self) -> None:
        """Let ingest process its queue."""
        queue = self.sqs.queues["intake"]
        while queue.messages:
            message = queue.messages.pop(0)
            attributes = {"MessageGroupId": message.group, "SentTimestamp": f"{message.sent_at * 1000:.0f}"}
            record = {"messageId": message.id, "body": message.body, "attributes": attributes}
            assert self.ingest({"Records": [record]}, lambda: 60_000) == {"batchItemFailures": []}

    def discard_batch(self, records: Sequence[Any], stage: str = "fanout", number: int = 0) -> str:
        """Store an invocation record, as Lambda does."""
        key = f"aws/lambda/uuid/{SHARD}/2026/11/27/2026-11-27T00.00.00-{number:04d}"
        arrivals = [f"approximateArrivalOf{end}Record" for end in ("First", "Last")]
        info = dict.fromkeys(arrivals, f"2026-11-27T00:00:{number:02d}Z")
        content = {"requestContext": {"functionArn": f"{ACCOUNT}s-{stage}:$LATEST"}, "DDBStreamBatchInfo": info}
        payload = {"payload": json.dumps(event(records))}
        self.s3.put_object(Bucket="failures", Key=key, Body=json.dumps(content | payload).encode())
        return key

    def repaired(self, *generations: Mapping[str, Any]) -> None:
        """Let history tell of live generations with these boundaries."""
        status = {"generations": [{"state": "live", "defined": True, "exact": True} | dict(one) for one in generations]}
        self.functions.functions["s-history"] = lambda _event: status

    def notify(self, stage: str, key: str, sequencer: str = "1") -> None:
        """Put a failed notification into the async failures queue."""
        described = {"eventTime": "2026-11-27T00:00:00Z", "s3": {"object": {"key": key, "sequencer": sequencer}}}
        context = {"functionArn": f"{ACCOUNT}s-{stage}:$LATEST"}
        body = {"requestContext": context, "requestPayload": {"Records": [described]}}
        self.sqs.send_message(QueueUrl="async", MessageBody=json.dumps(body))

    def stream(self, records: Sequence[Any]) -> None:
        """Let fanout process records; the items are in the table."""
        self.functions.functions["s-fanout"](event(records))
        for record in records:
            self.database.put_item(TableName="items", Item=record["dynamodb"]["NewImage"])

    def archived(self) -> list[Any]:
        return [envelope for body in self.sqs.bodies("archive") for envelope in loads(body)]

    def routed(self) -> list[Any]:
        return [loads(body) for body in self.sqs.bodies("even")]


def put(item_id: str, item: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"op": "put", "collection": "things", "id": item_id, "item": dict(item)} | more


def patch(item_id: str, change: Mapping[str, Any]) -> dict[str, Any]:
    return {"op": "patch", "collection": "things", "id": item_id, "patch": dict(change)}


def delete(item_id: str) -> dict[str, Any]:
    return {"op": "delete", "collection": "things", "id": item_id}
