"""The emulator leaves mappings of streams and queues to the local pollers, even one that is enabled."""

import io
import json
import time
import zipfile
from collections.abc import Iterator

import pytest

from local.deployment.deploy import client
from local.deployment.emulator import Emulator

ROLE = "arn:aws:iam::000000000000:role/any"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    running = Emulator.start()
    yield running
    running.stop()


def archive(source: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("index.py", source)
    return content.getvalue()


def test_an_enabled_mapping_delivers_nothing_by_itself(emulator: Emulator) -> None:
    """It is enabled while its stack is deployed; the pollers begin at the first record or message afterwards."""
    functions, sqs, dynamodb = (client(name, emulator.endpoint) for name in ("lambda", "sqs", "dynamodb"))
    queue = sqs.create_queue(QueueName="source")["QueueUrl"]
    functions.create_function(
        FunctionName="f",
        Runtime="python3.13",
        Role=ROLE,
        Handler="index.handler",
        Code={"ZipFile": archive("def handler(event, context):\n    return {}\n")},
    )
    table = dynamodb.create_table(
        TableName="items",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    dynamodb.put_item(TableName="items", Item={"pk": {"S": "a"}})
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"id": "a"}))
    sources = "arn:aws:sqs:us-east-1:000000000000:source", table["LatestStreamArn"]
    for source in sources:
        functions.create_event_source_mapping(
            FunctionName="f", EventSourceArn=source, StartingPosition="TRIM_HORIZON", Enabled=True
        )
    time.sleep(2.5)  # it would look once a second
    results = [one["LastProcessingResult"] for one in functions.list_event_source_mappings()["EventSourceMappings"]]
    assert results == ["No records processed"] * len(sources)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    assert [counts[name] for name in names] == ["1", "0"]
