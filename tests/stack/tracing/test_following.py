"""With tracing on, an item is followed by logs alone: from its request, message or file to its rows and the archive."""

import gzip
import json
from typing import Any

import pytest
import urllib3

from local.stack import Stack
from tests.oidc_issuer import Issuer
from tests.openapi.conformance import FLIGHT
from tests.stack.failing.waiting import await_logged

SECONDS = 60
SENDER = "Root=1-67891233-abcdef012345678912345678"
SECRET = "N5ECR"  # an item's content, which no log may hold


@pytest.fixture(scope="module")
def stack(token_stack: Stack) -> Stack:
    """Turn tracing on in each function: the emulator's transform leaves the functions' own setting at its default."""
    for function in ("api", "ingest", "load"):
        token_stack.client("lambda").update_function_configuration(
            FunctionName=f"tailrace-{function}", TracingConfig={"Mode": "Active"}
        )
    return token_stack


def lines(stack: Stack, function: str, text: str) -> list[dict[str, Any]]:
    """Return a function's log lines in JSON that contain a text."""
    found = stack.client("logs").filter_log_events(logGroupName=f"/aws/lambda/tailrace-{function}", limit=10_000)
    messages = [one["message"].strip() for one in found["events"]]
    return [json.loads(one) for one in messages if text in one and one.startswith("{")]


def logged(stack: Stack, function: str, text: str, message: str = "") -> list[dict[str, Any]]:
    """Wait for log lines with a text, and with a message that holds another one."""
    return await_logged(
        stack,
        function,
        lambda: [one for one in lines(stack, function, text) if message in one.get("message", "")],
        SECONDS,
    )


def request(stack: Stack, issuer: Issuer, method: str, item: str) -> str:
    """Write an item by the API."""
    token = issuer.token(scope="tailrace/read tailrace/write", exp=4_000_000_000)
    answer = urllib3.request(
        method,
        f"{stack.api_url}/collections/flights/items/{item}",
        json=FLIGHT | {"tailnum": SECRET} if method == "PUT" else None,
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status < 300
    return logged(stack, "api", "items written")[-1]["xray_trace_id"]  # type: ignore[no-any-return]


def send(stack: Stack, item: str) -> str:
    """Write an item by a message; return the message's id."""
    sent = stack.client("sqs").send_message(
        QueueUrl=stack.outputs["IntakeQueue"],
        MessageBody=json.dumps(
            {"op": "put", "collection": "flights", "id": item, "item": FLIGHT | {"tailnum": SECRET}}
        ),
        MessageGroupId=item,
        MessageDeduplicationId=item,
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": SENDER}},
    )
    return str(sent["MessageId"])


def drop(stack: Stack, item: str) -> str:
    """Write an item by a file; return its key."""
    key = f"inbox/flights/{item}.jsonl"
    body = json.dumps({"id": item, "tailnum": SECRET} | FLIGHT).encode()
    stack.client("s3").put_object(Bucket=stack.outputs["ArchiveBucket"], Key=key, Body=body)
    return key


def followed(stack: Stack, entrance: str, known: str) -> dict[str, Any]:
    """Follow a change from what its sender knows, by logs alone; return the archived event."""
    (written,) = logged(stack, entrance, known, "items written")
    assert written["xray_trace_id"].startswith("1-")
    (change,) = written["changes"]
    (sent,) = logged(stack, "fanout", change)
    (counted,) = logged(stack, "aggregate", change)
    assert (sent["message"], counted["message"]) == ("changes fanned out", "changes counted")
    event = sent["events"][sent["changes"].index(change)]
    assert event == counted["events"][counted["changes"].index(change)]
    (archived,) = logged(stack, "archive", event)
    assert archived["message"] == "changes archived"
    s3, bucket = stack.client("s3"), stack.outputs["ArchiveBucket"]
    for entry in s3.list_objects_v2(Bucket=bucket, Prefix="archive/").get("Contents", ()):
        for line in gzip.decompress(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()).splitlines():
            if (found := json.loads(line))["id"] == event:
                return dict(found)
    raise AssertionError(event)


def test_an_item_is_followed_from_every_entrance(stack: Stack, issuer: Issuer) -> None:
    for entrance, item, known in (
        ("api", "asked", request(stack, issuer, "PUT", "asked")),
        ("ingest", "sent", send(stack, "sent")),
        ("load", "dropped", drop(stack, "dropped")),
    ):
        event = followed(stack, entrance, known)
        assert (event["subject"], event["type"]) == (item, "tailrace.flights.inserted")
    assert lines(stack, "ingest", "items written")[0]["sender_trace"] == SENDER
    event = followed(stack, "api", request(stack, issuer, "DELETE", "asked"))
    assert (event["subject"], event["type"]) == ("asked", "tailrace.flights.removed")
    for function in ("api", "ingest", "load", "fanout", "aggregate", "archive"):
        assert not lines(stack, function, SECRET)
