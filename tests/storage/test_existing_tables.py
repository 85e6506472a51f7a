"""Three single-table designs on DynamoDB Local: writers that know nothing of Tailrace, and rows that equal a recompute.

The functions read the table's stream only. The table is compared with what the writers wrote, so nothing else did.
"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from functions.aggregate import app
from tailrace.definition.pipeline import Pipeline, load_pipeline
from tailrace.encoding.dynamodb import decode_item
from tailrace.inputs.changes import parse_raw_batch
from tailrace.outputs.prepared_images import PreparedImages
from tailrace.outputs.routing import dispatch
from tailrace.testing import event
from tests.foreign.designs import DESIGNS
from tests.foreign.writers import Writer
from tests.simulation.jobs.clients import Buckets
from tests.storage.conftest import Aggregates

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WRITES = 150


@pytest.fixture
def foreign(dynamodb: "DynamoDBClient", design: str) -> Iterator[str]:
    """Make the table of somebody else, with a stream."""
    created = dynamodb.create_table(
        **DESIGNS[design].request, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
    yield created["TableDescription"]["LatestStreamArn"]
    dynamodb.delete_table(TableName=design)


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
    monkeypatch.setattr(app, "storing_client", lambda: buckets)
    dice = random.Random(design)  # noqa: S311
    writer = Writer(dynamodb, DESIGNS[design], design)
    writer.write(WRITES)
    records = stream_records(dynamodb_endpoint, foreign)
    cut = 0
    while cut < len(records):  # batches overlap: each is delivered again from somewhere in the one before
        size = dice.randint(1, 40)
        assert (
            aggregates.absorb(event(records[max(0, cut - dice.randint(0, 9)) : cut + size]))["batchItemFailures"] == []
        )
        cut += size
    held = list(writer.held.values())
    assert aggregates.values() == DESIGNS[design].recompute(held + writer.ended)
    assert len(buckets.objects) == len(writer.ended)
    pipeline = load_pipeline(f"tests.pipelines.{design}:pipeline")
    sent = dispatch(parse_raw_batch(event(records)), pipeline, PreparedImages(pipeline))
    assert (sent.quarantine, Counter(sent.routes)) == ([], Counter())
    assert sent.unmatched > 0
    strict = Pipeline(collections=pipeline.collections, strict=True)
    refused = dispatch(parse_raw_batch(event(records)), strict, PreparedImages(strict))
    assert (len(refused.quarantine), refused.unmatched) == (sent.unmatched, 0)
    table = [decode_item(row) for row in dynamodb.scan(TableName=design, ConsistentRead=True)["Items"]]
    assert DESIGNS[design].by_key(table) == writer.held
