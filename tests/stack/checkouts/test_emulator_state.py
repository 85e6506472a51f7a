"""The emulator's state at one moment, in a file: written whole, read whole or refused. No stack is deployed."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.deployment import emulator as module
from local.deployment.deploy import client
from local.deployment.emulator import STACK_NAME, Emulator, EmulatorFiles, free_port
from local.errors import EmulatorFailed

BUCKET = "the-bucket"
WAITING = {
    "StartAt": "Wait",
    "States": {
        "Wait": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": "", "MessageBody": {"token.$": "$$.Task.Token"}},
            "End": True,
        }
    },
}

type Start = Callable[[], Emulator]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state" / "stack"


@pytest.fixture
def start(state: Path) -> Iterator[Start]:
    """Return a function that starts an emulator with the state, at the same port; the last one is stopped."""
    port = free_port()
    running: list[Emulator] = []

    def started() -> Emulator:
        for earlier in running:
            earlier.stop()
        running.append(Emulator.start(port, files=EmulatorFiles(state)))
        return running[-1]

    yield started
    for emulator in running:
        emulator.stop()


def fill(emulator: Emulator) -> dict[str, Any]:
    """Write to every kind of store; return what identifies it."""
    aws = {
        name: client(name, emulator.endpoint) for name in ("dynamodb", "dynamodbstreams", "s3", "sqs", "stepfunctions")
    }
    table = aws["dynamodb"].create_table(
        TableName="items",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    for number in range(3):
        aws["dynamodb"].put_item(
            TableName="items", Item={"pk": {"S": "a"}, "n": {"N": str(number)}, "b": {"B": b"\x80"}}
        )
    queue = aws["sqs"].create_queue(QueueName="queue")["QueueUrl"]
    aws["sqs"].send_message(QueueUrl=queue, MessageBody="hello")
    aws["s3"].create_bucket(Bucket=BUCKET)
    aws["s3"].put_object(Bucket=BUCKET, Key="folder/key", Body=b"\x80 content")
    WAITING["States"]["Wait"]["Parameters"]["QueueUrl"] = queue  # type: ignore[index]
    machine = aws["stepfunctions"].create_state_machine(
        name="machine", roleArn="arn:aws:iam::000000000000:role/any", definition=json.dumps(WAITING)
    )["stateMachineArn"]
    execution = aws["stepfunctions"].start_execution(stateMachineArn=machine)["executionArn"]
    return {"stream": table["LatestStreamArn"], "queue": queue, "execution": execution}


def sequences(emulator: Emulator, stream: str) -> list[str]:
    streams = client("dynamodbstreams", emulator.endpoint)
    shard = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"][0]["ShardId"]
    shape = {"StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = streams.get_shard_iterator(**shape)["ShardIterator"]
    found: list[str] = []
    while True:
        page = streams.get_records(ShardIterator=iterator)
        if not page["Records"]:
            return found
        found += [record["dynamodb"]["SequenceNumber"] for record in page["Records"]]
        iterator = page["NextShardIterator"]


def test_everything_is_there_again(start: Start, state: Path) -> None:
    emulator = start()
    ids = fill(emulator)
    status = client("stepfunctions", emulator.endpoint).describe_execution(executionArn=ids["execution"])["status"]
    assert status == "RUNNING"
    before = sequences(emulator, ids["stream"])
    size = emulator.save(b'{"a": "line"}')
    assert state.stat().st_size == size
    assert state.read_bytes().startswith(b'{"a": "line"}\n')
    client("dynamodb", emulator.endpoint).put_item(TableName="items", Item={"pk": {"S": "after the snapshot"}})

    emulator = start()
    table = client("dynamodb", emulator.endpoint)
    assert table.scan(TableName="items")["Items"] == [{"pk": {"S": "a"}, "n": {"N": "2"}, "b": {"B": b"\x80"}}]
    assert sequences(emulator, ids["stream"]) == before
    table.put_item(TableName="items", Item={"pk": {"S": "b"}})
    assert sequences(emulator, ids["stream"])[:-1] == before
    assert sequences(emulator, ids["stream"])[-1] > before[-1]
    assert client("s3", emulator.endpoint).get_object(Bucket=BUCKET, Key="folder/key")["Body"].read() == b"\x80 content"
    messages = client("sqs", emulator.endpoint).receive_message(QueueUrl=ids["queue"])["Messages"]
    assert [message["Body"] for message in messages] == ["hello"]
    described = client("stepfunctions", emulator.endpoint).describe_execution(executionArn=ids["execution"])
    assert described["status"] == "FAILED"  # its thread is gone: nothing waits for it for ever


def test_a_state_that_cannot_be_used_is_one_sentence(start: Start, state: Path) -> None:
    emulator = start()
    fill(emulator)
    emulator.save(b"{}")
    emulator.stop()
    whole = state.read_bytes()
    for damaged, expected in (
        (whole[:-50], "the kept state cannot be used"),
        (b"{}\nnothing of the kind", "the kept state cannot be used"),
        (b"", "the kept state cannot be used"),
        (whole.replace(b"version", b"versiom", 1), "the kept state cannot be used .*version"),
    ):
        state.write_bytes(damaged)
        with pytest.raises(EmulatorFailed, match=f"failed to start: {expected}.*: remove .*stack to start afresh"):
            start()
        assert state.read_bytes() == damaged


def test_a_failed_save_leaves_the_earlier_state(start: Start, state: Path) -> None:
    emulator = start()
    emulator.save(b'{"n": 1}')
    before = state.read_bytes()
    state.with_suffix(".partial").mkdir()
    with pytest.raises(EmulatorFailed, match=r"The state could not be saved: \[Errno 21\] Is a directory: .*partial"):
        emulator.save(b'{"n": 2}')
    assert state.read_bytes() == before


def test_a_snapshot_waits_for_the_end_of_a_deployment(
    start: Start, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, Ctrl-C during the deployment of a saved definition left a stack to which nothing could be deployed."""
    emulator = start()
    emulator.save(b'{"n": 1}')
    before = state.read_bytes()
    handle = "AWS::CloudFormation::WaitConditionHandle"
    waiting = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "5"},
    }
    cloudformation = client("cloudformation", emulator.endpoint)
    for name in ("another", STACK_NAME):
        template = json.dumps({"Resources": {"Handle": {"Type": handle}, "Waiting": waiting}})
        cloudformation.create_stack(StackName=name, TemplateBody=template)
    with monkeypatch.context() as patch:
        patch.setattr(module, "DEPLOYMENT_TIMEOUT_S", 0.2)
        with pytest.raises(EmulatorFailed, match="The state could not be saved: The stack is being deployed "):
            emulator.save(b'{"n": 2}')
    assert state.read_bytes() == before
    emulator.save(b'{"n": 3}')
    assert cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
    assert state.read_bytes().startswith(b'{"n": 3}\n')


def test_a_snapshot_is_one_moment_while_others_write(start: Start) -> None:
    """Each item has its record in the stream, in every snapshot."""
    emulator = start()
    stream = fill(emulator)["stream"]
    table = client("dynamodb", emulator.endpoint)
    deadline, number = time.monotonic() + 3, 0
    while time.monotonic() < deadline:
        number += 1
        table.put_item(TableName="items", Item={"pk": {"S": f"item {number}"}})
        if number % 20 == 0:
            emulator.save(b"{}")
    emulator = start()
    items = client("dynamodb", emulator.endpoint).scan(TableName="items")["Count"]
    assert items == 1 + number // 20 * 20
    assert len(sequences(emulator, stream)) == 3 + items - 1
