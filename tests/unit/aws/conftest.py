"""Stages against moto's tables, queues and buckets, with the pipeline of the tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from tailrace.aws.runtime.clients import client
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.tagged_json import loads

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

RESOURCES = {
    "ITEMS_TABLE": "items",
    "AGGREGATES_TABLE": "aggregates",
    "CATALOG_TABLE": "catalog",
    "IDEMPOTENCY_TABLE": "idempotency",
    "PROGRESS_TABLE": "progress",
    "ARCHIVE_BUCKET": "the-archive",
    "FAILURES_BUCKET": "the-failures",
    "HISTORY_BUCKET": "the-history",
    "LOAD_FUNCTION": "load",
}

QUEUES = (
    "INTAKE_QUEUE",
    "INTAKE_DEAD_LETTER_QUEUE",
    "ARCHIVE_QUEUE",
    "ARCHIVE_DEAD_LETTER_QUEUE",
    "ASYNC_FAILURES_QUEUE",
)


ROUTES = ("LargeOrders", "Disruptions")


@dataclass(frozen=True)
class Cloud:
    """Clients, and what the tests look at most."""

    dynamodb: "DynamoDBClient"
    s3: "S3Client"
    sqs: "SQSClient"

    def items(self) -> dict[str, Any]:
        """Return every row of the items table, by key."""
        rows = (decode_item(row) for row in self.dynamodb.scan(TableName="items", ConsistentRead=True)["Items"])
        return {row.pop("pk"): row for row in rows}

    def objects(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """Return every object under a prefix, by key."""
        listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {entry["Key"]: self.s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in listed}

    def quarantine(self) -> list[dict[str, Any]]:
        """Return every quarantine report."""
        return [loads(body) for body in self.objects("the-failures", "quarantine/").values()]


def _table(dynamodb: "DynamoDBClient", name: str, *keys: str) -> None:
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "RANGE" if index else "HASH"} for index, key in enumerate(keys)],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Make an empty cloud, and the environment that names its parts."""
    for name, value in RESOURCES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TAILRACE_PIPELINE", "tests.pipelines.orders:pipeline")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Tailrace")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        made = Cloud(client("dynamodb"), client("s3"), client("sqs"))
        _table(made.dynamodb, "items", "pk")
        _table(made.dynamodb, "aggregates", "pk", "sk")
        _table(made.dynamodb, "catalog", "pk", "sk")
        _table(made.dynamodb, "idempotency", "id")
        _table(made.dynamodb, "progress", "pk", "sk")
        for bucket in ("the-archive", "the-failures"):
            made.s3.create_bucket(Bucket=bucket)
        for variable in QUEUES:
            name = "stack-" + variable.removesuffix("_QUEUE").lower().replace("_", "-")
            monkeypatch.setenv(variable, made.sqs.create_queue(QueueName=name)["QueueUrl"])
        monkeypatch.setenv("ROUTES", ",".join(ROUTES))
        for name in ROUTES:
            made.sqs.create_queue(QueueName=f"stack_{name}")
            made.sqs.create_queue(QueueName=f"stack_{name}-dead")
        yield made
