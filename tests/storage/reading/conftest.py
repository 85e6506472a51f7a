"""The orders of the recount, counted into the aggregates of DynamoDB Local, and ways to read them back by HTTP."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import pytest
from msgspec.structs import fields

from functions.aggregate.app import handler as aggregate
from functions.api import app as api
from tailrace.aws.runtime.clients import client
from tailrace.aws.runtime.settings import ApiSettings
from tailrace.encoding.json_types import Json
from tailrace.encoding.tagged_json import loads
from tailrace.testing import event, history
from tests.api_client import send
from tests.storage.reading.recount import ORDERS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHARDS = [f"shardId-{place:020d}-0a1b2c3d" for place in (1, 2, 3)]


@dataclass(frozen=True, slots=True)
class Unchanging:
    """A client of tables that nothing changes: it asks once for a partition without rows, as most days have none."""

    client: Any
    empty: dict[tuple[str, str], Json]

    def query(self, **request: Any) -> Json:
        """Query a partition, unless it was read as a whole and has no row."""
        partition = request["TableName"], str(request["ExpressionAttributeValues"])
        if partition in self.empty:
            return self.empty[partition]
        answer: Json = self.client.query(**request)
        is_whole = request["KeyConditionExpression"] == "#pk = :pk" and "ExclusiveStartKey" not in request
        if is_whole and not answer["Items"] and "LastEvaluatedKey" not in answer:
            self.empty[partition] = answer
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


@pytest.fixture(scope="session")
def filled(dynamodb: "DynamoDBClient", dynamodb_endpoint: str) -> dict[str, str]:
    """Fill the aggregates by way of three shards; once, since nothing here changes them. Return the environment."""
    environment = {
        "AWS_ENDPOINT_URL": dynamodb_endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "TAILRACE_PIPELINE": "tests.pipelines.readable:pipeline",
        "HISTORY_BUCKET": "not-asked",
    }
    environment |= dict.fromkeys(
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "POWERTOOLS_METRICS_NAMESPACE"), "testing"
    )
    for variable in ("ITEMS_TABLE", "AGGREGATES_TABLE", "IDEMPOTENCY_TABLE", "PROGRESS_TABLE"):
        keys = ["pk", "sk"] if variable in ("AGGREGATES_TABLE", "PROGRESS_TABLE") else ["pk"]
        dynamodb.create_table(
            TableName=f"reading-{variable}",
            KeySchema=[{"AttributeName": key, "KeyType": "RANGE" if key == "sk" else "HASH"} for key in keys],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        environment[variable] = f"reading-{variable}"
    for name in (
        {field.name.upper() for field in fields(ApiSettings) if field.required} - os.environ.keys() - environment.keys()
    ):
        environment[name] = "not-asked"
    gone = {"shop": "a", "placed": "2025-06-14T10:07:00Z"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        for place, shard in enumerate(SHARDS):
            mine = [(f"{place} {number}", order) for number, order in enumerate(ORDERS) if number % 3 == place]
            records = history("orders", [*mine, ("gone", gone), ("gone", None)], 10_000 * place + 1)
            assert aggregate(event(records, shard=shard), None)["batchItemFailures"] == []
    return environment


@pytest.fixture(scope="session")
def unchanging(filled: dict[str, str]) -> Unchanging:
    """Return a client of the filled tables."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in filled.items():
            patch.setenv(name, value)
        return Unchanging(client("dynamodb"), {})


@pytest.fixture
def read(filled: dict[str, str], unchanging: Unchanging, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a way to read the aggregates."""
    monkeypatch.setattr(api, "client", {"dynamodb": unchanging}.__getitem__)
    for name, value in filled.items():
        monkeypatch.setenv(name, value)

    def page(path: str, accept: str = "application/json", **given: Any) -> dict[str, Any]:
        query = urlencode({name.rstrip("_"): value for name, value in given.items()}, doseq=True)
        return send("GET", f"/aggregates/{path}", None, query, accept=accept)

    return page


@pytest.fixture
def pages(read: Callable[..., Any]) -> Callable[..., list[list[Json]]]:
    """Return a way to read all pages."""

    def follow(path: str, **given: Any) -> list[list[Json]]:
        found: list[list[Json]] = []
        while True:
            answer = read(path, **given)
            assert answer["statusCode"] == 200, answer["body"]
            document = loads(answer["body"])
            assert len(document["rows"]) <= int(given.get("limit", 100))
            found.append(document["rows"])
            if "cursor" not in document:
                assert "Link" not in answer["headers"]
                return found
            target = answer["headers"]["Link"].partition(">")[0].partition("?")[2]
            assert dict(parse_qsl(target))["cursor"] == document["cursor"]
            given["cursor"] = document["cursor"]

    return follow
