"""Three single-table designs on DynamoDB Local: writers that know nothing of Tailrace, and rows that equal a recompute.

The functions read the table's stream only. The table is compared with what the writers wrote, so nothing else did.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from functions.aggregate import app
from tailrace.aws.runtime.clients import client
from tailrace.definition.pipeline import load_pipeline
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch
from tailrace.testing import event
from tests.simulation.jobs.clients import Buckets
from tests.storage.conftest import Aggregates

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Row = dict[str, Any]
type Rows = dict[tuple[str, str], Row]
WRITES = 150


def shop_row(dice: random.Random) -> Row:
    customer = f"CUSTOMER#{dice.choice(['c-1', 'c_2', 'ü'])}"
    order, line = dice.choice(["1", "1.0", "2024-01"]), dice.choice(["1", "/", "~"])
    day = f"2024-10-{dice.randint(1, 3):02}"
    return dice.choice(
        [
            {"PK": customer, "SK": "PROFILE", "email": "a@b"},
            {
                "PK": customer,
                "SK": f"ORDER#{order}",
                "placed": day,
                "status": dice.choice("ab"),
                "amount": dice.randint(1, 9),
            },
            {"PK": customer, "SK": f"ORDER#{order}", "placed": day, "status": "a", "customer": "hidden by the key"},
            {
                "PK": customer,
                "SK": f"ORDER#{order}#LINE#{line}",
                "product": dice.choice("xy"),
                "units": dice.randint(1, 5),
            },
            {"PK": "PRODUCT#x", "SK": "STOCK", "units": 4},
            {"PK": customer, "SK": f"ORDER#{order}#", "placed": day, "status": "a"},
        ]
    )


def shop_rows(table: list[Row]) -> Rows:
    rows: defaultdict[tuple[str, str], Row] = defaultdict(dict)
    products: defaultdict[str, set[str]] = defaultdict(set)
    for row in table:
        parts = row["SK"].split("#")
        customer = row["PK"].removeprefix("CUSTOMER#")
        if parts[0] == "ORDER" and len(parts) == 2:
            found = rows[f"customer_orders@1#{customer}", "-"]
            found |= {"customer": customer, "orders": found.get("orders", 0) + 1}
            found["amount"] = found.get("amount", 0) + row.get("amount", 0)
            if "amount" in row:
                found["largest"] = max(found.get("largest", 0), row["amount"])
            found = rows[f"status_days@1#{row['status']}", row["placed"]]
            found |= {"status": row["status"], "day": row["placed"], "orders": found.get("orders", 0) + 1}
        elif parts[0] == "ORDER" and len(parts) == 4:
            found = rows[f"products@1#{row['product']}", "-"]
            found |= {"product": row["product"], "units": found.get("units", 0) + row["units"]}
            products[row["product"]].add(parts[1])
            found["orders"] = len(products[row["product"]])
    return dict(rows)


def tenant_row(dice: random.Random) -> Row:
    key = {"pk": f"TENANT|{dice.choice(['t1', 't#2'])}", "sk": f"x#{dice.randint(1, 4)}|y"}
    others = {"ttl": dice.randint(1, 9)} if dice.random() < 0.3 else {}
    return (
        key
        | others
        | dice.choice(
            [
                {"entity": "User", "active": dice.random() < 0.7, "plan": dice.choice(["free", "paid"])},
                {"entity": "Invoice", "amount": Decimal(dice.randint(1, 999)).scaleb(-2)},
                {"entity": "Session"},
                {"entity": "Audit"},
                {},
            ]
        )
    )


def tenant_rows(table: list[Row]) -> Rows:
    rows: defaultdict[tuple[str, str], Row] = defaultdict(dict)
    for row in table:
        tenant = row["pk"].removeprefix("TENANT|")
        key = tenant.replace("#", "%23")
        match row.get("entity"):
            case "User" if row["active"]:
                found = rows[f"plans@1#{key}", row["plan"]]
                found |= {"tenant": tenant, "plan": row["plan"], "users": found.get("users", 0) + 1}
            case "Invoice":
                found = rows[f"revenue@1#{key}", "-"]
                found |= {"tenant": tenant, "amount": found.get("amount", 0) + row["amount"]}
            case "Session":
                found = rows[f"sessions@1#{key}", "-"]
                found |= {"tenant": tenant, "sessions": found.get("sessions", 0) + 1}
    return dict(rows)


def fleet_row(dice: random.Random) -> Row:
    key = {"device": dice.choice([b"\x00", b"\xff\x00", b"#"]), "at": dice.choice([0, 1, Decimal("1.5"), 3600, 10**9])}
    return key | dice.choice(
        [
            {"kind": 1, "celsius": Decimal(dice.randint(-50, 50)).scaleb(-1)},
            {"kind": 2, "severity": dice.choice(["low", "high"])},
            {"kind": 3},
            {"kind": "1", "celsius": 5},
        ]
    )


def fleet_rows(table: list[Row]) -> Rows:
    hours = {0: "1970-01-01T00:00+00:00", 1: "1970-01-01T01:00+00:00", 277777: "2001-09-09T01:00+00:00"}
    rows: defaultdict[tuple[str, str], Row] = defaultdict(dict)
    for row in table:
        name = row["device"].hex()
        if row["kind"] == 1:
            hour = hours[int(row["at"] // 3600)]
            found = rows[f"device_hours@1#{name}", hour]
            found |= {"name": name, "hour": hour, "readings": found.get("readings", 0) + 1}
            found["celsius_total"] = found.get("celsius_total", 0) + row["celsius"]
            found["celsius_count"] = found["readings"]
            found["latest"] = max(found.get("latest", 0), row["at"])
        elif row["kind"] == 2:
            found = rows[f"alarms@1#{name}", row["severity"]]
            found |= {"name": name, "severity": row["severity"], "alarms": found.get("alarms", 0) + 1}
    return dict(rows)


DESIGNS: dict[str, tuple[dict[str, str], Callable[[random.Random], Row], Callable[[list[Row]], Rows]]] = {
    "shop": ({"PK": "S", "SK": "S"}, shop_row, shop_rows),
    "tenants": ({"pk": "S", "sk": "S"}, tenant_row, tenant_rows),
    "fleet": ({"device": "B", "at": "N"}, fleet_row, fleet_rows),
}


@pytest.fixture
def foreign(dynamodb: "DynamoDBClient", design: str) -> Iterator[str]:
    """Make the table of somebody else, with a stream."""
    keys = DESIGNS[design][0]
    created = dynamodb.create_table(
        TableName=design,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in keys.items()],  # type: ignore[typeddict-item]
        KeySchema=[
            {"AttributeName": name, "KeyType": kind}  # type: ignore[typeddict-item]
            for name, kind in zip(keys, ("HASH", "RANGE"), strict=True)
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    yield created["TableDescription"]["LatestStreamArn"]
    dynamodb.delete_table(TableName=design)


def write(dynamodb: "DynamoDBClient", design: str, dice: random.Random) -> tuple[list[Row], list[Row]]:
    """Write as foreign programs do; return what the table holds then, and the sessions that had ended when deleted."""
    keys, make, _ = DESIGNS[design]
    held: dict[str, Row] = {}
    ended: list[Row] = []
    for _ in range(WRITES):
        row = make(dice)
        key = {name: row[name] for name in keys}
        match dice.random():
            case chance if chance < 0.2:
                dynamodb.delete_item(TableName=design, Key=encode_item(key))
                old = held.pop(str(key), {})
                ended += [old] if old.get("entity") == "Session" and "ttl" in old else []
            case chance if chance < 0.3:
                put: Any = {"Put": {"TableName": design, "Item": encode_item(row)}}
                dynamodb.transact_write_items(TransactItems=[put])
                held[str(key)] = row
            case _:
                dynamodb.put_item(TableName=design, Item=encode_item(row))
                held[str(key)] = row
    return list(held.values()), ended


def stream_records(endpoint: str, arn: str) -> list[dict[str, Any]]:
    """Read the whole stream; records are as the Streams API has them."""
    streams = boto3.client("dynamodbstreams", endpoint_url=endpoint, region_name="us-east-1")
    found: list[dict[str, Any]] = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator: str | None = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            found += page["Records"]  # type: ignore[arg-type]
            iterator = page.get("NextShardIterator") if page["Records"] else None
    for record in found:
        record["dynamodb"]["ApproximateCreationDateTime"] = int(
            record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
        )
    return found


@pytest.mark.parametrize("design", DESIGNS)
def test_rows_equal_a_recompute_and_nothing_is_written(  # noqa: PLR0917 - fixtures
    design: str,
    foreign: str,
    dynamodb: "DynamoDBClient",
    dynamodb_endpoint: str,
    aggregates: Aggregates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TAILRACE_PIPELINE", f"tests.pipelines.{design}:pipeline")
    app.stage.cache_clear()
    buckets = Buckets(lambda: 0)
    monkeypatch.setattr(app, "client", lambda name: buckets if name == "s3" else client(name))
    dice = random.Random(design)  # noqa: S311
    held, ended = write(dynamodb, design, dice)
    records = stream_records(dynamodb_endpoint, foreign)
    cut = 0
    while cut < len(records):  # batches overlap: each is delivered again from somewhere in the one before
        size = dice.randint(1, 40)
        assert (
            aggregates.absorb(event(records[max(0, cut - dice.randint(0, 9)) : cut + size]))["batchItemFailures"] == []
        )
        cut += size
    assert aggregates.values() == DESIGNS[design][2](held + ended)
    assert len(buckets.objects) == len(ended)
    pipeline = load_pipeline(f"tests.pipelines.{design}:pipeline")
    sent = dispatch(parse_raw_batch(event(records)), pipeline, PreparedImages(pipeline))
    assert (sent.quarantine, Counter(sent.routes)) == ([], Counter())
    assert sent.unmatched > 0
    table = [decode_item(row) for row in dynamodb.scan(TableName=design, ConsistentRead=True)["Items"]]
    order = lambda row: str(sorted(row.items(), key=str))  # noqa: E731
    assert sorted(table, key=order) == sorted(held, key=order)
