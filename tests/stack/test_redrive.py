"""The commands that put failures back, on the emulated stack: every place once, and a route's replay."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import __main__ as command
from local.mapping import DiscardedRecords, StreamRecord, StreamSettings
from local.pollers.destinations import FailureDestination
from local.stack import Stack
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.tagged_json import dumps, loads
from tailrace.errors import Violation
from tailrace.outputs.quarantine_reports import quarantine_object
from tests.openapi.conformance import FLIGHT

SECONDS = 120
CANCELLED = FLIGHT | {"status": "cancelled"}
DISRUPTIONS = ("DisruptionsQueue", "DisruptionsDeadLetterQueue")

type Tailrace = Callable[..., str]


@pytest.fixture
def tailrace(
    signed_stack: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Tailrace:
    """Return a function that runs a command, and returns what it prints."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def run(*arguments: str) -> str:
        status = command.main([*arguments, "--stack", "tailrace", "--endpoint-url", signed_stack.endpoint])
        captured = capsys.readouterr()
        assert (status, captured.err) == (0, "")
        return captured.out

    return run


def eventually[Found](look: Callable[[], Found | None]) -> Found:
    """Wait until something is found."""
    deadline = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def archived(stack: Stack, subject: str) -> list[Any]:
    """Return the archived events of an item, each once."""
    s3, bucket = stack.client("s3"), stack.outputs["ArchiveBucket"]
    found = {}
    for entry in s3.list_objects_v2(Bucket=bucket, Prefix="archive/flights/").get("Contents", ()):
        for line in gzip.decompress(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()).splitlines():
            event = loads(line)
            if event["subject"] == subject:
                found[event["id"]] = event
    return list(found.values())


def taken(stack: Stack, queue: str) -> list[Any]:
    """Take all messages out of a queue."""
    sqs, url = stack.client("sqs"), stack.outputs[queue]
    bodies = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def item(stack: Stack, name: str) -> Any:
    key = {"pk": {"S": f"flights#{name}"}}
    found = stack.client("dynamodb").get_item(TableName=stack.outputs["ItemsTable"], Key=key, ConsistentRead=True)
    return found.get("Item")


def put_item(stack: Stack, name: str, fields: Any) -> None:
    row = encode_item({"pk": f"flights#{name}"} | fields)
    stack.client("dynamodb").put_item(TableName=stack.outputs["ItemsTable"], Item=row)


def event_of(name: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"event-{name}",
        "source": "test",
        "type": "tailrace.flights.inserted",
        "subject": name,
        "time": "2026-01-01T00:00:00Z",
        "data": {"old": None, "new": {"status": "cancelled"}, "shard": "shardId-1", "sequence": "1"},
    }


def test_dead_letters_of_the_archive_are_archived(signed_stack: Stack, tailrace: Tailrace) -> None:
    sqs = signed_stack.client("sqs")
    url = signed_stack.outputs["ArchiveDeadLetterQueue"]
    for name in ("dead-1", "dead-2"):
        sqs.send_message(QueueUrl=url, MessageBody=dumps([event_of(name)]))
    assert "archive     2 failures" in tailrace("redrive")
    assert "2 would be put back" in tailrace("redrive", "archive", "--dry-run")
    assert "1 put back" in tailrace("redrive", "archive", "--limit", "1")
    assert "1 put back" in tailrace("redrive", "archive")
    assert "archive     0 failures" in tailrace("redrive")
    eventually(lambda: archived(signed_stack, "dead-1") and archived(signed_stack, "dead-2"))


def test_dead_letters_of_a_route_go_back_to_its_queue(signed_stack: Stack, tailrace: Tailrace) -> None:
    taken(signed_stack, DISRUPTIONS[0])
    url = signed_stack.outputs[DISRUPTIONS[1]]
    signed_stack.client("sqs").send_message(QueueUrl=url, MessageBody=dumps(event_of("routed")))
    assert "1 put back" in tailrace("redrive", "disruptions")
    assert [event["subject"] for event in taken(signed_stack, DISRUPTIONS[0])] == ["routed"]


def test_dead_letters_of_the_intake_are_compared_with_the_items(signed_stack: Stack, tailrace: Tailrace) -> None:
    sqs, url = signed_stack.client("sqs"), signed_stack.outputs["IntakeDeadLetterQueue"]
    put_item(signed_stack, "newer", FLIGHT | {"flight": 2})
    put_item(signed_stack, "same", FLIGHT)
    for number, name in enumerate(("newer", "same", "absent", "absent")):
        message = {"op": "put", "collection": "flights", "id": name, "item": FLIGHT | {"flight": 4166 + (number == 3)}}
        options = {"MessageGroupId": f"flights#{name}", "MessageDeduplicationId": f"{number} {time.time_ns()}"}
        sqs.send_message(QueueUrl=url, MessageBody=dumps(message), **options)
    told = tailrace("redrive", "intake")
    assert "0 put back" in told
    assert "1 removed: changed nothing" in told
    assert "1 left: would create an item that does not exist" in told
    assert "1 left: would change an item that may be newer" in told
    assert "2 put back" in tailrace("redrive", "intake", "--create")
    stored = eventually(lambda: (row := item(signed_stack, "absent")) and row["flight"]["N"] == "4167" and row)
    assert stored["carrier"]["S"] == "EV"
    assert item(signed_stack, "newer")["flight"]["N"] == "2"
    assert "1 removed: would change an item" in tailrace("redrive", "intake", "--discard")
    assert "intake      0 failures" in tailrace("redrive")


def test_notifications_are_processed_again(signed_stack: Stack, tailrace: Tailrace) -> None:
    put_item(signed_stack, "catalogued", FLIGHT)
    dynamodb, table = signed_stack.client("dynamodb"), signed_stack.outputs["CatalogTable"]
    eventually(lambda: archived(signed_stack, "catalogued"))
    row = eventually(lambda: dynamodb.scan(TableName=table, ConsistentRead=True)["Items"])[0]
    key = {"pk": row["pk"], "sk": row["sk"]}
    dynamodb.delete_item(TableName=table, Key=key)
    bucket, inbox = signed_stack.outputs["ArchiveBucket"], "inbox/flights/redriven.jsonl"
    line = json.dumps({"id": "redriven"} | FLIGHT)
    signed_stack.client("s3").put_object(Bucket=bucket, Key=inbox, Body=line.encode())
    eventually(lambda: item(signed_stack, "redriven"))
    put_item(signed_stack, "redriven", FLIGHT | {"flight": 5})
    for stage, object_key in (("catalog", row["object"]["S"]), ("load", inbox)):
        described = {"bucket": {"name": bucket}, "object": {"key": object_key, "sequencer": "1"}}
        record = {"eventName": "ObjectCreated:Put", "eventTime": "2026-01-01T00:00:00Z", "s3": described}
        context = {"functionArn": f"arn:aws:lambda:us-east-1:000000000000:function:tailrace-{stage}:$LATEST"}
        body = {"requestContext": context, "requestPayload": {"Records": [record]}}
        url = signed_stack.outputs["AsyncFailuresQueue"]
        signed_stack.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))
    told = tailrace("redrive", "async")
    assert "1 put back" in told
    assert "1 left: files with lines that would change an item" in told
    assert inbox in told
    assert dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"] == row
    put_item(signed_stack, "redriven", FLIGHT)
    assert "1 put back" in tailrace("redrive", "async")
    assert "async       0 failures" in tailrace("redrive")


def test_a_discarded_batch_of_fanout_is_delivered_and_one_of_aggregate_is_left(
    signed_stack: Stack, tailrace: Tailrace
) -> None:
    image = encode_item({"pk": "flights#discarded"} | FLIGHT)
    change = {
        "eventID": "discarded-event",
        "eventName": "INSERT",
        "eventSourceARN": signed_stack.outputs["ItemsTableStream"],
        "dynamodb": {
            "ApproximateCreationDateTime": 1_767_225_600,
            "Keys": {"pk": image["pk"]},
            "SequenceNumber": "7",
            "NewImage": image,
        },
    }
    record: StreamRecord[bytes] = StreamRecord("7", 0, 9, json.dumps(change).encode())
    for mapping in (one for one in signed_stack.pollers.mappings if one.is_stream):
        given_up = DiscardedRecords("RetryAttemptsExhausted", (record,), "shardId-1", mapping.source_arn)
        settings = StreamSettings.parse(mapping.properties)
        FailureDestination(mapping, settings.on_failure, signed_stack.client).send(given_up, 0)
    told = tailrace("redrive", "batches")
    assert "1 put back" in told
    assert "tailrace verify --repair" in told
    eventually(lambda: archived(signed_stack, "discarded"))
    assert "batches     1 failure" in tailrace("redrive")


@pytest.fixture
def report(signed_stack: Stack) -> Iterator[str]:
    """Refuse an item as code does that is fixed now; return the name of its report."""
    put_item(signed_stack, "fixed", CANCELLED)
    eventually(lambda: archived(signed_stack, "fixed"))
    stored = quarantine_object(
        entrance="stream",
        collection="flights",
        id="fixed",
        item=CANCELLED,
        violations=[Violation("", "transform", "KeyError: 'gate'")],
        origin={"event": "refused-event", "shard": "shardId-1"},
        time="2026-01-02T00:00:00Z",
        details={"sequence": "8", "refused": True},
    )
    signed_stack.client("s3").put_object(
        Bucket=signed_stack.outputs["FailuresBucket"], Key=stored.key, Body=stored.body
    )
    yield stored.key.rpartition("/")[2].removesuffix(".json")
    signed_stack.client("s3").delete_object(Bucket=signed_stack.outputs["FailuresBucket"], Key=stored.key)


def test_a_quarantined_item_goes_to_archive_and_routes(signed_stack: Stack, tailrace: Tailrace, report: str) -> None:
    taken(signed_stack, DISRUPTIONS[0])
    assert f"{report}  2026-01-02T00:00:00Z  stream  flights#fixed" in tailrace("quarantine", "list")
    assert json.loads(tailrace("quarantine", "show", report))["item"]["status"] == "cancelled"
    assert "1 would be put back" in tailrace("quarantine", "replay", report, "--dry-run")
    told = tailrace("quarantine", "replay", report)
    assert "1 put back" in told
    assert "tailrace verify --repair" in told
    (event,) = taken(signed_stack, DISRUPTIONS[0])
    assert (event["id"], event["type"], event["replayed"]) == (
        "refused-event-replayed",
        "tailrace.flights.inserted",
        True,
    )
    eventually(lambda: len(archived(signed_stack, "fixed")) == 2)
    assert report not in tailrace("quarantine", "list")


def test_archived_events_go_to_a_route_again_in_order(signed_stack: Stack, tailrace: Tailrace) -> None:
    for status in ("scheduled", "cancelled"):
        put_item(signed_stack, "replayed", FLIGHT | {"status": status, "distance": 1})
    put_item(signed_stack, "replayed", CANCELLED | {"distance": 2})
    eventually(lambda: len(archived(signed_stack, "replayed")) == 3)
    signed_stack.wait_until_settled(SECONDS)
    taken(signed_stack, DISRUPTIONS[0])
    span = ("--from", "2026-01-03", "--to", "2100-01-01")
    counted = tailrace("replay", "disruptions", *span, "--dry-run").split()[0]
    assert tailrace("replay", "disruptions", *span, "--limit", "1").startswith("1 event sent to disruptions")
    tailrace("replay", "disruptions", *span)
    events = taken(signed_stack, DISRUPTIONS[0])
    assert len(events) == int(counted)
    assert all(event["replayed"] is True for event in events)
    ours = [event["data"]["new"]["distance"] for event in events if event["subject"] == "replayed"]
    assert ours == [1, 2]
