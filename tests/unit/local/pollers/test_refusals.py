"""A mapping that Lambda would refuse is one sentence before anything is polled."""

from typing import Any

import pytest

from local.deployment.mappings import EventSourceMapping
from local.errors import DeployFailed
from local.pollers import pollers

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
