"""Files whose notifications were lost with the emulator are loaded by the next run of a kept stack, others are not."""

import json
from typing import Any

import pytest

from local.unfinished_files import load_unfinished_files
from tests.unit.aws.conftest import Cloud
from tests.unit.aws.conftest import cloud as cloud  # noqa: PLC0414 - a fixture


class Functions:
    """A Lambda client that remembers the events."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: str) -> None:  # noqa: N803 - boto3's names
        assert (FunctionName, InvocationType) == ("load", "Event")
        self.events.append(json.loads(Payload))


def put(cloud: Cloud, key: str, body: bytes = b"x") -> str:
    return cloud.s3.put_object(Bucket="the-archive", Key=key, Body=body)["ETag"].strip('"')


def described(events: list[Any]) -> list[tuple[str, str, str]]:
    found = [event["Records"][0]["s3"]["object"] for event in events]
    return [(one["key"], one["eTag"], one["sequencer"]) for one in found]


@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_a_file_without_a_receipt_is_loaded_on(cloud: Cloud, with_checkpoint: bool) -> None:
    etag = put(cloud, "inbox/orders/a day+.csv")
    if with_checkpoint:
        put(cloud, "checkpoints/orders/a day+.csv.json", json.dumps({"etag": etag, "sequencer": "0A"}).encode())
    functions = Functions()
    assert load_unfinished_files(cloud.s3, functions, "the-archive", "load") == ["inbox/orders/a day+.csv"]
    assert described(functions.events) == [("inbox/orders/a+day%2B.csv", etag, "0A" if with_checkpoint else "")]
    assert "continued" in functions.events[0]["Records"][0]


@pytest.mark.parametrize("receipt", [{"etag": "another"}, {}, []])
def test_a_receipt_or_checkpoint_of_another_content_does_not_count(cloud: Cloud, receipt: Any) -> None:
    etag = put(cloud, "inbox/orders/x.csv")
    for folder in ("receipts", "checkpoints"):
        put(cloud, f"{folder}/orders/x.csv.json", json.dumps(receipt).encode())
    functions = Functions()
    load_unfinished_files(cloud.s3, functions, "the-archive", "load")
    assert described(functions.events) == [("inbox/orders/x.csv", etag, "")]


def test_an_object_that_is_no_json_in_the_place_of_a_receipt_does_not_count(cloud: Cloud) -> None:
    """Before, a kept stack with such an object did not start any more."""
    etag = put(cloud, "inbox/orders/x.csv")
    put(cloud, "receipts/orders/x.csv.json", b"{broken")
    put(cloud, "checkpoints/orders/x.csv.json", b"\xff")
    functions = Functions()
    load_unfinished_files(cloud.s3, functions, "the-archive", "load")
    assert described(functions.events) == [("inbox/orders/x.csv", etag, "")]


def test_a_file_with_its_receipt_is_left_alone(cloud: Cloud) -> None:
    etag = put(cloud, "inbox/orders/x.csv")
    put(cloud, "inbox/orders/", b"")
    put(cloud, "receipts/orders/x.csv.json", json.dumps({"etag": etag}).encode())
    assert load_unfinished_files(cloud.s3, Functions(), "the-archive", "load") == []
