"""The batches that the aggregate stage's mapping has discarded: where they reach, and which expired items they held."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tailrace.aws.jobs.workshop import JobEnded, Workshop
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.pages import all_objects
from tailrace.aws.runtime.telemetry import logger
from tailrace.backfill.boundaries import Boundary, Position
from tailrace.backfill.coverage import GivenUp, holes
from tailrace.errors import InvalidMessage
from tailrace.inputs.changes import RawBatch, parse_raw_batch

_GIVEN_UP = "aws/lambda/"


def no_holes(shop: Workshop, boundary: Boundary, firsts: Mapping[str, int]) -> None:
    """See that no batch that the aggregate stage's mapping discarded reaches a boundary.

    Raises:
        JobEnded: one does; its records may be neither in the base nor added.
    """
    since = boundary.time - shop.timing.margin_s
    found = holes(discarded_since(shop, since), firsts, boundary.time)
    if found:
        shards = ", ".join(sorted({one.shard for one in found}))
        raise JobEnded(f"a batch beyond the boundary was discarded in shard {shards}: run the job again")


def discarded_since(shop: Workshop, since: int) -> Iterator[GivenUp]:
    """Yield the batches that the aggregate stage's mapping has discarded since a second."""
    for record in _records(shop, since):
        info = record["DDBStreamBatchInfo"]
        ends = (
            (info.get("startSequenceNumber"), info.get("approximateArrivalOfFirstRecord")),
            (info.get("endSequenceNumber"), info.get("approximateArrivalOfLastRecord")),
        )
        positions = tuple(
            Position(int(number), int(datetime.fromisoformat(time).timestamp()))
            for number, time in ends
            if number and time
        )
        yield GivenUp(info["shardId"], positions)


def keep_expired_images(shop: Workshop) -> bool:
    """Store the images of expired items that are in discarded batches, since the stage may never have seen them.

    Returns False if some batch does not say what it held.
    """
    knows = True
    for record in _records(shop, 0) if shop.pipeline.keeping else ():
        batch = _batch(record)
        if batch is None:
            where = {"shard": record["DDBStreamBatchInfo"].get("shardId")}
            logger().warning("a discarded batch does not say what it held", extra=where)
            knows = False
        else:
            shop.expired.keep(batch, shop.pipeline)
    return knows


def _batch(record: Mapping[str, Any]) -> RawBatch | None:
    try:
        event = json.loads(record["payload"])
        batch = parse_raw_batch(event) if isinstance(event, dict) else None
    except (KeyError, TypeError, ValueError, InvalidMessage):
        return None
    return None if batch is None or batch.shard is None else batch


def _records(shop: Workshop, since: int) -> Iterator[Mapping[str, Any]]:
    """Yield Lambda's records of the discarded batches of the aggregate stage that were written since a second."""
    for entry in all_objects(shop.s3(), shop.failures_bucket, _GIVEN_UP):
        if entry["LastModified"].timestamp() >= since:
            with map_aws_errors():
                body = shop.s3().get_object(Bucket=shop.failures_bucket, Key=entry["Key"])["Body"].read()
            record = json.loads(body)
            # function ARNs may end with a version or an alias
            function = record.get("requestContext", {}).get("functionArn", "")
            if "DDBStreamBatchInfo" in record and shop.deployment.function in function.split(":")[6:7]:
                yield record
