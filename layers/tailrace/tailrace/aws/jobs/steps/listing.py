"""Lists the rows of the aggregates table that a verification reads: their keys, sorted into partitions."""

from collections.abc import Iterable, Iterator
from typing import Any

from tailrace.aws.jobs.context import JobContext, Lines, is_sampled, label, spread
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.rows import RowSpace
from tailrace.aws.jobs.slices import placed
from tailrace.aws.jobs.steps.gathering import row_partition
from tailrace.aws.runtime.pages import all_rows
from tailrace.backfill.generations import Generation
from tailrace.encoding.keys import RowKey
from tailrace.encoding.tagged_json import dumps

_MAX_BYTES = 64_000_000  # held in memory before they are written


def collect_keys(context: JobContext, job: Job, segment: int) -> None:
    """Read the keys of a segment of the aggregates table, and sort those of the job's generations into partitions.

    A part may run twice, and meet other rows the second time: what any of its runs has met is read.
    """
    spaces = spaces_of(context, context.generations(job))
    run = f"{segment:06}-{context.new_name()}"
    lines: Lines = {}
    size = page = 0
    for key in _keys(context, segment, job.data["segments"]):
        position = next((position for position, one in enumerate(spaces) if one.owns(key[0])), None)
        if position is None:
            continue
        main = spaces[position].main_key(key)
        if is_sampled(main, job.sample):
            line = placed(main, dumps([label(job.targets[position]), *key]).encode())
            lines.setdefault(row_partition(main, job), []).append(line)
            size += len(line)
        if size > _MAX_BYTES:
            _flush_keys(context, job, lines, f"{run}-{page:06}")
            lines, size, page = {}, 0, page + 1
    _flush_keys(context, job, lines, f"{run}-{page:06}")


def _flush_keys(context: JobContext, job: Job, lines: Lines, name: str) -> None:
    for partition, written in spread(lines):
        context.folder(job).write(f"keys/{partition:06}/{name}", written)


def _keys(context: JobContext, segment: int, segments: int) -> Iterator[RowKey]:
    request: Any = {"TableName": context.aggregates_table, "ConsistentRead": True, "ProjectionExpression": "pk, sk"}
    if segments > 1:
        request |= {"Segment": segment, "TotalSegments": segments}
    rows = all_rows(context.dynamodb.scan, **request)
    return ((image["pk"]["S"], image["sk"]["S"]) for image in rows)


def spaces_of(context: JobContext, generations: Iterable[Generation]) -> list[RowSpace]:
    """Return the rows of some generations, as this process defines them."""
    return [RowSpace(one, context.aggregate(one.id)) for one in generations]
