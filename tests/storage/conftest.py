"""The aggregate function on DynamoDB Local."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import fields

from functions.aggregate.app import handler, stage
from tailrace.aws.runtime.settings import ApiSettings
from tailrace.encoding.dynamodb import decode_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True)
class Aggregates:
    """An aggregates table and the function that keeps it."""

    dynamodb: "DynamoDBClient"
    name: str

    def absorb(self, event: dict[str, Any]) -> dict[str, Any]:
        """Invoke the function as Lambda does."""
        return handler(event, None)

    def write_singly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the function write row by row, also those that it knows."""
        monkeypatch.setattr("functions.aggregate.app.in_function", lambda _environ: False)
        stage.cache_clear()

    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return every row as it is stored, value rows too, without the time of its last write, by key."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True)
        rows = (decode_item(row) for page in pages for row in page["Items"])
        return {(row.pop("pk"), row.pop("sk")): row for row in rows if row.pop("updated_at", None)}

    def values(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return every row that readers see, without the engine's attributes."""
        return {
            key: {name: value for name, value in row.items() if not name.startswith("~")}
            for key, row in self.rows().items()
            if row["~n"] and not key[0].startswith("~")
        }


@pytest.fixture
def aggregates(
    dynamodb: "DynamoDBClient",
    dynamodb_endpoint: str,
    table: Callable[..., str],
    aws_env: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Aggregates:
    """Make an empty aggregates table, and the function's environment."""
    name = table("pk", "sk")
    monkeypatch.setenv("AWS_ENDPOINT_URL", dynamodb_endpoint)
    monkeypatch.setenv("AGGREGATES_TABLE", name)
    monkeypatch.setenv("PROGRESS_TABLE", table("pk", "sk"))
    monkeypatch.setenv("HISTORY_BUCKET", "not-asked")
    monkeypatch.setenv("TAILRACE_PIPELINE", "tests.pipelines.orders:pipeline")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Tailrace")
    monkeypatch.setattr("functions.aggregate.app.in_function", lambda _environ: True)
    stage.cache_clear()
    return Aggregates(dynamodb, name)


@pytest.fixture
def api(
    table: Callable[..., str], dynamodb_endpoint: str, aggregates: Aggregates, monkeypatch: pytest.MonkeyPatch
) -> Aggregates:
    """Make empty tables, and the function's environment."""
    monkeypatch.setenv("ITEMS_TABLE", table("pk"))
    monkeypatch.setenv("IDEMPOTENCY_TABLE", table("id"))
    for name in {field.name.upper() for field in fields(ApiSettings) if field.required} - os.environ.keys():
        monkeypatch.setenv(name, "not-asked")
    monkeypatch.setenv("AWS_ENDPOINT_URL", dynamodb_endpoint)
    return aggregates
