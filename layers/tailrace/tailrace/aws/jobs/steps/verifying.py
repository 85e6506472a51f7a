"""The steps of a verification after coverage: the floor, the reading of the rows, and the verdict."""

from collections import Counter

from tailrace.aws.jobs.context import JobContext, JobEnded, Json, boundary_id, boundary_of, label
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.next_step import Again, Next, Now
from tailrace.aws.jobs.steps.discarded import no_holes, tell_before_repair
from tailrace.aws.jobs.steps.gathering import list_journal
from tailrace.aws.runtime.objects import put_lines
from tailrace.aws.runtime.telemetry import count_metrics
from tailrace.backfill import job_phases
from tailrace.backfill.comparison import is_in_time
from tailrace.backfill.generations import end_verify, raise_floor
from tailrace.encoding.tagged_json import loads_own


def floor(context: JobContext, job: Job) -> Next:
    """Raise the floor of what will be repaired, and wait until no earlier invocation can still run."""
    generations = context.check(job)
    if job.repairs and "floor_at" not in job.data:
        tell_before_repair(context, generations)
        for before in context.generations(job):
            after = raise_floor(before)
            if after != before and not context.control.replace(before, after):
                return Again(job, 1)
        job = job.remember(floor_at=context.now)
    if job.repairs and context.now <= job.data["floor_at"] + context.timing.longest_s + context.timing.margin_s:
        return Again(job, context.timing.poll_s)
    return Now(job.go_to("keys", job_phases.LISTING_ROWS, job.data["segments"]))


def relist(context: JobContext, job: Job) -> Next:
    """Check that the rows can be judged, and list the journal again: it holds whatever the rows that were read hold."""
    read_at = job.data.get("read_at", context.now)
    job = job.remember(read_at=read_at)
    if not context.timing.is_over(read_at, context.now):
        return Again(job, context.timing.margin_s)
    generations = context.check(job)
    boundary = boundary_of(generations[0])
    firsts = context.firsts.stored(boundary.id)
    job = job.remember(firsts={name: str(number) for name, number in firsts.items()})
    no_holes(context, boundary, firsts)
    if not is_in_time(boundary.time, context.now):
        raise JobEnded("it took more than 36 hours: rows that were emptied meanwhile may be gone")
    # some items may have expired before their images were kept, or in a discarded batch that cannot be read
    control, knows = context.control.read(), job.data["knows_expired"]
    collections = [(one, context.aggregate(one.id).of) for one in generations]
    keeping = [(one, of.name) for one, of in collections if of.on_expiry == "keep"]
    unknown = [label(one.id) for one, name in keeping if not (knows and control.knows_expired(name, one))]
    if unknown:
        job = job.remember(unknown=unknown)
    return list_journal(context, job)


def write_report(context: JobContext, job: Job) -> Next:
    """Add up what was found, and write the report, while the generations are still this job's."""
    folder = context.folder(job)
    counts, wrong, unjudged, repaired = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for line in folder.all_lines("counts"):
        found = loads_own(line)
        judged = found.pop("generations", {"": {}})
        if not all("repaired" in left for left in judged.values()):
            raise JobEnded("another release has compared the rows: run it again")
        for name, left in judged.items():
            wrong[name] += left["wrong"]
            unjudged[name] += left["not_judged"]
            repaired[name] += left["repaired"]
        counts.update(found)
    verified: Json = {}
    for one in context.generations(job):
        name = label(one.id)
        is_complete = job.sample >= 1 and not unjudged[name] and name not in job.data.get("unknown", ())
        # where some rows were wrong, those that were not compared cannot be trusted either
        is_wrong = wrong[name] or (repaired[name] and not is_complete)
        verified[name] = False if is_wrong else True if is_complete else None
    report = f"reports/{job.id}.jsonl"
    put_lines(context.s3(), context.history_bucket, report, folder.all_lines("report"))
    return Now(job.remember(counts=counts, report=report, verified=verified).go_to("release"))


def end_verification(context: JobContext, job: Job) -> Next:
    """End the verification of the generations; for those that are not this job's any more, an earlier call did."""
    control = context.control.read()
    for name in job.targets:
        before = control.generations.get(name)
        if before is None or before.journal is None or before.journal.id != boundary_id(job):
            continue
        if not context.control.replace(before, end_verify(before, verified=job.data["verified"][label(name)])):
            return Again(job, 1)
    return Now(job.go_to("clean"))


def count_found(job: Job) -> None:
    """Count what a verification has found as metrics, once it is written that the job has ended."""
    counts = job.data.get("counts", {})
    count_metrics(
        RowsVerified=counts.get("rows", 0),
        RowsDifferent=counts.get("different", 0),
        RowsRepaired=counts.get("repaired", 0),
        RowsNotJudged=counts.get("not_judged", 0) + counts.get("unknown", 0),
    )
