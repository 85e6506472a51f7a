"""The snapshot: a strongly consistent, parallel scan of the items table, sorted into partitions of items."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.workshop import Lines, Workshop, partition_of, spread
from tailrace.aws.runtime.errors import map_aws_errors

_MAX_BYTES = 64_000_000  # held in memory before it is written


def scan_segment(shop: Workshop, job: Job, segment: int) -> None:
    """Read a segment of the items table, and write the items of the job's collections to their partitions."""
    collections = tuple(f"{shop.aggregate(name).of.name}#" for name in job.targets)
    partitions = job.data["partitions"]
    lines: Lines = {}
    size = page_number = 0
    for image in _segment(shop, segment, job.data["segments"]):
        pk = image.get("pk", {}).get("S", "")
        if not pk.startswith(collections):
            continue
        line = json.dumps([pk, image], separators=(",", ":"), default=_base64).encode()
        lines.setdefault(partition_of(pk, partitions), []).append(line)
        size += len(line)
        if size > _MAX_BYTES:
            _flush(shop, job, lines, f"{segment:06}-{page_number:06}")
            lines, size, page_number = {}, 0, page_number + 1
    _flush(shop, job, lines, f"{segment:06}-{page_number:06}")


def _flush(shop: Workshop, job: Job, lines: Lines, name: str) -> None:
    for partition, written in spread(lines):
        shop.folder(job).write(f"items/{partition:06}/{name}", written)


def _segment(shop: Workshop, segment: int, segments: int) -> Iterator[Mapping[str, Any]]:
    request: Any = {"TableName": shop.items_table, "ConsistentRead": True}
    if segments > 1:
        request |= {"Segment": segment, "TotalSegments": segments}
    while True:
        with map_aws_errors():
            page = shop.dynamodb.scan(**request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _base64(value: object) -> str:
    import base64  # noqa: PLC0415 - few items hold binary values

    return base64.b64encode(bytes(value)).decode()  # type: ignore[call-overload]
