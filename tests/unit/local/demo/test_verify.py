"""Verifying a stack: a correct one has no drift, and anything missing, extra or wrong is detected."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from local.demo.feed import FeedResult
from local.demo.recompute import Recompute
from local.demo.verify import Verdict, verify, wait_until_catalogued
from local.stack import Stack
from pipeline.definition import flights, pipeline
from tailrace import Aggregate, Pipeline, count, field
from tailrace.encoding.dynamodb import encode_item
from tests.unit.local.demo.feed_stream import HEADER, ROW, archive_lines, archive_objects, effects_of, folded

REGION = "us-east-1"
TABLES = {"AggregatesTable": "aggregates", "CatalogTable": "catalog"}
BUCKETS = {"ArchiveBucket": "archive", "FailuresBucket": "failures"}
BROKEN = {("file", "broken-file"), ("table", "broken-table"), ("queue", "broken-queue")}
ROWS = [
    ROW,
    ROW.replace("1545", "7").replace(",2,830,", ",200,830,"),
    ROW.replace("1545", "8").replace("517,515,2,830,819,11", "NA,515,NA,NA,819,NA").replace(",227,", ",NA,"),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("source") / "flights.csv"
    path.write_text("\n".join((HEADER, *ROWS)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def expected(source: Any) -> Iterator[Recompute]:
    with Recompute(source, None) as recompute:
        yield recompute


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, source: Any, expected: Recompute) -> Iterator[Stack]:
    """A stack that holds exactly what the source produces."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        session = boto3.Session(region_name=REGION)
        names: tuple[Any, ...] = ("dynamodb", "s3", "sqs")
        clients: dict[str, Any] = {name: session.client(name) for name in names}
        outputs = TABLES | BUCKETS
        for table in TABLES.values():
            create_table(clients["dynamodb"], table)
        for bucket in BUCKETS.values():
            clients["s3"].create_bucket(Bucket=bucket)
        outputs["DisruptionsQueue"] = clients["sqs"].create_queue(QueueName="disruptions")["QueueUrl"]
        made = cast("Stack", SimpleNamespace(outputs=outputs, client=clients.__getitem__))
        fill(made, source, expected)
        yield made


def create_table(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )


def fill(stack: Stack, source: Any, expected: Recompute) -> None:
    effects = effects_of(source)
    for row in folded(effects, 10).values():
        put_row(stack, "AggregatesTable", row | {"updated_at": "2026-01-01T00:00:00.000+00:00", "~1": "mark"})
    for key, body in archive_objects(archive_lines(effects)).items():
        stack.client("s3").put_object(Bucket="archive", Key=key, Body=body)
        counts = {"object": key, "count": len(gzip.decompress(body).splitlines()), "bytes": len(body)}
        put_row(stack, "CatalogTable", {"pk": "flights", "sk": key} | counts)
    for entrance, item_id in BROKEN:
        put_quarantined(stack, {"table": "stream"}.get(entrance, entrance), item_id)
    for number, (item_id, status) in enumerate(sorted(expected.disruptions())):
        send_disruption(stack, str(number), item_id, status)


def put_row(stack: Stack, table: str, row: dict[str, Any]) -> None:
    stack.client("dynamodb").put_item(TableName=stack.outputs[table], Item=encode_item(row))


def put_quarantined(stack: Stack, entrance: str, item_id: str) -> None:
    report = {"entrance": entrance, "id": item_id, "violations": [{"pointer": "/x"}]}
    key = f"quarantine/flights/date=2013-01-01/{entrance}-{item_id}.json"
    stack.client("s3").put_object(Bucket="failures", Key=key, Body=json.dumps(report).encode())


def send_disruption(stack: Stack, event_id: str, item_id: str, status: str) -> None:
    event = {"id": event_id, "subject": item_id, "data": {"new": {"status": status}}}
    stack.client("sqs").send_message(QueueUrl=stack.outputs["DisruptionsQueue"], MessageBody=json.dumps(event))


def check(stack: Stack, expected: Recompute, definition: Pipeline = pipeline, **changed: Any) -> Verdict:
    feed_result = FeedResult(0.0)
    feed_result.by_entrance["table"] = expected.changes()
    feed_result.broken = set(BROKEN)
    feed_result.api_broken = feed_result.api_rejected = 1
    feed_result.expected_receipts = {"2013-01-01": (3, 1)}
    feed_result.receipts = dict(feed_result.expected_receipts)
    for name, value in changed.items():
        setattr(feed_result, name, value)
    return verify(stack, expected, feed_result, definition)


def test_a_correct_stack_has_no_drift(stack: Stack, expected: Recompute) -> None:
    verdict = check(stack, expected)
    assert verdict.differences == []
    assert (verdict.rows, verdict.events, verdict.objects) == (3, 8, 3)
    assert (verdict.quarantined, verdict.disruptions) == (3, 3)
    assert verdict.last_write == "2026-01-01T00:00:00.000+00:00"


def test_an_aggregate_that_the_recompute_does_not_cover_is_no_drift(stack: Stack, expected: Recompute) -> None:
    """Adding an aggregate to the example must not break the demo."""
    mine = Aggregate("mine", of=flights, by=[field("dest")], measures={"n": count()})
    put_row(stack, "AggregatesTable", {"pk": "mine@1#IAH", "sk": "-", "~n": 1, "updated_at": "2026"})
    wider = Pipeline(pipeline.collections, [*pipeline.aggregates, mine], pipeline.routes)
    verdict = check(stack, expected, wider)
    assert (verdict.differences, verdict.rows) == ([], 3)


def drop_row(stack: Stack) -> None:
    key = {"pk": {"S": "origin_days@1#EWR"}, "sk": {"S": "2013-01-01"}}
    stack.client("dynamodb").delete_item(TableName="aggregates", Key=key)


def add_row(stack: Stack) -> None:
    put_row(stack, "AggregatesTable", {"pk": "origin_days@1#JFK", "sk": "2013-01-01", "~n": 0, "updated_at": "2026"})


def drop_object(stack: Stack) -> None:
    stack.client("s3").delete_object(Bucket="archive", Key="archive/flights/date=2013-01-01/hour=05/0.jsonl.gz")


def drop_catalog_row(stack: Stack) -> None:
    sk = "archive/flights/date=2013-01-01/hour=05/1.jsonl.gz"
    stack.client("dynamodb").delete_item(TableName="catalog", Key={"pk": {"S": "flights"}, "sk": {"S": sk}})


def drop_quarantined(stack: Stack) -> None:
    key = "quarantine/flights/date=2013-01-01/stream-broken-table.json"
    stack.client("s3").delete_object(Bucket="failures", Key=key)


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (drop_row, "origin_days@1#EWR 2013-01-01"),
        (add_row, "origin_days@1#JFK 2013-01-01"),
        (drop_object, "archive, 2013-01-01-UA-"),
        (drop_catalog_row, "catalog archive/flights/date=2013-01-01/hour=05/1.jsonl.gz (events, bytes)"),
        (drop_quarantined, "quarantine stream broken-table"),
        (lambda stack: put_quarantined(stack, "stream", "somebody's"), "quarantine stream somebody's"),
        (lambda stack: put_quarantined(stack, "file", "broken-table"), "quarantine file broken-table"),
        (
            lambda stack: send_disruption(stack, "9", "2013-01-01-UA-1545-EWR", "landed"),
            "disruptions 2013-01-01-UA-1545",
        ),
        (
            lambda stack: send_disruption(stack, "9", "2013-01-01-UA-8-EWR", "cancelled"),
            "disruptions 2013-01-01-UA-8-EWR",
        ),
    ],
)
def test_anything_missing_or_extra_is_detected(
    stack: Stack, expected: Recompute, spoil: Callable[[Stack], None], where: str
) -> None:
    spoil(stack)
    differences = check(stack, expected).differences
    assert differences
    assert any(difference.where.startswith(where) for difference in differences)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"api_rejected": 0}, "broken requests rejected by the API"),
        ({"receipts": {}}, "receipt of 2013-01-01 (accepted, rejected)"),
        ({"receipts": {"2013-01-01": (2, 2)}}, "receipt of 2013-01-01 (accepted, rejected)"),
        ({"by_entrance": {"table": 7}}, "changes fed"),
        ({"broken": BROKEN | {("queue", "another")}}, "quarantine queue another"),
    ],
)
def test_the_feed_must_have_been_accepted_as_expected(
    stack: Stack, expected: Recompute, changed: dict[str, Any], where: str
) -> None:
    assert [difference.where for difference in check(stack, expected, **changed).differences] == [where]


def test_an_event_delivered_twice_is_no_drift(stack: Stack, expected: Recompute) -> None:
    (first, *_) = sorted(expected.disruptions())
    send_disruption(stack, "0", *first)
    assert check(stack, expected).differences == []


def test_an_empty_stack_is_drift_everywhere(stack: Stack, expected: Recompute) -> None:
    for number in range(3):
        stack.client("s3").delete_object(
            Bucket="archive", Key=f"archive/flights/date=2013-01-01/hour=05/{number}.jsonl.gz"
        )
    where = {difference.where.split()[0] for difference in check(stack, expected).differences}
    assert where == {"archive", "catalog"}


def test_waiting_for_the_catalog_ends_when_it_is_complete_or_times_out(stack: Stack) -> None:
    started_at = time.monotonic()
    wait_until_catalogued(stack, 60.0)
    assert time.monotonic() - started_at < 30
    drop_catalog_row(stack)
    started_at = time.monotonic()
    wait_until_catalogued(stack, 0.3)
    assert 0.3 <= time.monotonic() - started_at < 30
