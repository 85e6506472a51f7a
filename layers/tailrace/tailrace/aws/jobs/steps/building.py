"""The last steps of a build: the base is committed alongside the stream, and the generation goes live."""

from collections.abc import Sequence
from itertools import batched

from msgspec.structs import replace

from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.batch_reads import MAX_KEYS_PER_READ
from tailrace.aws.aggregates.expiry import EmptyRowExpiry
from tailrace.aws.aggregates.outcomes import Failed, SumOverflow
from tailrace.aws.backfill.control import Control
from tailrace.aws.backfill.left_out import count_left_out
from tailrace.aws.jobs.context import JobContext, JobEnded, boundary_id, boundary_of, label
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.next_step import Again, Next, Now
from tailrace.aws.jobs.rows import RowSpace, by_key, merge_rows
from tailrace.aws.jobs.steps.discarded import no_holes
from tailrace.aws.jobs.steps.gathering import journal_of
from tailrace.aws.runtime.telemetry import logger
from tailrace.backfill import job_phases
from tailrace.backfill.base import base_lineage
from tailrace.backfill.generations import Generation, GenerationId, State, go_live
from tailrace.encoding.keys import RowKey
from tailrace.encoding.tagged_json import dumps, loads_own
from tailrace.errors import Transient

_ROWS_PER_COMMIT = 500
_NOTED_EVERY_S = 30
_MAX_TRIES = 3
_MAX_AGE_S = 7 * 24 * 3600  # the bucket keeps the journal and the job's folder for two weeks


def commit_base(context: JobContext, job: Job, partition: int) -> None:
    """Commit a partition of the base, under the mark of the epoch.

    What was committed is noted from time to time. So a repetition goes on there, and even a partition that takes
    longer than an invocation is committed by a few.

    Raises:
        Transient: some rows could not be written now; a repetition finds the mark of those that were.
    """
    folder = context.folder(job)
    for generation in context.check(job):
        notes = f"committed/{boundary_id(job)}/{label(generation.id)}/{partition:06}"
        reached = max((tuple(loads_own(line)) for line in folder.all_lines(notes)), default=())
        rows = sorted(base_of(context, job, generation, partition).items())
        left, noted_at = [row for key, row in rows if key > reached], context.now
        for chunk in batched(left, _ROWS_PER_COMMIT, strict=False):
            _commit(context, chunk, generation)
            if context.now >= noted_at + _NOTED_EVERY_S:
                noted_at = context.now
                folder.write(f"{notes}/{noted_at}", [dumps(chunk[-1].key).encode()])


def _commit(context: JobContext, rows: Sequence[RowChange], generation: Generation) -> None:
    """Commit some rows, as long as the table takes some of them.

    Raises:
        Transient: some rows could not be written now.
    """
    fewest, tries = len(rows) + 1, 0
    while tries < _MAX_TRIES:
        outcomes = context.committer.commit(rows, base_lineage(generation), expire_empty=False)
        overflows = [one for one in outcomes if isinstance(one, SumOverflow)]
        for _ in overflows:
            logger().error("the table cannot hold a sum of the base", extra={"aggregate": generation.aggregate})
        count_left_out(sums=len(overflows))
        failed = [one for one in outcomes if isinstance(one, Failed)]
        if not failed:
            return
        tries = 0 if len(failed) < fewest else tries + 1
        fewest, error = min(len(failed), fewest), failed[0].error
    raise Transient(f"{fewest} rows of the base could not be written: {error}")


def base_of(context: JobContext, job: Job, generation: Generation, partition: int) -> dict[RowKey, RowChange]:
    """Return a partition of a generation's base, by key."""
    space = RowSpace(generation, context.aggregate(generation.id))
    return merge_rows(context.folder(job).all_lines(f"base/{label(generation.id)}/{partition:06}"), space)


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
    """Let the rows expire that were emptied while the generation was built."""
    control = context.control.read()
    for name in job.targets:
        generation = control.generations[name]
        if generation.state is not State.LIVE:
            continue
        space = RowSpace(generation, context.aggregate(name))
        keys = {key for key, _ in by_key(base_of(context, job, generation, partition))}
        keys |= journal_of(
            context, job, "steps-once", partition, replace(generation, state=State.BUILDING)
        ).steps.keys()
        rows = [RowChange(space.layout(key), key, (), None) for key in sorted(keys)]
        expiry = EmptyRowExpiry(context.dynamodb, context.aggregates_table)
        for chunk in batched(rows, MAX_KEYS_PER_READ, strict=False):
            expiry.expire_empty_rows(chunk, context.clock())


def _is_live(control: Control, name: GenerationId, job: Job) -> bool:
    """Tell whether this job has already finished a generation."""
    found = control.generations.get(name)
    frontier = None if found is None else found.frontier
    return found is not None and found.state is State.LIVE and frontier is not None and frontier.id == boundary_id(job)
