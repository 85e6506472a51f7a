"""The last steps of a build: the base is committed alongside the stream, and the generation goes live."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import batched
from operator import itemgetter

from msgspec.structs import replace

from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.batch_reads import MAX_KEYS_PER_READ
from tailrace.aws.aggregates.expiry import EmptyRowExpiry
from tailrace.aws.aggregates.outcomes import Failed, RowTooLarge, SumOverflow
from tailrace.aws.backfill.control import Control
from tailrace.aws.backfill.left_out import count_left_out
from tailrace.aws.jobs.context import JobContext, JobEnded, boundary_id, boundary_of
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.next_step import Again, Next, Now
from tailrace.aws.jobs.remainder import Remainder
from tailrace.aws.jobs.rows import RowSpace, keys_in
from tailrace.aws.jobs.slices import FIRST, LAST, Slice, SliceOfKeys, place_of, slice_of_base
from tailrace.aws.jobs.steps.base_pages import base_lines, has_base
from tailrace.aws.jobs.steps.discarded import no_holes
from tailrace.aws.jobs.steps.gathering import journaled_keys
from tailrace.aws.runtime.telemetry import logger
from tailrace.backfill import job_phases
from tailrace.backfill.base import base_lineage
from tailrace.backfill.generations import Generation, GenerationId, State, go_live
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient

_ROWS_PER_COMMIT = 500
_WRITES_PER_COMMIT = 5_000  # value rows included: between two looks at the time
_STORED_EVERY_S = 30
_MAX_TRIES = 3
_MAX_AGE_S = 7 * 24 * 3600  # the bucket keeps the journal and the job's folder for two weeks


def commit_base(context: JobContext, job: Job, partition: int) -> None:
    """Commit a partition of the base, slice by slice, under the mark of the epoch.

    The progress is stored from time to time, so a repetition continues there, even if a slow table made the invocation
    time out.

    Raises:
        Transient: some rows could not be written now; a repetition finds the mark of those that were.
        OutOfTime: the next invocation continues.
    """
    remainder = Remainder(context.folder(job), job.step, partition)
    before = remainder.read()
    stored_at = context.now
    first, start = before.get("generation", 0), before.get("start", "").encode()
    for number, generation in enumerate(context.check(job)):
        if number < first:
            continue
        where = Slice(start if number == first else FIRST)
        while where.start < LAST:
            rows = base_of(context, job, generation, partition, where, context.timing.rows_at_once)
            space = RowSpace(generation, context.aggregate(generation.id))
            placed = sorted(((place_of(space.main_key(key)), row) for key, row in rows.items()), key=itemgetter(0))
            for chunk in _commits(placed):
                is_late = chunk[0] is not placed[0] and not context.has_time()
                if is_late or context.now >= stored_at + _STORED_EVERY_S:
                    late, stored_at = remainder.store(generation=number, start=chunk[0][0].decode()), context.now
                    if is_late:
                        raise late
                _commit(context, generation, [row for _, row in chunk])
            where = Slice(where.end)
            if not context.has_time():
                raise remainder.store(generation=number, start=where.start.decode())
    remainder.end()


def _commits(rows: Iterable[tuple[bytes, RowChange]]) -> Iterator[list[tuple[bytes, RowChange]]]:
    """Divide rows into those that are committed together: a main row may have thousands of value rows.

    Those at one place, such as lanes, are not divided, so that each commit is further than the one before.
    """
    chunk: list[tuple[bytes, RowChange]] = []
    writes = 0
    for one in rows:
        more = 1 + len(one[1].value_changes)
        is_full = len(chunk) >= _ROWS_PER_COMMIT or writes + more > _WRITES_PER_COMMIT
        if chunk and is_full and one[0] != chunk[-1][0]:
            yield chunk
            chunk, writes = [], 0
        chunk.append(one)
        writes += more
    if chunk:
        yield chunk


def _commit(context: JobContext, generation: Generation, rows: Sequence[RowChange]) -> None:
    """Commit rows while the table takes some of them.

    What the table cannot hold is told at once: a row that was written without it is not tried again.

    Raises:
        Transient: some rows could not be written now.
    """
    fewest, tries = len(rows) + 1, 0
    while True:
        outcomes = context.committer.commit(rows, base_lineage(generation), expire_empty=False)
        _tell_left_out(generation, [one for one in outcomes if isinstance(one, SumOverflow)])
        failed = [one for one in outcomes if isinstance(one, Failed)]
        if not failed:
            return
        tries = 0 if len(failed) < fewest else tries + 1
        fewest = min(len(failed), fewest)
        if tries == _MAX_TRIES:
            raise Transient(f"{fewest} rows of the base could not be written: {failed[0].error}")


def _tell_left_out(generation: Generation, overflows: Sequence[SumOverflow]) -> None:
    for one in overflows:
        what = "a row of the base, with its order measures" if isinstance(one, RowTooLarge) else "a sum of the base"
        logger().error(f"the table cannot hold {what}", extra={"aggregate": generation.aggregate})
    count_left_out(sums=len(overflows))


def base_of(  # noqa: PLR0913, PLR0917 - where the rows are, and how many
    context: JobContext, job: Job, generation: Generation, partition: int, where: Slice, most: int | None = None
) -> dict[RowKey, RowChange]:
    """Return a slice of a partition of a generation's base, by key; with ``most``, its end may move down."""
    space = RowSpace(generation, context.aggregate(generation.id))
    return slice_of_base(base_lines(context, job, generation, partition), space, where, most)


def keys_of_base(
    context: JobContext, job: Job, generation: Generation, partition: int, where: Slice
) -> Iterator[tuple[bytes, RowKey]]:
    """Yield place and key of the rows in a slice of a base, with repeats; the slice's end may move down meanwhile."""
    for place, line in where.lines(base_lines(context, job, generation, partition)):
        yield from ((place, key) for key in keys_in(line))


def finish_build(context: JobContext, job: Job) -> Next:
    """Check that nothing was lost meanwhile, and let readers see the new generations."""
    committed_at = job.data.get("committed_at", context.now)
    job = job.remember(committed_at=committed_at)
    if not context.timing.is_over(committed_at, context.now):
        return Again(job, context.timing.margin_s)
    control = context.control.read()
    left = [name for name in job.targets if not _is_live(control, name, job)]
    generations = context.check(replace(job, targets=tuple(left)))
    if generations:
        boundary = boundary_of(generations[0])
        if context.now - boundary.time > _MAX_AGE_S:
            raise JobEnded("it began more than a week ago, and what it has read may be gone: run it again")
        no_holes(context, boundary, {name: int(one) for name, one in job.data["firsts"].items()})
    for before in generations:
        of = context.aggregate(before.id).of
        knows_expired = control.knows_expired(of.name, before) and job.data["knows_expired"]
        after = go_live(before, verified=of.on_expiry != "keep" or knows_expired)
        if not context.control.replace(before, after, show=True):
            return Again(job, 1)
    return Now(job.go_to("sweep", job_phases.REMOVING_EMPTY_ROWS, job.data["partitions"]))


def sweep(context: JobContext, job: Job, partition: int) -> None:
    """Set an expiry on the rows that were emptied while the generation was built.

    The build is complete by now. So it does not fail if the files of its base cannot be read any more: they have
    expired, or an earlier release has written them, and this one was deployed since.

    Raises:
        OutOfTime: the next invocation continues.
    """
    remainder = Remainder(context.folder(job), job.step, partition)
    if not has_base(context, job):
        logger().warning("rows that the build has emptied are not removed: its files are gone", extra={"job": job.id})
        remainder.end()
        return
    control = context.control.read()
    before = remainder.read()
    # a main row's may be more than an invocation has time for, and each of them stands alone here
    first, begin = before.get("generation", 0), (before.get("start", "").encode(), tuple(before.get("row", ("", ""))))
    expiry = EmptyRowExpiry(context.dynamodb, context.aggregates_table)
    for number, name in enumerate(job.targets):
        generation = control.generations[name]
        if number < first or generation.state is not State.LIVE:
            continue
        space = RowSpace(replace(generation, state=State.BUILDING), context.aggregate(name))
        at = begin if number == first else (FIRST, ("", ""))
        where = Slice(at[0])
        while where.start < LAST:
            keys = built_keys(context, job, [space], partition, where)
            left = [(place, key) for place, _, key in keys.in_order() if (place, key) >= at]
            rows = [(place, RowChange(space.layout(key), key, (), None)) for place, key in left]
            for chunk in batched(rows, MAX_KEYS_PER_READ, strict=False):
                if chunk[0] is not rows[0] and not context.has_time():
                    place, row = chunk[0]
                    raise remainder.store(generation=number, start=place.decode(), row=row.key)
                expiry.expire_empty_rows([row for _, row in chunk], context.clock())
            where = Slice(where.end)
            if not context.has_time():
                raise remainder.store(generation=number, start=where.start.decode())
    remainder.end()


def built_keys(context: JobContext, job: Job, spaces: Sequence[RowSpace], partition: int, where: Slice) -> SliceOfKeys:
    """Return the keys of the rows in a slice that some generations have in the base or in the journal."""
    keys = SliceOfKeys(spaces, context.timing.rows_at_once, where)
    for position, space in enumerate(spaces):
        for place, key in keys_of_base(context, job, space.generation, partition, where):
            keys.add(position, place, key)
        for key in journaled_keys(context, job, partition, space.generation):
            keys.add(position, place_of(space.main_key(key)), key)
    return keys


def _is_live(control: Control, name: GenerationId, job: Job) -> bool:
    """Tell whether this job has already finished a generation."""
    found = control.generations.get(name)
    frontier = None if found is None else found.frontier
    return found is not None and found.state is State.LIVE and frontier is not None and frontier.id == boundary_id(job)
