"""The steps of a job in their order, one call at a time: an execution calls :func:`advance` and :func:`work_on`."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from tailrace.aws.jobs.context import JobContext, JobEnded
from tailrace.aws.jobs.job import Job, Overtaken
from tailrace.aws.jobs.next_step import Again, Done, Next, Now
from tailrace.aws.jobs.remainder import OutOfTime, parts_left
from tailrace.aws.jobs.steps.base_pages import close_base
from tailrace.aws.jobs.steps.beginning import begin, confirm_boundaries, past, release, settle
from tailrace.aws.jobs.steps.building import commit_base, finish_build, sweep
from tailrace.aws.jobs.steps.covering import cover, covered, remove_sentinels, scanned
from tailrace.aws.jobs.steps.gathering import compute_base, list_journal, read_chunk
from tailrace.aws.jobs.steps.judging import judge
from tailrace.aws.jobs.steps.listening import listen
from tailrace.aws.jobs.steps.listing import collect_keys
from tailrace.aws.jobs.steps.reading import read_rows
from tailrace.aws.jobs.steps.snapshot import scan_segment
from tailrace.aws.jobs.steps.verifying import count_found, end_verification, floor, relist, write_report
from tailrace.aws.runtime.telemetry import count_metrics, logger
from tailrace.backfill import job_phases
from tailrace.backfill.generations import WrongState

type Step = Callable[[JobContext, Job], Next]
type Part = Callable[[JobContext, Job, int], None]

_PARTS: Mapping[str, tuple[Part, str, str]] = {
    "scan": (scan_segment, "segments", "scanned"),
    "journal": (read_chunk, "chunks", "base"),
    "base": (compute_base, "partitions", "based"),
    "commit": (commit_base, "partitions", "finish"),
    "sweep": (sweep, "partitions", "clean"),
    "keys": (collect_keys, "segments", "read"),
    "read": (read_rows, "partitions", "relist"),
    "journal again": (read_chunk, "chunks", "judge"),
    "judge": (judge, "partitions", "verdict"),
}
"""By step: what works on a part, what returns the number of parts, and the step after all of them."""

_PHASES = {
    "base": job_phases.COMPUTING_BASE,
    "commit": job_phases.WRITING_BASE,
    "read": job_phases.READING_ROWS,
    "judge": job_phases.COMPARING_ROWS,
}


def _based(context: JobContext, job: Job) -> Next:
    close_base(context, job)
    if job.kind == "build":
        return Now(job.go_to("commit", _PHASES["commit"], job.data["partitions"]))
    return Now(job.go_to("floor", job_phases.PASSING_REPAIR))


def _cover(context: JobContext, job: Job) -> Next:
    return listen(context, job) if context.attached_stream else cover(context, job)


def _clean(context: JobContext, job: Job) -> Next:
    remove_sentinels(context, job)
    return Done(replace(job, step="end", state="done", phase="done"))


_STEPS: Mapping[str, Step] = {
    "settle": settle,
    "begin": begin,
    "confirm": confirm_boundaries,
    "past": past,
    "scanned": scanned,
    "cover": _cover,
    "covered": covered,
    "list": list_journal,
    "based": _based,
    "finish": finish_build,
    "floor": floor,
    "relist": relist,
    "verdict": write_report,
    "release": end_verification,
    "clean": _clean,
}


def advance(context: JobContext, name: str, *, worked: str = "") -> dict[str, Any]:
    """Take a job as far as it gets without waiting, and return what its execution does next.

    Args:
        context: what the job works with.
        name: the job's id.
        worked: the step whose parts were all worked on. A repeated call names a step that is over by now, and must not
            pass over the next one.

    Returns:
        ``next``: ``wait`` (``seconds``), ``parts`` (``step``, ``numbers``) or ``end`` (``state``).

    Raises:
        Transient: a service cannot be used now, or another execution has written the job; the call is repeated.
    """
    job = context.jobs.read(name)
    if job.state != "running":
        return {"next": "end", "state": job.state}
    if worked == job.step and job.step in _PARTS:
        left = parts_left(context.folder(job), job)
        if left:
            return {"next": "parts", "job": job.id, "step": job.step, "numbers": left}
        after = _PARTS[job.step][2]
        total = job.data.get(_PARTS[after][1], 0) if after in _PARTS else 0
        job = job.go_to(after, _PHASES.get(after), total)
    return _run(context, job)


def _run(context: JobContext, job: Job) -> dict[str, Any]:
    while True:
        if job.step in _PARTS:
            context.jobs.write(job)
            numbers = list(range(job.data[_PARTS[job.step][1]]))
            if numbers:
                return {"next": "parts", "job": job.id, "step": job.step, "numbers": numbers}
            after = _PARTS[job.step][2]
            job = context.jobs.read(job.id).go_to(after, _PHASES.get(after), job.data["partitions"])
            continue
        try:
            outcome = _STEPS[job.step](context, job)
        except (JobEnded, WrongState) as error:
            return _fail(context, job, str(error))
        match outcome:
            case Now(job):
                job = context.jobs.write(job)
            case Again(job, seconds):
                context.jobs.write(job)
                return {"next": "wait", "job": job.id, "seconds": max(seconds, 1)}
            case Done(job):
                context.jobs.write(job)
                count_metrics(JobsDone=1)
                count_found(job)
                return {"next": "end", "state": job.state}


def work_on(context: JobContext, name: str, number: int) -> None:
    """Work on one part of the step under way; a repetition does the same again, or what is left of it.

    A number that the step does not have is of a step that is over: another execution has taken the job further.

    Raises:
        Transient: a service cannot be used now, or the step is over; the call is repeated.
    """
    job = context.jobs.read(name)
    if job.step in _PARTS and job.state == "running":
        part, parts, _ = _PARTS[job.step]
        if number >= job.data[parts]:
            return
        try:
            part(context, job, number)
        except JobEnded as error:
            _fail(context, job, str(error))
            return
        except OutOfTime as error:
            logger().info(str(error), extra={"job": job.id})
            context.jobs.count_part(job, is_done=False)
            return
        context.jobs.count_part(job)


def _fail(context: JobContext, job: Job, reason: str) -> dict[str, Any]:
    """End a job that cannot continue: its generations are released, and its sentinels removed.

    Raises:
        Overtaken: another execution has written the job since it was read, and may be further. What this one met may be
            the other's doing.
    """
    found = context.jobs.read(job.id)
    if found.state == "running":
        if found.changes != job.changes:
            raise Overtaken(f"another execution has written job {job.id}")
        logger().error("a job failed before it was complete", extra={"job": job.id, "reason": reason})
        release(context, job, reason)
        remove_sentinels(context, job)
        context.jobs.write(replace(job, state="failed", reason=reason))
        count_metrics(JobsFailed=1)
        count_found(job)
    return {"next": "end", "state": "failed", "reason": reason}


def abandon(context: JobContext, name: str, reason: str) -> None:
    """End a job on behalf of its execution, which has given it up."""
    _fail(context, context.jobs.read(name), reason)
