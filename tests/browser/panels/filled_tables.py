"""Tables that the aggregate function has filled, and the API function that reads them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import fields

from functions.aggregate.app import handler as aggregate_handler
from functions.api.app import handler as api_handler
from local.in_memory.http_api import http_api_event
from tailrace.aws.runtime.settings import ApiSettings
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.json_types import Json
from tailrace.testing import event, history
from tests.browser.fake_api import FakeApi
from tests.browser.site import Response

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLES = {
    "ITEMS_TABLE": ["pk"],
    "AGGREGATES_TABLE": ["pk", "sk"],
    "IDEMPOTENCY_TABLE": ["id"],
    "PROGRESS_TABLE": ["pk", "sk"],
}
NUMBERS = count()
SHOPS = ["north", "b#%", "c&d=ü"]
PRODUCTS = ["pear", "fig & date", "b#1"]
START = datetime(2024, 10, 26, 20, 7, tzinfo=UTC)  # the night in which Berlin's clocks go back
ORDERS: list[Json] = [
    {
        "shop": SHOPS[n % 7 % 3],
        "placed": (START + timedelta(minutes=19 * n)).isoformat(),
        "lines": n * 7 % 11,
        "amount": Decimal(n * 37 % 171) + Decimal("0.07"),
        "paid": n % 3 > 0,
    }
    for n in range(60)
]
VISITS: list[Json] = [{"page": f"/page/{n % 9}", "ms": Decimal(n * 31 % 97) / 4} for n in range(40)]
CARTS: list[Json] = [
    {
        "placed": (START + timedelta(minutes=53 * n)).isoformat(),
        "customer": {"id": f"c-{n % 17}", "address": {"country": ["NO", "DE", "PT"][n % 7 % 3]} if n % 13 else None},
        "amount": {"value": Decimal(n * 37 % 171) + Decimal("0.07"), "currency": "EUR"},
        "paid": n % 3 > 0,
        "tags": ["new", "gift", "new"][: n % 4],
        "stock": {city: {"pieces": n % 5} for city in ["Oslo", "Ulm"][: n % 3]},
        "lines": [
            {"product": PRODUCTS[(n + line) % 5 % 3], "quantity": n % 4, "price": Decimal(n * 7 % 23) / 4}
            for line in range(n % 4)
        ],
    }
    for n in range(60)
]
"""Some have no country, no tags, no stock or no lines; some have a tag or product twice."""


@dataclass(frozen=True)
class FilledTables:
    """Tables with aggregates, and the API function that reads them."""

    dynamodb: "DynamoDBClient"
    pipeline: str
    table: str
    lock: Lock
    responses: dict[tuple[str, ...], Response] = field(default_factory=dict)

    def respond(self, path: str, query: str, headers: Mapping[str, str]) -> Response:
        """Respond as the API function does, and equally to equal requests, since nothing changes the tables.

        There are no queues here, so the health is made up.
        """
        if path == "/health":
            return FakeApi().respond(path, query, headers)
        request = (path, query, headers.get("accept", ""), headers.get("if-none-match", ""))
        with self.lock:
            if request not in self.responses:
                response = api_handler(http_api_event("GET", f"{path}?{query}", headers, b""), None)
                self.responses[request] = response["statusCode"], response["headers"], response["body"]
            return self.responses[request]

    def aggregates(self) -> list[Aggregate]:
        """Return the aggregates of the pipeline."""
        return list(load_pipeline(self.pipeline).aggregates)

    def rows(self, aggregate: Aggregate) -> list[Json]:
        """Return all rows of an aggregate from the table."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        stored: dict[tuple[Any, ...], list[Json]] = {}
        for row in (decode_item(one) for page in pages for one in page["Items"]):
            if row["pk"].startswith(f"{aggregate.name}@{aggregate.version}#"):
                stored.setdefault(tuple(row[group.name] for group in aggregate.by), []).append(row)
        found = []
        for lanes in stored.values():
            sums = {name: sum(lane.get(name, 0) for lane in lanes) for name in aggregate.layout.counters}
            latest = max(lane["updated_at"] for lane in lanes)
            found.append(aggregate.render(lanes[0] | sums | {"updated_at": latest}))
        return [row for row in found if row is not None]


@contextmanager
def filled_tables(
    dynamodb: "DynamoDBClient", endpoint: str, pipeline: str, items: Mapping[str, list[Json]]
) -> Iterator[FilledTables]:
    """Fill an aggregates table with items by collection, from three shards, for the duration of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("TAILRACE_PIPELINE", pipeline)
        patch.setenv("HISTORY_BUCKET", "unused")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "POWERTOOLS_METRICS_NAMESPACE"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("POWERTOOLS_METRICS_DISABLED", "true")  # they print a line per request
        _create_tables(dynamodb, patch)
        for name in {field.name.upper() for field in fields(ApiSettings) if field.required} - os.environ.keys():
            patch.setenv(name, "unused")
        for collection, some in items.items():
            _count(collection, some)
        yield FilledTables(dynamodb, pipeline, os.environ["AGGREGATES_TABLE"], Lock())


def _create_tables(dynamodb: "DynamoDBClient", patch: pytest.MonkeyPatch) -> None:
    number = next(NUMBERS)  # functions remember what is in a table
    for variable, keys in TABLES.items():
        name = f"browser-{variable}-{number}"
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": "RANGE" if key == "sk" else "HASH"} for key in keys],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            BillingMode="PAY_PER_REQUEST",
        )
        patch.setenv(variable, name)


def _count(collection: str, items: list[Json]) -> None:
    for shard_number in range(3):
        own = [(f"{shard_number} {n}", item) for n, item in enumerate(items) if n % 3 == shard_number]
        records = history(collection, [*own, ("gone", items[0]), ("gone", None)], 10_000 * shard_number + 1)
        shard = f"shardId-{shard_number:020d}-{collection}"
        assert aggregate_handler(event(records, shard=shard), None)["batchItemFailures"] == []
