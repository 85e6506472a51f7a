"""Does the stack match the source? Reads all of its contents and compares them with the recompute.

A check, not a read path: it reads whole tables and buckets, page by page.
"""

import gzip
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from msgspec import Struct, field

from local.demo.feed import FeedResult
from local.demo.recompute import (
    AGGREGATES,
    Difference,
    Recompute,
    Row,
    RowKey,
    exact_statistic,
    matches_rounded,
    row_differences,
)
from local.stack import Stack
from tailrace.definition.pipeline import Pipeline

RENDERED_DIGITS = 38
_MAX_EMPTY_RECEIVES = 3
_VISIBILITY_TIMEOUT_S = 20
_THREADS = 8
_QUARANTINE_ENTRANCE = {"table": "stream", "queue": "queue", "file": "file"}

type Json = dict[str, Any]


class Verdict(Struct):
    """What the stack holds, and every difference from the expected."""

    rows: int = 0
    events: int = 0
    objects: int = 0
    object_bytes: int = 0
    quarantined: int = 0
    disruptions: int = 0
    last_write: str = ""
    differences: list[Difference] = field(default_factory=list)

    @property
    def drift(self) -> int:
        """Number of differences between stack and source."""
        return len(self.differences)


def verify(stack: Stack, expected: Recompute, feed_result: FeedResult, pipeline: Pipeline) -> Verdict:
    """Compare the stack's contents with the recompute and with what was fed."""
    verdict = Verdict()
    _check_fed(expected, feed_result, verdict)
    _check_rows(stack, expected, pipeline, verdict)
    _check_archive(stack, expected, verdict)
    _check_quarantine(stack, feed_result, verdict)
    _check_disruptions(stack, expected, verdict)
    return verdict


def wait_until_catalogued(stack: Stack, limit_s: float = 30.0) -> None:
    """Wait until every archive object has its catalog row; :func:`verify` reports any that are still missing.

    S3 invokes the function directly, so no poller knows whether its notifications have arrived.
    """
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        objects = {one["Key"] for one in _list_objects(stack.client("s3"), stack.outputs["ArchiveBucket"], "archive/")}
        if objects <= {row.get("object") for row in _scan_rows(stack, stack.outputs["CatalogTable"])}:
            return
        time.sleep(0.2)


def _expect(verdict: Verdict, where: str, expected: Any, found: Any) -> None:
    if expected != found:
        verdict.differences.append(Difference(where, expected, found))


def _check_fed(expected: Recompute, feed_result: FeedResult, verdict: Verdict) -> None:
    _expect(verdict, "changes fed", expected.changes(), feed_result.changes)
    _expect(verdict, "broken requests rejected by the API", feed_result.api_broken, feed_result.api_rejected)
    for name, counts in feed_result.expected_receipts.items():
        _expect(verdict, f"receipt of {name} (accepted, rejected)", counts, feed_result.receipts.get(name))


def _check_rows(stack: Stack, expected: Recompute, pipeline: Pipeline, verdict: Verdict) -> None:
    rows = _scan_rows(stack, stack.outputs["AggregatesTable"])
    unchecked = {one.name for one in pipeline.aggregates} - set(AGGREGATES)  # not covered by the recompute
    found = {
        (row["pk"], row["sk"]): row
        for row in rows
        if not row["pk"].startswith("~")  # the engine's own rows
        and row["pk"].partition("@")[0] not in unchecked
    }
    required = expected.all_rows()
    verdict.rows = len(found)
    verdict.last_write = max((row["updated_at"] for row in found.values()), default="")
    verdict.differences += row_differences(required, found)
    for key in required.keys() & found.keys():
        verdict.differences += _statistics_differences(key, required[key], found[key], pipeline)


def _statistics_differences(key: RowKey, required: Row, found: Row, pipeline: Pipeline) -> Iterator[Difference]:
    """Compare means and variances, as rendered for readers, with exact fractions."""
    aggregate = pipeline.aggregate(key[0].partition("@")[0])
    rendered = aggregate.render(found) or {}
    for name, measure in aggregate.measures.items():
        if measure.kind in ("mean", "variance"):
            exact = exact_statistic(required, name, variance=measure.kind == "variance")
            if not matches_rounded(rendered.get(name), exact, RENDERED_DIGITS):
                yield Difference(f"{key[0]} {key[1]} {name}", exact, rendered.get(name))


def _check_archive(stack: Stack, expected: Recompute, verdict: Verdict) -> None:
    s3 = stack.client("s3")
    bucket = stack.outputs["ArchiveBucket"]
    objects = {one["Key"]: one["Size"] for one in _list_objects(s3, bucket, "archive/")}
    verdict.objects, verdict.object_bytes = len(objects), sum(objects.values())
    with TemporaryDirectory(prefix="tailrace-archive-") as folder, ThreadPoolExecutor(_THREADS) as threads:
        fetched = threads.map(lambda key: _fetch(s3, bucket, key, Path(folder)), objects)
        lines = dict(zip(objects, fetched, strict=True))
        if objects:
            verdict.differences += expected.archive_differences(Path(folder))
            verdict.events = expected.archived_events()
        else:
            _expect(verdict, "archive events", expected.changes(), 0)
    catalog = {row["object"]: (row["count"], row["bytes"]) for row in _scan_rows(stack, stack.outputs["CatalogTable"])}
    for key in sorted(objects.keys() | catalog.keys()):
        expected_entry = (lines[key], objects[key]) if key in objects else None
        _expect(verdict, f"catalog {key} (events, bytes)", expected_entry, catalog.get(key))


def _fetch(s3: Any, bucket: str, key: str, folder: Path) -> int:
    """Download an object to the folder; return its number of lines."""
    body = _read_object(s3, bucket, key)
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return len(gzip.decompress(body).splitlines())


def _check_quarantine(stack: Stack, feed_result: FeedResult, verdict: Verdict) -> None:
    s3 = stack.client("s3")
    bucket = stack.outputs["FailuresBucket"]
    keys = [one["Key"] for one in _list_objects(s3, bucket, "quarantine/")]
    verdict.quarantined = len(keys)
    with ThreadPoolExecutor(_THREADS) as threads:
        reports = [json.loads(body) for body in threads.map(lambda key: _read_object(s3, bucket, key), keys)]
    found = sorted((report["entrance"], str(report["id"])) for report in reports if report["violations"])
    required = sorted((_QUARANTINE_ENTRANCE[entrance], one) for entrance, one in feed_result.broken)
    for one in sorted(set(required) | set(found)):
        _expect(verdict, f"quarantine {one[0]} {one[1]}", required.count(one), found.count(one))


def _check_disruptions(stack: Stack, expected: Recompute, verdict: Verdict) -> None:
    found: dict[str, tuple[str, str]] = {}
    sqs = stack.client("sqs")
    empty_receives = 0
    while empty_receives < _MAX_EMPTY_RECEIVES:
        # hidden for a while, not deleted: the next reader gets them all again
        response = sqs.receive_message(
            QueueUrl=stack.outputs["DisruptionsQueue"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=_VISIBILITY_TIMEOUT_S,
            WaitTimeSeconds=0,
        )
        messages = response.get("Messages", [])
        empty_receives = 0 if messages else empty_receives + 1
        for message in messages:
            event = json.loads(message["Body"])
            found[event["id"]] = (event["subject"], event["data"]["new"]["status"])
    verdict.disruptions = len(found)
    required = expected.disruptions()
    received = list(found.values())
    for one in sorted(required | set(received)):
        _expect(verdict, f"disruptions {one[0]} {one[1]}", int(one in required), received.count(one))


def _scan_rows(stack: Stack, table: str) -> Iterator[Row]:
    deserialize = TypeDeserializer().deserialize
    for page in stack.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for row in page["Items"]:
            yield {name: _as_integer(deserialize(value)) for name, value in row.items()}


def _as_integer(value: Any) -> Any:
    # the recompute has whole numbers only; a fraction in the table stays a Decimal and so differs
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def _read_object(s3: Any, bucket: str, key: str) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def _list_objects(s3: Any, bucket: str, prefix: str) -> Iterator[Json]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])
