"""The first steps of a job: it waits until one meaning runs alone, chooses its boundary, and has it confirmed."""

from tailrace.aws.backfill.feeder import distrust
from tailrace.aws.jobs.context import JobContext, JobEnded, boundary_id, job_of, label
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.next_step import Again, Next, Now
from tailrace.backfill import job_phases
from tailrace.backfill.boundaries import choose_boundary, confirm, is_past
from tailrace.backfill.generations import (
    Generation,
    GenerationId,
    State,
    begin_build,
    begin_verify,
    confirm_boundary,
    end_verify,
    interrupt,
)
from tailrace.errors import NotFound, Transient

_MAX_ATTEMPTS = 5


def settle(context: JobContext, job: Job) -> Next:
    """Wait until no invocation of earlier code can still run."""
    updated_at = context.deployment.updated_at()
    timing = context.timing
    if updated_at is None or context.now < updated_at + timing.timeout_s + 2 * timing.margin_s:
        return Again(job, timing.poll_s)
    if context.progress.is_miscounted():
        distrust(context.control, context.control.read(), context.progress)
    return Now(job.go_to("begin"))


def begin(context: JobContext, job: Job) -> Next:
    """Write the boundary into the control rows of all targets."""
    control = context.control_rows()
    if not control.exists:
        raise JobEnded("the stack has no control rows yet: write an item, and run the job again")
    revision = context.deployment.revision()
    boundary = choose_boundary(boundary_id(job), context.now, context.timing.margin_s)
    for name in job.targets:
        before = control.generations.get(name)
        meaning = context.fingerprint(name)
        if before is not None and before.journal is not None and before.journal.id == boundary.id:
            continue
        if job.kind == "build":
            known = before or Generation(*name, State.DECLARED, meaning)
            after = begin_build(known, meaning, boundary, revision)
        elif before is None:
            raise JobEnded(f"{label(name)} was never built: run `tailrace rebuild {name[0]}`")
        elif before.fingerprint != meaning:
            raise JobEnded(f"the meaning of {label(name)} has changed: run `tailrace rebuild {name[0]}`")
        else:
            after = begin_verify(_let_go_by_the_dead(context, before), boundary, revision, repairs=job.repairs)
        if not context.control.replace(before, after):
            return Again(job, 1)
    return Now(job.go_to("confirm"))


def _let_go_by_the_dead(context: JobContext, generation: Generation) -> Generation:
    """Return a generation without a verification whose job has no row any more, so that nobody can resume it.

    Rows of jobs expire 90 days after they were last written.
    """
    if generation.baseline is None:
        return generation
    try:
        context.jobs.read(job_of(generation.baseline))
    except NotFound:
        return end_verify(generation)
    return generation


def confirm_boundaries(context: JobContext, job: Job) -> Next:
    """Check that the boundary was written before its time; otherwise choose another one."""
    for before in context.generations(job):
        if before.journal is None:
            raise JobEnded(f"{label(before.id)} has no boundary")
        confirmed = confirm(before.journal, context.now, context.timing.margin_s)
        if confirmed is None:
            return _anew(context, job)
        after = confirm_boundary(before, confirmed)
        if after != before and not context.control.replace(before, after):
            return Again(job, 1)
    return Now(job.go_to("past", job_phases.PASSING_BOUNDARY))


def _anew(context: JobContext, job: Job) -> Next:
    attempt = job.data.get("attempt", 0) + 1
    if attempt >= _MAX_ATTEMPTS:
        raise JobEnded("the boundary was written too late each time: the job is starved of CPU time")
    if job.kind == "verify":
        release(context, job, "")
    return Now(job.remember(attempt=attempt).go_to("begin"))


def past(context: JobContext, job: Job) -> Next:
    """Wait until the boundary is over by every clock, and divide the work into parts."""
    for one in context.generations(job):
        if one.journal is not None and not is_past(one.journal.time, context.now, context.timing.margin_s):
            return Again(job, min(context.timing.poll_s, one.journal.time + context.timing.margin_s - context.now + 1))
    partitions = context.timing.partitions(*context.shards.size())
    job = job.remember(partitions=partitions, segments=partitions, parents=_parents(context))
    return Now(job.go_to("scan", job_phases.READING_ITEMS, partitions))


def _parents(context: JobContext) -> dict[str, str | None]:
    return {name: one.parent for name, one in context.shards.listed().items()}


def release(context: JobContext, job: Job, reason: str) -> None:
    """Give up a job's hold on its generations: builds are interrupted, verifications end without a verdict.

    Raises:
        Transient: others have written a control row each time.
    """
    for name in job.targets:
        if not any(_let_go(context, job, name, reason) for _ in range(_MAX_ATTEMPTS)):
            raise Transient(f"the control row of {label(name)} changes too often")


def _let_go(context: JobContext, job: Job, name: GenerationId, reason: str) -> bool:
    before = context.control.read().generations.get(name)
    if before is None or before.journal is None or before.journal.id != boundary_id(job):
        return True
    after = interrupt(before, reason) if before.state is State.BUILDING else end_verify(before)
    return context.control.replace(before, after)
