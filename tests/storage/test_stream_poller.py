"""The stream's poller against DynamoDB Local, whose shards have DynamoDB's ids and end with their stream."""

import json
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from local.deployment.mappings import EventSourceMapping
from local.mapping import Returned, StreamSettings
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import EmulatorClient
from local.pollers.stream import StreamPoller

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "streamed"
PROPERTIES: dict[str, object] = {"StartingPosition": "TRIM_HORIZON", "TumblingWindowInSeconds": 900}
WITHIN_S = 20


@pytest.fixture
def stream(dynamodb: "DynamoDBClient") -> Iterator[str]:
    created = dynamodb.create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    yield created["TableDescription"]["LatestStreamArn"]
    dynamodb.delete_table(TableName=TABLE)


def test_all_shards_are_read_to_their_end(dynamodb: "DynamoDBClient", dynamodb_endpoint: str, stream: str) -> None:
    for number in range(40):
        dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": str(number % 7)}, "n": {"N": str(number)}})
    dynamodb.update_table(TableName=TABLE, StreamSpecification={"StreamEnabled": False})  # its shards end
    mapping = EventSourceMapping("Mapping", "uuid", "function", "arn:function", stream, 60, PROPERTIES)
    client = EmulatorClient(dynamodb_endpoint)
    settings = StreamSettings.parse(PROPERTIES)
    poller = StreamPoller(mapping, settings, client, FailureDestination(mapping, None, lambda _: None), shards=1)
    events: list[dict[str, Any]] = []
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline and not (events and poller.pending() == 0):
        poller.poll()
        for call, body in poller.due_invocations(time.time()):
            events.append(json.loads(body))
            poller.handle_result(call, Returned({"state": {}}), time.time())
        time.sleep(0.05)
    client.close()
    found = [int(record["dynamodb"]["NewImage"]["n"]["N"]) for event in events for record in event["Records"]]
    for item in range(7):
        assert [number for number in found if number % 7 == item] == list(range(item, 40, 7))
    assert all(re.fullmatch(r"shardId-\d{20}-[0-9a-f]{8}", event["shardId"]) for event in events)
    assert events[-1]["isFinalInvokeForWindow"] is True
