"""Lists the rows of the aggregates table that a verification reads: their keys, sorted into partitions."""

from collections.abc import Iterable, Sequence

from tailrace.aws.jobs.context import JobContext, Lines, is_sampled, label, spread
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.remainder import Remainder
from tailrace.aws.jobs.rows import RowSpace
from tailrace.aws.jobs.slices import placed
from tailrace.aws.jobs.steps.gathering import row_partition
from tailrace.aws.runtime.pages import segment_pages
from tailrace.backfill.generations import Generation
from tailrace.encoding.keys import RowKey
from tailrace.encoding.tagged_json import dumps

_MAX_BYTES = 64_000_000  # held in memory before they are written


def collect_keys(context: JobContext, job: Job, segment: int) -> None:
    """Read the keys of a segment of the aggregates table, and sort those of the job's generations into partitions.

    A part may run twice, and meet other rows the second time: what any of its runs has met is read.

    Raises:
        OutOfTime: the next invocation continues.
    """
    spaces = spaces_of(context, context.generations(job))
    remainder = Remainder(context.folder(job), job.step, segment)
    run = f"{segment:06}-{context.new_name()}"
    lines: Lines = {}
    size = page = 0
    where, before = (segment, job.data["segments"]), remainder.read()
    for images, after in segment_pages(
        context.dynamodb, context.aggregates_table, where, before.get("after"), ProjectionExpression="pk, sk"
    ):
        for image in images:
            found = _line(job, spaces, (image["pk"]["S"], image["sk"]["S"]))
            if found is not None:
                lines.setdefault(found[0], []).append(found[1])
                size += len(found[1])
        is_late = after is not None and not context.has_time()
        if size > _MAX_BYTES or is_late or after is None:
            _flush_keys(context, job, lines, f"{run}-{page:06}")
            lines, size, page = {}, 0, page + 1
        if is_late:
            raise remainder.store(after=after)
    remainder.end()


def _line(job: Job, spaces: Sequence[RowSpace], key: RowKey) -> tuple[int, bytes] | None:
    """Return the partition of a row and the line with its key; None if the job does not read it."""
    for position, space in enumerate(spaces):
        if space.owns(key[0]):
            main = space.main_key(key)
            if is_sampled(main, job.sample):
                line = placed(main, dumps([label(job.targets[position]), *key]).encode())
                return row_partition(main, job), line
            break
    return None


def _flush_keys(context: JobContext, job: Job, lines: Lines, name: str) -> None:
    for partition, written in spread(lines):
        context.folder(job).write(f"keys/{partition:06}/{name}", written)


def spaces_of(context: JobContext, generations: Iterable[Generation]) -> list[RowSpace]:
    """Return the rows of some generations, as this process defines them."""
    return [RowSpace(one, context.aggregate(one.id)) for one in generations]
