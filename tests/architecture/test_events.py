"""Sample events: at least one for every function, shaped as AWS sends it, with the names of the emulated stack."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from hashlib import new
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest

from tests.architecture.stack import (
    FUNCTIONS,
    PAGE,
    ROOT,
    STAGES,
    emulated_name,
    properties,
    referred,
    resources,
    template,
    variable_name,
    variables,
)

# SQS and S3 give MD5 checksums, for damage on the way and not against forgery
md5 = partial(new, "md5", usedforsecurity=False)

EVENTS = ROOT / "events"
SAMPLES = sorted(path for path in EVENTS.glob("*.json") if path.name != "env.json")
WINDOW_FIELDS = {"window", "state", "shardId", "eventSourceARN", "isFinalInvokeForWindow", "isWindowTerminatedEarly"}


def load(path: Path) -> Any:
    """Read a sample."""
    return json.loads(path.read_text())


def samples(*stages: str) -> list[Path]:
    """Return the samples of some stages: ``<stage>.json`` and ``<stage>-<what is special>.json``."""
    return [path for path in SAMPLES if path.stem.split("-")[0] in stages]


def records(*stages: str) -> list[Mapping[str, Any]]:
    """Return the records in all samples of some stages."""
    return [record for path in samples(*stages) for record in load(path)["Records"]]


def name(path: Path) -> str:
    """Name a test case after the sample."""
    return path.stem


def test_every_function_has_a_sample_and_every_sample_a_function() -> None:
    """The part of a sample's name before the first dash is the stage."""
    assert {path.stem.split("-")[0] for path in SAMPLES} == set(FUNCTIONS)


@pytest.mark.parametrize("path", samples("fanout", "aggregate"), ids=name)
def test_stream_events_are_as_a_mapping_with_a_window_sends_them(path: Path) -> None:
    """All of the window's fields or none; records in the order of the shard and within the window."""
    event = load(path)
    assert event.keys() - {"Records"} in (WINDOW_FIELDS, set())
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]]
    assert all(one < next_one for one, next_one in pairwise(numbers))
    if "window" in event:
        start, end = (datetime.fromisoformat(event["window"][edge]).timestamp() for edge in ("start", "end"))
        assert end - start == 900  # TumblingWindowInSeconds
        assert all(start <= record["dynamodb"]["ApproximateCreationDateTime"] < end for record in event["Records"])


@pytest.mark.parametrize("stage", ["fanout", "aggregate"])
def test_stream_events_come_in_every_form(stage: str) -> None:
    """With a window and without, the empty end of a window, inserts, changes, removals and one by TTL."""
    events = [load(path) for path in samples(stage)]
    assert {"window" in event for event in events} == {True, False}
    assert any(event.get("isFinalInvokeForWindow") and not event["Records"] for event in events)
    assert {record["eventName"] for record in records(stage)} == {"INSERT", "MODIFY", "REMOVE"}
    removals = [record.get("userIdentity") for record in records(stage) if record["eventName"] == "REMOVE"]
    assert {"type": "Service", "principalId": "dynamodb.amazonaws.com"} in removals
    assert None in removals


@pytest.mark.parametrize("record", records("fanout", "aggregate"), ids=lambda record: str(record["eventID"])[:8])
def test_stream_records_hold_the_images_that_their_event_has(record: Mapping[str, Any]) -> None:
    """INSERT a new one, REMOVE an old one, MODIFY both, and each with the key."""
    body = record["dynamodb"]
    images = {"INSERT": {"NewImage"}, "MODIFY": {"NewImage", "OldImage"}, "REMOVE": {"OldImage"}}[record["eventName"]]
    assert {key for key in body if key.endswith("Image")} == images
    assert all(body[image]["pk"] == body["Keys"]["pk"] for image in images)
    assert body["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert record["eventSourceARN"].split(":table/")[1].startswith(emulated_name(properties("ItemsTable")["TableName"]))


@pytest.mark.parametrize(("stage", "queue"), [("ingest", "IntakeQueue"), ("archive", "ArchiveQueue")])
def test_messages_are_as_sqs_sends_them(stage: str, queue: str) -> None:
    """The right queue and checksum, and for a FIFO queue the item's key as the group."""
    assert records(stage)
    for record in records(stage):
        assert record["eventSourceARN"].split(":")[-1] == emulated_name(properties(queue)["QueueName"])
        assert record["md5OfBody"] == md5(record["body"].encode()).hexdigest()
        body = json.loads(record["body"])
        if stage == "ingest":
            assert record["attributes"]["MessageGroupId"] == f"{body['collection']}#{body['id']}"


def test_ingest_is_shown_every_kind_of_message() -> None:
    """Put, patch and delete."""
    assert {json.loads(record["body"])["op"] for record in records("ingest")} == {"put", "patch", "delete"}


@pytest.mark.parametrize(("stage", "prefix"), [("load", "inbox/"), ("catalog", "archive/")])
def test_notifications_are_as_s3_sends_them(stage: str, prefix: str) -> None:
    """The archive bucket, and a key under the prefix of the notification, encoded as in a form."""
    for record in records(stage):
        assert record["s3"]["bucket"]["name"] == emulated_name(properties("ArchiveBucket")["BucketName"])
        key = record["s3"]["object"]["key"]
        assert unquote_plus(key).startswith(prefix)
        assert "=" not in key


def test_the_file_that_the_sample_of_load_names_is_there() -> None:
    """With the size and checksum that the notification tells."""
    for record in records("load"):
        told = record["s3"]["object"]
        content = (EVENTS / unquote_plus(told["key"])).read_bytes()
        assert (told["size"], told["eTag"]) == (len(content), md5(content).hexdigest())


@pytest.mark.parametrize("path", samples("api", PAGE), ids=name)
def test_requests_are_as_the_http_api_sends_them(path: Path) -> None:
    """Payload 2.0, on a route that the template has, signed but for the page."""
    event = load(path)
    routes = {route["Properties"]["RouteKey"] for route in resources("AWS::ApiGatewayV2::Route").values()}
    assert event["version"] == "2.0"
    assert event["routeKey"] in routes
    assert (
        event["routeKey"] == "$default" or event["routeKey"].split(" ")[0] == event["requestContext"]["http"]["method"]
    )
    assert event["rawPath"] == event["requestContext"]["http"]["path"]
    assert ("authorizer" in event["requestContext"]) is (not path.stem.startswith(PAGE))
    assert path.stem.startswith(PAGE) or "iam" in event["requestContext"]["authorizer"]


def test_every_route_has_a_sample() -> None:
    """One at least; of those with the id in the query, which differ in nothing else, one to write and one to read."""
    routes = {route["Properties"]["RouteKey"] for route in resources("AWS::ApiGatewayV2::Route").values()}
    by_query = {key for key in routes if key.endswith("/items") and not key.startswith("POST")}
    shown = {load(path)["routeKey"] for path in samples("api", PAGE)}
    assert shown >= routes - by_query
    assert len(shown & by_query) == 2


def test_the_environment_names_the_emulated_stack() -> None:
    """Every variable that a function needs, with the name that the resource has in the stack `tailrace`."""
    given = load(EVENTS / "env.json")["Parameters"]
    endpoint = given.pop("AWS_ENDPOINT_URL")
    needed = {variable for stage in FUNCTIONS for variable in variables(stage)} - {"TAILRACE_PIPELINE"}
    assert given.keys() == needed
    for logical_id in {target for stage in STAGES for target in referred(variables(stage))}:
        kind = template()["Resources"][logical_id]["Type"].split("::")[2]
        own = emulated_name(properties(logical_id)[f"{kind}Name"])
        expected = f"{endpoint}/000000000000/{own}" if kind == "Queue" else own
        assert given[variable_name(logical_id)] == expected
