"""Stages against moto's tables, queues and buckets, with the pipeline of the tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws
from moto.backends import get_backend
from moto.core import responses
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs import models as sqs_models

from tailrace.aws.runtime.clients import client
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.tagged_json import loads

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

REGION = "us-east-1"

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

TABLES = {
    "items": ("pk",),
    "aggregates": ("pk", "sk"),
    "catalog": ("pk", "sk"),
    "idempotency": ("id",),
    "progress": ("pk", "sk"),
}

QUEUES = {
    "INTAKE_QUEUE": "stack-intake",
    "INTAKE_DEAD_LETTER_QUEUE": "stack-intake-dead-letter",
    "ARCHIVE_QUEUE": "stack-archive",
    "ARCHIVE_DEAD_LETTER_QUEUE": "stack-archive-dead-letter",
    "ASYNC_FAILURES_QUEUE": "stack-async-failures",
}

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


def _fill() -> None:
    """Make the tables, buckets and queues in moto's models: by requests, that took longer than most tests."""
    tables = get_backend("dynamodb")[DEFAULT_ACCOUNT_ID][REGION]
    queues = get_backend("sqs")[DEFAULT_ACCOUNT_ID][REGION]
    for name, keys in TABLES.items():
        tables.create_table(
            name,
            schema=[{"AttributeName": key, "KeyType": "RANGE" if index else "HASH"} for index, key in enumerate(keys)],
            attr=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            billing_mode="PAY_PER_REQUEST",
            **dict.fromkeys(("throughput", "global_indexes", "indexes", "streams", "sse_specification"), None),
            tags=[],
            deletion_protection_enabled=False,
            warm_throughput=None,
        )
    for bucket in ("the-archive", "the-failures"):
        get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(bucket, REGION)
    for name in (*QUEUES.values(), *(f"stack_{route}{end}" for route in ROUTES for end in ("", "-dead"))):
        queues.create_queue(name)


@pytest.fixture(autouse=True, scope="session")
def _quick_moto() -> Iterator[None]:
    """Let moto remember what it finds out at each request anew: the names of its methods."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (responses, "camelcase_to_underscores"),
            (responses, "method_names_from_class"),
            (sqs_models, "camelcase_to_underscores"),
        ):
            patch.setattr(module, name, cache(getattr(module, name)))
        yield


@pytest.fixture(autouse=True, scope="session")
def _one_request_at_a_time() -> Iterator[None]:
    """Let moto answer one request after the other: of two threads that write a new partition, it lost one's rows."""
    answer, lock = BotocoreStubber.process_request, RLock()

    def process_request(self: BotocoreStubber, request: Any) -> Any:
        with lock:
            return answer(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BotocoreStubber, "process_request", process_request)
        yield


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Make an empty cloud, and the environment that names its parts."""
    for name, value in RESOURCES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TAILRACE_PIPELINE", "tests.pipelines.orders:pipeline")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Tailrace")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for variable, name in QUEUES.items():
        monkeypatch.setenv(variable, f"https://sqs.{REGION}.amazonaws.com/{DEFAULT_ACCOUNT_ID}/{name}")
    monkeypatch.setenv("ROUTES", ",".join(ROUTES))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        _fill()
        made = Cloud(client("dynamodb"), client("s3"), client("sqs"))
        yield made
