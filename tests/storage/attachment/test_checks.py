"""What DynamoDB Local says of its tables is what the check of an existing table understands."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tailrace import Collection, Pipeline
from tailrace.attachment.facts import Actor, Finding, Wanted
from tailrace.attachment.table_checks import check_table
from tailrace.aws.custom_resources.table_check import describe

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PIPELINE = Pipeline(collections=[Collection("orders", schema={}, key={"PK": "C#{customer}", "SK": "O#{order}"})])


@pytest.fixture
def check(dynamodb: "DynamoDBClient", dynamodb_endpoint: str) -> Callable[..., list[Finding]]:
    """Return a check of a table."""
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1")
    streams = session.client("dynamodbstreams", endpoint_url=dynamodb_endpoint)

    def checked(name: str, stream: str | None = None, pipeline: Pipeline = PIPELINE) -> list[Finding]:
        wanted = Wanted(name, "", stream, "", Actor("A", "b"))
        return check_table(pipeline, wanted, describe(dynamodb, streams, wanted))

    return checked


def stream_of(dynamodb: "DynamoDBClient", table: str, view: Any) -> str:
    specification: Any = {"StreamEnabled": bool(view)} | ({"StreamViewType": view} if view else {})
    found = dynamodb.update_table(TableName=table, StreamSpecification=specification)
    return found["TableDescription"].get("LatestStreamArn", "")


def test_a_table_that_fits(dynamodb: "DynamoDBClient", table: Callable[..., str], check: Callable[..., Any]) -> None:
    name = table("PK", "SK")
    stream = stream_of(dynamodb, name, "NEW_AND_OLD_IMAGES")
    assert check(name, stream) == check(name) == []


def test_a_table_that_does_not_exist(check: Callable[..., Any]) -> None:
    (found,) = check("no_such_table")
    assert "no table 'no_such_table'" in found.text


def test_tables_without_a_stream(
    dynamodb: "DynamoDBClient", table: Callable[..., str], check: Callable[..., Any]
) -> None:
    name = table("PK", "SK")
    (found,) = check(name)
    assert "is disabled" in found.text
    old = stream_of(dynamodb, name, "NEW_AND_OLD_IMAGES")
    stream_of(dynamodb, name, None)
    (found,) = check(name, old)
    assert "is disabled" in found.text
    new = stream_of(dynamodb, name, "NEW_AND_OLD_IMAGES")
    (found,) = check(name, old)
    assert "an earlier stream" in found.text
    assert found.text.endswith(f"set it to {new}.")


@pytest.mark.parametrize("view", ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE"])
def test_streams_without_both_images(
    dynamodb: "DynamoDBClient", table: Callable[..., str], check: Callable[..., Any], view: str
) -> None:
    name = table("PK", "SK")
    (found,) = check(name, stream_of(dynamodb, name, view))
    assert f"StreamViewType={view}" in found.text


def test_other_keys_and_another_ttl(
    dynamodb: "DynamoDBClient", table: Callable[..., str], check: Callable[..., Any]
) -> None:
    name = table("pk")
    stream_of(dynamodb, name, "NEW_AND_OLD_IMAGES")
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends_at"})
    key, ttl = check(name)
    assert "The key of table" in key.text
    assert "write ttl='ends_at'" in ttl.text
    plain = Pipeline(collections=[Collection("orders", schema={}, ttl="ends_at")])
    assert check(name, None, plain) == []
