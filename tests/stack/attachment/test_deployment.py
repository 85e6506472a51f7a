"""A stack is attached to an existing table: a table that it cannot read fails the deployment, with the reason."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import __main__ as command
from local.deployment import deploy
from local.deployment.build import build
from local.deployment.emulator import REGION, STACK_NAME, Emulator
from local.errors import DeployFailed

TABLE = "existing"
ENDED_S = 60


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    running = Emulator.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def built() -> Path:
    return build()


@pytest.fixture
def dynamodb(emulator: Emulator) -> Iterator[Any]:
    """Return a client, and a table whose stream has both images."""
    client = deploy.client("dynamodb", emulator.endpoint)
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    yield client
    remove(emulator)
    client.delete_table(TableName=TABLE)


def stream_of(dynamodb: Any) -> str:
    return str(dynamodb.describe_table(TableName=TABLE)["Table"]["LatestStreamArn"])


def enable_again(dynamodb: Any, view: str) -> str:
    """Give the table another stream; return its ARN."""
    dynamodb.update_table(TableName=TABLE, StreamSpecification={"StreamEnabled": False})
    enabled = {"StreamEnabled": True, "StreamViewType": view}
    dynamodb.update_table(TableName=TABLE, StreamSpecification=enabled)
    return stream_of(dynamodb)


def attach(emulator: Emulator, built: Path, stream: str) -> None:
    deploy.deploy(emulator.endpoint, built, {"ItemsTableName": TABLE, "ItemsStreamArn": stream})


def status(emulator: Emulator) -> str | None:
    found = deploy.client("cloudformation", emulator.endpoint).list_stacks()["StackSummaries"]
    return next((one["StackStatus"] for one in found if one["StackName"] == STACK_NAME), None)


def remove(emulator: Emulator) -> None:
    deploy.client("cloudformation", emulator.endpoint).delete_stack(StackName=STACK_NAME)
    until = time.monotonic() + ENDED_S
    while deploy.is_deployed(deploy.client("cloudformation", emulator.endpoint)):
        assert time.monotonic() < until
        time.sleep(0.1)


def readers(emulator: Emulator) -> list[str]:
    mappings = deploy.client("lambda", emulator.endpoint).list_event_source_mappings()["EventSourceMappings"]
    return [one["EventSourceArn"] for one in mappings if ":dynamodb:" in one["EventSourceArn"]]


def created(emulator: Emulator) -> set[str]:
    """Return what CloudFormation began to create, whatever became of it; the function of the check was needed."""
    client = deploy.client("cloudformation", emulator.endpoint)
    pages = client.get_paginator("describe_stack_events").paginate(StackName=STACK_NAME)
    events = [event for page in pages for event in page["StackEvents"]]
    found = {one["LogicalResourceId"] for one in events if one["ResourceStatus"].startswith("CREATE_")}
    assert {"HistoryFunction", "TableCheck"} <= found
    return found


def test_a_stream_of_keys_fails_the_deployment_before_anything_reads_it(
    emulator: Emulator, built: Path, dynamodb: Any
) -> None:
    stream = enable_again(dynamodb, "KEYS_ONLY")
    assert command.main(["check", "--table", TABLE, "--endpoint-url", emulator.endpoint]) == 1
    with pytest.raises(DeployFailed, match="The stream of table 'existing' carries only keys") as raised:
        attach(emulator, built, stream)
    assert "StreamViewType=NEW_AND_OLD_IMAGES" in str(raised.value)
    assert not created(emulator) & {"FanoutMapping", "AggregateMapping", "ControlRows"}


def test_a_stream_of_another_region_fails_the_deployment(emulator: Emulator, built: Path, dynamodb: Any) -> None:
    with pytest.raises(DeployFailed, match=f"a stream of region eu-west-1, but .* in region {REGION}"):
        attach(emulator, built, stream_of(dynamodb).replace(f":{REGION}:", ":eu-west-1:"))
    assert not created(emulator) & {"FanoutMapping", "AggregateMapping", "ControlRows"}


def test_a_table_that_fits_is_read_and_an_update_that_fails_goes_back(
    emulator: Emulator, built: Path, dynamodb: Any
) -> None:
    """Also when the way back leads to a stream that is gone by now."""
    stream = stream_of(dynamodb)
    assert command.main(["check", "--table", TABLE, "--endpoint-url", emulator.endpoint, "--sample", "5"]) == 0
    attach(emulator, built, stream)
    assert readers(emulator) == [stream, stream]
    keys = enable_again(dynamodb, "KEYS_ONLY")
    with pytest.raises(DeployFailed, match="carries only keys"):
        attach(emulator, built, keys)
    assert status(emulator) == "UPDATE_ROLLBACK_COMPLETE"
    assert readers(emulator) == [stream, stream]
    both = enable_again(dynamodb, "NEW_AND_OLD_IMAGES")
    attach(emulator, built, both)
    assert readers(emulator) == [both, both]
