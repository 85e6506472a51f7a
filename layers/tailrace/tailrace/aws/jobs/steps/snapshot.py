"""The snapshot: a strongly consistent, parallel scan of the items table, sorted into partitions of items."""

import json
from collections.abc import Iterator

from tailrace.aws.jobs.context import JobContext, Lines, partition_of, spread
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.remainder import Remainder
from tailrace.aws.runtime.pages import segment_pages
from tailrace.inputs.item_changes import stored_key

_MAX_BYTES = 64_000_000  # held in memory before it is written


def scan_segment(context: JobContext, job: Job, segment: int) -> None:
    """Read a segment of the items table, and write the items of the job's collections to their partitions.

    A part may run twice, and meet other images of the items the second time. So each run writes objects of its own, and
    the segment's manifest names the runs that count: those that continued each other to the segment's end.

    Raises:
        JobEnded: the job cannot continue.
        OutOfTime: the next invocation continues.
    """
    collections = tuple(f"{context.aggregate(one.id).of.name}#" for one in context.generations(job))
    folder, partitions = context.folder(job), job.data["partitions"]
    remainder = Remainder(folder, job.step, segment)
    before = remainder.read()
    runs = [*before.get("runs", ()), f"{segment:06}-{context.new_name()}"]
    lines: Lines = {}
    size = page_number = 0
    where = segment, job.data["segments"]
    for images, after in segment_pages(context.dynamodb, context.items_table, where, before.get("after")):
        for image in images:
            key = stored_key(image, context.pipeline)
            if key.startswith(collections):
                line = json.dumps([key, image], separators=(",", ":"), default=_base64).encode()
                lines.setdefault(partition_of(key, partitions), []).append(line)
                size += len(line)
        is_late = after is not None and not context.has_time()
        if size > _MAX_BYTES or is_late or after is None:
            _flush(context, job, lines, f"{runs[-1]}-{page_number:06}")
            lines, size, page_number = {}, 0, page_number + 1
        if is_late:
            raise remainder.store(after=after, runs=runs)
    folder.write(f"manifests/{segment:06}", [run.encode() for run in runs])
    remainder.end()


def close_snapshot(context: JobContext, job: Job) -> None:
    """Write the list of the runs that count; those of a part that ends later do not."""
    folder = context.folder(job)
    folder.write_once("snapshot", list(folder.all_lines("manifests")))


def snapshot_lines(context: JobContext, job: Job, partition: int) -> Iterator[bytes]:
    """Yield the lines of a partition's items: ``[key, image]``, each item once."""
    folder = context.folder(job)
    runs = {run.decode() for run in folder.lines("snapshot")}
    for key in folder.keys(f"items/{partition:06}"):
        if key.rpartition("/")[2].rpartition("-")[0] in runs:
            yield from folder.lines_of(key)


def _flush(context: JobContext, job: Job, lines: Lines, name: str) -> None:
    for partition, written in spread(lines):
        context.folder(job).write(f"items/{partition:06}/{name}", written)


def _base64(value: object) -> str:
    import base64  # noqa: PLC0415 - few items hold binary values

    return base64.b64encode(bytes(value)).decode()  # type: ignore[call-overload]
