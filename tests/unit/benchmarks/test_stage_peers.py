"""The peers of the other stages in Python do the same work: the same items, messages and archived events."""

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

from benchmarks.peers import powertools
from benchmarks.peers import stages as by_hand
from benchmarks.stages.compare import messages
from benchmarks.stages.entrances import intake_event
from local.in_memory import Database
from local.in_memory.errors import client_error
from pipeline.definition import pipeline
from tailrace.aws.items.store import ItemStore
from tailrace.aws.runtime.deadlines import remaining_time_ms
from tailrace.aws.stages.archive import Archiver
from tailrace.aws.stages.ingest import Ingester
from tailrace.encoding.dynamodb import decode_item
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch
from tests.unit.benchmarks.samples import event_text, parsed_event

type Stage = Callable[[Mapping[str, Any], Any], Any]


class Recorder:
    """Queues, a bucket and a table that keep what they get, by queue, key and key; a put to ``broken`` fails."""

    def __init__(self, broken: str = "") -> None:
        self.sent: dict[str, list[Any]] = {}
        self.objects: dict[str, bytes] = {}
        self.items: dict[str, Any] = {}
        self.broken = broken

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.sent.setdefault(QueueUrl, []).extend(json.loads(entry["MessageBody"]) for entry in Entries)
        return {}

    def put_object(self, *, Key: str, Body: bytes, **_request: Any) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.objects[Key] = Body
        return {}

    def put_item(self, *, Item: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if Item["pk"] == self.broken:
            raise client_error("ProvisionedThroughputExceededException", "PutItem")
        self.items[Item["pk"]] = Item
        return {}

    def events(self) -> list[Any]:
        """Return the events in all objects, by id."""
        lines = (line for body in self.objects.values() for line in gzip.decompress(body).splitlines())
        return sorted(map(json.loads, lines), key=lambda one: str(one["id"]))


def ingested() -> dict[str, Any]:
    """Return the items that the stage puts, by key."""
    table: Any = Database()
    table.create("items", "pk")
    stage = Ingester(ItemStore(table, "items", pipeline), pytest.fail, "failures")
    assert stage(intake_event(event_text()), lambda: 900_000) == {"batchItemFailures": []}
    rows = [decode_item(row) for row in table.rows("items")]
    return {row["pk"]: row for row in rows}


@pytest.mark.parametrize("peer", [by_hand.ingest, powertools.ingest])
def test_the_same_items_are_put(peer: Stage) -> None:
    table = Recorder()
    peer(intake_event(event_text()), table)
    assert table.items == ingested()


def test_powertools_reports_a_message_that_fails_and_those_after_it() -> None:
    """The queue is FIFO: a later message may be about the same item."""
    batch = intake_event(event_text())
    table = Recorder(broken=f"flights#{json.loads(batch['Records'][97]['body'])['id']}")
    failed = [message["itemIdentifier"] for message in powertools.ingest(batch, table)["batchItemFailures"]]
    assert failed == ["97", "98", "99"]


def test_powertools_raises_if_no_message_can_be_archived() -> None:
    """Then Lambda delivers the whole batch again."""

    class Throttled(Recorder):
        def put_object(self, **_request: Any) -> dict[str, Any]:
            raise client_error("SlowDown", "PutObject")

    with pytest.raises(BatchProcessingError, match="All records failed processing"):
        powertools.archive(messages(event_text()), Throttled())


@pytest.mark.parametrize("peer", [by_hand.archive, powertools.archive])
def test_the_same_events_are_archived(peer: Stage) -> None:
    s3: Any = Recorder()
    Archiver(s3, "archive", "failures")(messages(event_text()), remaining_time_ms(None))
    other = Recorder()
    peer(messages(event_text()), other)
    assert len(other.events()) == len(parsed_event()["Records"])
    assert other.events() == s3.events()


def test_the_same_changes_are_sent_by_hand() -> None:
    sqs = Recorder()
    by_hand.fan_out(parsed_event(), sqs, "archive", "disruptions")
    found = dispatch(parse_raw_batch(parsed_event()), pipeline, PreparedImages(pipeline))
    for queue, events in (("archive", found.archive), ("disruptions", found.routes["disruptions"])):
        assert events
        ours = [json.loads(one.text) for one in events]
        assert sqs.sent[queue] == [
            {"id": one["id"], "old": one["data"]["old"], "new": one["data"]["new"]} for one in ours
        ]
