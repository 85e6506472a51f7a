"""Every sample event, through the real `sam local invoke` in Docker, has its effect on the emulated stack."""

import base64
import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from botocore.exceptions import ClientError

from local.stack import Stack
from tests.sam_local.conftest import EVENTS, Invoke

ARCHIVE_BUCKET = "tailrace-archive-000000000000-us-east-1"
FAILURES_BUCKET = "tailrace-failures-000000000000-us-east-1"
WAIT_SECONDS = 120
ALL_DONE: dict[str, Any] = {"state": {}, "batchItemFailures": []}


def load(sample: str) -> Any:
    """Read a sample event."""
    return json.loads((EVENTS / f"{sample}.json").read_text())


def item(stack: Stack, item_id: str) -> dict[str, Any] | None:
    """Return a flight from the items table."""
    key = {"pk": {"S": f"flights#{item_id}"}}
    found: dict[str, Any] | None = stack.client("dynamodb").get_item(TableName="tailrace-items", Key=key).get("Item")
    return found


def row(stack: Stack, pk: str, sk: str) -> dict[str, Any]:
    """Return a row of the aggregates table, empty if there is none."""
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    found: dict[str, Any] = stack.client("dynamodb").get_item(TableName="tailrace-aggregates", Key=key).get("Item", {})
    return found


def keys(stack: Stack, bucket: str, prefix: str) -> list[str]:
    """Return the keys under a prefix."""
    return [
        found["Key"] for found in stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    ]


def read(stack: Stack, bucket: str, key: str) -> bytes | None:
    """Return an object's content, None if there is none."""
    try:
        content: bytes = stack.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    return content


def quarantined(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return the reports in quarantine by the id of their item."""
    found = [
        json.loads(read(stack, FAILURES_BUCKET, key) or b"") for key in keys(stack, FAILURES_BUCKET, "quarantine/")
    ]
    return {report["id"]: report for report in found}


def wait_for[T](look: Callable[[], T | None]) -> T:
    """Look again and again until there is something."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := look()) is None or not found:
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)
    return found


def test_load_reads_a_file(stack: Stack, invoke: Invoke) -> None:
    """The items are in the table, the broken line is in quarantine, and the receipt counts both."""
    file, receipt = "inbox/flights/2013-12-24.jsonl", "receipts/flights/2013-12-24.jsonl.json"
    s3 = stack.client("s3")
    s3.put_object(Bucket=ARCHIVE_BUCKET, Key=file, Body=(EVENTS / file).read_bytes())
    # the stack's own load has read it now, too; without its receipt, the next one is that of `sam local invoke`
    wait_for(lambda: read(stack, ARCHIVE_BUCKET, receipt))
    s3.delete_object(Bucket=ARCHIVE_BUCKET, Key=receipt)
    invoke("load")
    told = json.loads(read(stack, ARCHIVE_BUCKET, receipt) or b"{}")
    assert (told["accepted"], told["rejected"]) == (3, 1)
    assert item(stack, "2013-12-24-AA-85-JFK") is not None
    assert quarantined(stack)["2013-12-24-broken-file"]["entrance"] == "file"


def test_ingest_takes_messages_in(stack: Stack, invoke: Invoke) -> None:
    """Put then patched, put then deleted, and one refused."""
    assert invoke("ingest") == {"batchItemFailures": []}
    patched = item(stack, "2013-12-24-DL-2113-LGA") or {}
    assert (patched["status"], patched["dep_delay"]) == ({"S": "departed"}, {"N": "142"})
    assert item(stack, "2013-12-24-DL-2285-LGA") is None
    assert item(stack, "2013-12-24-broken-queue") is None
    report = quarantined(stack)["2013-12-24-broken-queue"]
    assert report["entrance"] == "queue"
    assert len(report["violations"]) == 2


def _disruptions(stack: Stack) -> set[str]:
    sqs, queue = stack.client("sqs"), stack.outputs["DisruptionsQueue"]
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
    return {json.loads(message["Body"])["id"] for message in found}


def _archived(stack: Stack) -> list[dict[str, Any]]:
    objects = [
        read(stack, ARCHIVE_BUCKET, key) or b""
        for key in keys(stack, ARCHIVE_BUCKET, "archive/flights/date=2013-12-24/")
    ]
    return [json.loads(line) for content in objects for line in gzip.decompress(content).splitlines()]


def test_history_says_how_things_stand(invoke: Invoke) -> None:
    """The generations of a new stack are exact, and no job has run."""
    answer = invoke("history")
    assert {(one["state"], one["exact"]) for one in answer["generations"]} == {("live", True)}
    assert answer["jobs"] == []


def test_fanout_moves_changes(stack: Stack, invoke: Invoke) -> None:
    """The cancelled flight is on its route's queue, all come to the archive, the broken one is in quarantine."""
    assert invoke("fanout") == ALL_DONE
    (cancelled,) = [
        record["eventID"]
        for record in load("fanout")["Records"]
        if record["dynamodb"].get("NewImage", {}).get("status") == {"S": "cancelled"}
    ]
    assert cancelled in _disruptions(stack)
    wait_for(lambda: [event for event in _archived(stack) if event["id"] == cancelled])
    assert quarantined(stack)["2013-12-24-broken-stream"]["entrance"] == "stream"


def test_fanout_moves_changes_of_an_unknown_shard(stack: Stack, invoke: Invoke) -> None:
    """Without a window the event names no shard, and the archive says so."""
    sent = {record["eventID"] for record in load("fanout-without-window")["Records"]}
    answer = invoke("fanout-without-window")
    assert answer["batchItemFailures"] == []
    events = wait_for(lambda: [event for event in _archived(stack) if event["id"] in sent])
    assert {event["data"]["shard"] for event in events} == {None}


def test_aggregate_counts_each_change_once(stack: Stack, invoke: Invoke) -> None:
    """The rows are right, and the same event a second time changes nothing."""
    united, express = ("carrier_hours@1#UA", "2013-12-24T05:00-05:00"), ("carrier_hours@1#EV", "2013-12-24T07:00-05:00")
    assert invoke("aggregate") == ALL_DONE
    first = row(stack, *united)
    # one flight stays; the other was written and deleted again
    assert (first["flights"], first["departures"]) == ({"N": "1"}, {"N": "1"})
    assert row(stack, *express)["cancellations"] == {"N": "1"}
    assert invoke("aggregate") == ALL_DONE
    assert row(stack, *united) == first


def test_aggregate_counts_an_unknown_shard_without_marks(stack: Stack, invoke: Invoke) -> None:
    """At least once, then: a second delivery would count twice."""
    key = ("carrier_hours@1#B6", "2013-12-24T05:00-05:00")
    assert invoke("aggregate-without-window")["batchItemFailures"] == []
    found = row(stack, *key)
    assert found["flights"] == {"N": "1"}
    assert [name for name in found if name.startswith("~")] == ["~n"]


@pytest.mark.parametrize("stage", ["fanout", "aggregate"])
def test_the_end_of_a_window_is_nothing_special(invoke: Invoke, stage: str) -> None:
    """It has no records, and the state goes back as it came."""
    assert invoke(f"{stage}-window-end") == ALL_DONE


def _sample_object() -> str:
    return unquote_plus(load("catalog")["Records"][0]["s3"]["object"]["key"])


def test_archive_writes_an_object(stack: Stack, invoke: Invoke) -> None:
    """Its name is a function of its content, so the sample of catalog can name it."""
    key = _sample_object()
    # the sample of fanout makes the very same object
    stack.client("s3").delete_object(Bucket=ARCHIVE_BUCKET, Key=key)
    assert invoke("archive") == {"batchItemFailures": []}
    lines = gzip.decompress(read(stack, ARCHIVE_BUCKET, key) or b"").splitlines()
    sent = [event["id"] for record in load("archive")["Records"] for event in json.loads(record["body"])]
    assert sorted(json.loads(line)["id"] for line in lines) == sorted(sent)


def _catalogued(stack: Stack) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = stack.client("dynamodb").scan(TableName="tailrace-catalog")["Items"]
    return [found for found in rows if any(_sample_object() in str(value) for value in found.values())]


def test_catalog_describes_an_object(stack: Stack, invoke: Invoke) -> None:
    """The object that the sample of archive has made has its row."""
    if read(stack, ARCHIVE_BUCKET, _sample_object()) is None:
        invoke("archive")
    # the stack's own catalog has seen it, too; without its row, the next one is that of `sam local invoke`
    (found,) = wait_for(lambda: _catalogued(stack))
    stack.client("dynamodb").delete_item(TableName="tailrace-catalog", Key={name: found[name] for name in ("pk", "sk")})
    invoke("catalog")
    assert _catalogued(stack) == [found]


def test_api_serves_items_and_rows(stack: Stack, invoke: Invoke) -> None:
    """Put, patch, get, delete, and the rows of an aggregate."""
    flight = "2013-12-24-EV-4166-EWR"
    assert invoke("api-put-item")["statusCode"] in (200, 201, 204)
    assert item(stack, flight) is not None
    assert invoke("api-patch-item")["statusCode"] in (200, 204)
    assert (item(stack, flight) or {})["status"] == {"S": "cancelled"}
    assert '"cancelled"' in invoke("api-get-item")["body"]
    assert invoke("api-delete-item")["statusCode"] in (200, 204)
    assert item(stack, flight) is None
    assert invoke("api-get-rows")["statusCode"] == 200
    assert invoke("api-get-top")["body"].startswith("carrier,hour,")
    listed = json.loads(invoke("api-get-groups")["body"])
    assert listed["group"] == "carrier"
    assert all(entry["items"] > 0 for entry in listed["groups"])


def test_api_takes_any_id_in_the_query(stack: Stack, invoke: Invoke) -> None:
    """A percent sign and a question mark would not survive the gateway in a path."""
    assert invoke("api-put-item-by-query")["statusCode"] in (200, 201)
    assert item(stack, "100% sure?") is not None
    assert invoke("api-get-item-by-query")["statusCode"] == 200


def test_api_describes_itself_and_says_what_an_address_takes(stack: Stack, invoke: Invoke) -> None:
    """The OpenAPI document, the aggregates, and 405 with Allow."""
    assert '"carrier_hours"' in invoke("api-get-aggregates")["body"]
    health = json.loads(invoke("api-get-health")["body"])
    stages = {stage["name"]: stage for stage in health["stages"]}
    assert list(stages) == ["api", "load", "ingest", "fanout", "aggregate", "archive", "catalog"]
    assert None not in (health["files_failed"], health["quarantined_today"], stages["ingest"]["waiting"])
    assert "/collections/flights/items" in json.loads(invoke("api-get-openapi")["body"])["paths"]
    answer = invoke("api-method-not-allowed")
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "GET")
    assert stack


def test_api_takes_many_items_and_answers_repeats_alike(stack: Stack, invoke: Invoke) -> None:
    """One is stored, one is refused, and the request is carried out once."""
    answer = invoke("api-post-items")
    assert answer["statusCode"] == 207
    assert [result["status"] for result in json.loads(answer["body"])["results"]] == [200, 422]
    assert item(stack, "2013-12-24-EV-4166-EWR") is not None
    assert invoke("api-post-items")["headers"]["Idempotency-Replayed"] == "true"


def test_api_refuses_with_every_violation(stack: Stack, invoke: Invoke) -> None:
    """4xx, problem+json, and nothing is stored."""
    answer = invoke("api-put-item-refused")
    assert 400 <= answer["statusCode"] < 500
    assert len(json.loads(answer["body"])["violations"]) == 2
    assert item(stack, "2013-12-24-broken-api") is None


def test_dashboard_serves_its_page(stack: Stack, invoke: Invoke) -> None:
    """A file as it was built, packed; how to sign in; and from the bare address to the page."""
    page = invoke("dashboard-file")
    assert page["statusCode"] == 200
    assert gzip.decompress(base64.b64decode(page["body"])).startswith(b"<!doctype html>")
    config = json.loads(base64.b64decode(invoke("dashboard-config")["body"]))
    assert config["auth"]["issuer"] == "https://login.example"
    assert invoke("dashboard")["headers"]["Location"] == "dashboard/index.html"
    assert stack


def test_no_sample_is_left_out() -> None:
    """Each file in events/ is invoked above."""
    samples = {path.stem for path in EVENTS.glob("*.json")} - {"env"}
    text = Path(__file__).read_text()
    assert {sample for sample in samples if f'"{sample}"' not in text} <= {"fanout-window-end", "aggregate-window-end"}
