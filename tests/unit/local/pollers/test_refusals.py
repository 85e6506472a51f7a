"""A mapping that Lambda would refuse is one sentence before anything is polled."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.deployment.mappings import EventSourceMapping
from local.errors import DeployFailed
from local.pollers import pollers
from local.pollers.emulator_client import CallFailed, EmulatorClient

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/items/stream/2026-11-23T16:44:08.249Z"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:intake"


class Sqs:
    def get_queue_url(self, **_: str) -> dict[str, str]:
        return {"QueueUrl": "http://127.0.0.1:1/intake"}

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        return {"Attributes": {"VisibilityTimeout": "30"}}


@pytest.mark.parametrize(
    ("source", "properties", "sentence"),
    [
        (
            STREAM,
            {"StartingPosition": "AT_TIMESTAMP"},
            "Lambda would refuse TheMapping: StartingPosition must be TRIM_HORIZON or LATEST, not 'AT_TIMESTAMP'.",
        ),
        (
            QUEUE,
            {},
            "Lambda would refuse TheMapping: its queue's VisibilityTimeout of 30 s is less than the Timeout of 60 s.",
        ),
        (
            QUEUE,
            {"DestinationConfig": {"OnFailure": {"Destination": QUEUE}}},
            "Lambda would refuse TheMapping: DestinationConfig is for streams: give the queue a RedrivePolicy instead.",
        ),
    ],
)
def test_the_sentence_names_the_mapping_and_says_what_to_do(
    source: str, properties: dict[str, object], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = EventSourceMapping("TheMapping", "uuid", "function", "arn:function", source, 60, properties)
    monkeypatch.setattr(pollers, "list_mappings", lambda _: [mapping])
    monkeypatch.setattr(pollers, "client", lambda *_: Sqs())
    with pytest.raises(DeployFailed) as refused:
        pollers.Pollers("http://127.0.0.1:1")
    assert str(refused.value) == sentence


class NoQueue(Sqs):
    def get_queue_url(self, **_: str) -> dict[str, str]:
        code = "AWS.SimpleQueueService.NonExistentQueue"
        raise ClientError({"Error": {"Code": code, "Message": "The specified queue does not exist."}}, "GetQueueUrl")


def refuse(_client: object, _service: str, action: str, **_: object) -> dict[str, object]:
    assert action == "DescribeStream"
    raise CallFailed("ResourceNotFoundException", "Stream not found.")


@pytest.mark.parametrize(
    ("source", "properties", "kind"), [(STREAM, {"StartingPosition": "LATEST"}, "stream"), (QUEUE, {}, "queue")]
)
def test_a_source_that_does_not_exist_is_named(
    source: str, properties: dict[str, object], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html, ResourceNotFoundException.

    Before, a queue's name ended even a running stack with a traceback, and a stream was asked for four times a second.
    """
    mapping = EventSourceMapping("TheMapping", "uuid", "function", "arn:function", source, 20, properties)
    monkeypatch.setattr(pollers, "list_mappings", lambda _: [mapping])
    monkeypatch.setattr(pollers, "client", lambda *_: NoQueue())
    monkeypatch.setattr(EmulatorClient, "call", refuse)
    with pytest.raises(DeployFailed) as refused:
        pollers.Pollers("http://127.0.0.1:1")
    assert str(refused.value) == f"Lambda would refuse TheMapping: its {kind} {source} does not exist."


@pytest.mark.parametrize(("known", "is_refused"), [({}, True), ({"Other": None}, True), ({"TheMapping": None}, False)])
def test_a_queue_is_asked_how_long_it_hides_messages_when_its_mapping_is_new(
    known: dict[str, None], is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if other mappings exist, as in a stack that is kept or deployed again."""
    mapping = EventSourceMapping("TheMapping", "uuid", "function", "arn:function", QUEUE, 60, {})
    monkeypatch.setattr(pollers, "list_mappings", lambda _: [mapping])
    monkeypatch.setattr(pollers, "client", lambda *_: Sqs())
    monkeypatch.setattr(pollers, "resources", lambda *_: {"TheMapping": "uuid"})
    if is_refused:
        with pytest.raises(DeployFailed, match="VisibilityTimeout of 30 s is less than the Timeout of 60 s"):
            pollers.Pollers("http://127.0.0.1:1", positions=known)
    else:
        assert pollers.Pollers("http://127.0.0.1:1", positions=known).positions == known
