"""Coverage on AWS: sentinels, the list of shards, and how far the aggregate stage is."""

from msgspec.structs import replace

from tailrace.aggregation.marks import decode_sequence
from tailrace.aws.jobs.context import JobContext, JobEnded, boundary_id, boundary_of
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.next_step import Again, Next, Now
from tailrace.aws.jobs.steps.discarded import Kept, keep_expired_images, no_holes
from tailrace.aws.jobs.steps.snapshot import close_snapshot
from tailrace.aws.jobs.timing import MAX_LOOKS
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.telemetry import logger
from tailrace.backfill import job_phases
from tailrace.backfill.comparison import is_in_time
from tailrace.backfill.coverage import created_after, missing_sentinels, throughs_of, unlisted, unproven
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.keys import SENTINELS

_FIRST_SENTINELS = 4
# the chance that an open shard gets none is e^-16, for each shard
_SENTINELS_PER_SHARD = 16
_LOOKS_PER_SENTINELS = 4


def scanned(context: JobContext, job: Job) -> Next:
    """Remember when the snapshot ended."""
    close_snapshot(context, job)
    after = created_after(context.now, context.timing.margin_s)
    job = job.remember(after=after, sentinels=_FIRST_SENTINELS, looks=0)
    return Now(job.go_to("cover", job_phases.PASSING_SNAPSHOT))


def cover(context: JobContext, job: Job) -> Next:
    """Look once whether the aggregate stage is beyond the snapshot in every shard."""
    timing, after = context.timing, job.data["after"]
    if context.now <= after + timing.margin_s:
        return Again(job, min(timing.poll_s, after + timing.margin_s - context.now + 1))
    # a sentinel in a discarded batch would never return
    boundary = boundary_of(context.check(job)[0])
    no_holes(context, boundary, context.firsts.stored(boundary_id(job)))
    sentinels = [_sentinel(job, number) for number in range(job.data["sentinels"])]
    for key in sentinels[job.data.get("written", 0) :]:
        with map_aws_errors():
            context.dynamodb.put_item(TableName=context.items_table, Item=encode_item({"pk": key, "job": job.id}))
    job = job.remember(written=len(sentinels), looks=job.data["looks"] + 1)
    listed = context.shards.listed()
    job = job.remember(parents={**job.data["parents"], **{name: one.parent for name, one in listed.items()}})
    recorded = context.progress.throughs()
    throughs = throughs_of(listed, recorded)
    left = [*unproven(listed, recorded, after), *unlisted(job.data["parents"], recorded, boundary.time)]
    missing = [] if left else missing_sentinels(sentinels, _returned(context, job), throughs)
    if not left and not missing:
        proven_at = job.data.get("proven_at") or context.now
        job = job.remember(proven_at=proven_at, throughs={name: str(number) for name, number in throughs.items()})
        if context.now >= proven_at + timing.listing_s:
            return Now(job.remember(covered_at=context.now).go_to("covered"))
        return Again(job, timing.poll_s)
    job = job.remember(proven_at=None)
    if job.data["looks"] > MAX_LOOKS:
        raise JobEnded(f"the aggregate stage never passed the snapshot in shards {', '.join(left or missing)}")
    if left and job.data["looks"] % _LOOKS_PER_SENTINELS == 0:
        open_shards = sum(not one.closed for one in listed.values())
        most = max(_FIRST_SENTINELS, _SENTINELS_PER_SHARD * open_shards)
        job = job.remember(sentinels=min(2 * job.data["sentinels"], most))
    return Again(job, timing.pause_s(job.data["looks"]))


def covered(context: JobContext, job: Job) -> Next:
    """Wait a margin, look for discarded batches and what expired in them, and fix the boundary's first numbers."""
    if not context.timing.is_over(job.data["covered_at"], context.now):
        return Again(job, context.timing.margin_s)
    generations = context.check(job)
    boundary = boundary_of(generations[0])
    if not is_in_time(boundary.time, context.now):
        raise JobEnded("it began more than 36 hours ago, and data from that time may be gone: run it again")
    kept = keep_expired_images(context, Kept(*job.data.get("kept", ())))
    job = job.remember(kept=[kept.through, kept.complete])
    if not kept.done:
        return Again(replace(job, phase=job_phases.READING_DISCARDED), 1)
    firsts = context.firsts.stored(boundary_id(job))
    no_holes(context, boundary, firsts)
    foreign = context.expired.foreign(context.pipeline)
    if foreign:
        logger().warning("expired items are kept under names that the definition lacks", extra={"names": foreign})
    knows_expired = kept.complete and not foreign
    job = job.remember(firsts={name: str(number) for name, number in firsts.items()}, knows_expired=knows_expired)
    return Now(job.go_to("list"))


def remove_sentinels(context: JobContext, job: Job) -> None:
    """Delete a job's sentinels."""
    for number in range(job.data.get("written", 0)):
        with map_aws_errors():
            context.dynamodb.delete_item(TableName=context.items_table, Key=encode_item({"pk": _sentinel(job, number)}))


def _sentinel(job: Job, number: int) -> str:
    return f"{SENTINELS}#{boundary_id(job)}#{number}"


def _returned(context: JobContext, job: Job) -> dict[str, list[tuple[str, int]]]:
    """Return where in the stream each sentinel was read, as the aggregate stage noted it."""
    found: dict[str, list[tuple[str, int]]] = {}
    for name, shard, sequence in context.journal.sentinels(boundary_id(job)):
        found.setdefault(name, []).append((shard, decode_sequence(sequence)))
    return found
