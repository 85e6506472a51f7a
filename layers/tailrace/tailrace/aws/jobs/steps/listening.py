"""Coverage of a table that nothing may be written to: the job continues reading where the aggregate stage is.

See :mod:`tailrace.backfill.claims`. A look reads each shard that is not proven otherwise up to an empty page, and the
next look continues from there. Only when every look for some minutes has found nothing does the job claim that nothing
is there; then it waits until no invocation can still run that has not read the claim, and looks once more.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from tailrace.aws.jobs.context import JobContext, JobEnded, boundary_id, boundary_of
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.next_step import Again, Next, Now
from tailrace.aws.jobs.steps.discarded import discarded_since, no_holes
from tailrace.aws.jobs.timing import MAX_LOOKS
from tailrace.backfill import job_phases
from tailrace.backfill.boundaries import Position
from tailrace.backfill.claims import STREAM_KEEPS_S, Beyond, can_be_read, look_beyond, relevant_since
from tailrace.backfill.coverage import throughs_of, unlisted, unproven
from tailrace.backfill.generations import Generation, claim

_PAGES_PER_LOOK = 100
_STATE = "listening"
_NAMED = 3
_NO_OPEN_SHARD = "none is listed as open"


class Chain(Struct, frozen=True):
    """How far a shard was read beyond the aggregate stage.

    Attributes:
        mark: the number that it was read from; None for the oldest record that the shard still has.
        began: the second of its first look.
        iterator: where the next look continues.
        proven: nothing that the snapshot can have seen is beyond the mark.
    """

    mark: int | None
    began: int
    iterator: str | None = None
    proven: bool = False


def listen(context: JobContext, job: Job) -> Next:
    """Look once whether the aggregate stage is beyond the snapshot in every shard.

    Raises:
        JobEnded: the stream cannot show it any more.
    """
    timing, after = context.timing, job.data["after"]
    if context.now <= after + timing.margin_s:
        return Again(job, min(timing.poll_s, after + timing.margin_s - context.now + 1))
    generations = context.check(job)
    _see_stream(context, generations)
    boundary = boundary_of(generations[0])
    no_holes(context, boundary, context.firsts.stored(boundary_id(job)))
    listed = context.shards.listed()
    recorded = context.progress.throughs()
    parents = {**job.data["parents"], **{name: one.parent for name, one in listed.items()}}
    job = job.remember(parents=parents, looks=job.data["looks"] + 1)
    marks = {name: recorded[name].sequence if name in recorded else None for name in unproven(listed, recorded, after)}
    left, quiet_since = _read_on(context, job, marks, relevant_since(generations))
    left += unlisted(parents, recorded, boundary.time)
    if all(one.closed for one in listed.values()):
        left.append(_NO_OPEN_SHARD)
    if left:
        return _wait(context, job, left)
    job = job.remember(throughs={name: str(number) for name, number in throughs_of(listed, recorded).items()})
    return _claim(context, job, generations, max(job.data.get("proven_at") or context.now, quiet_since))


def _see_stream(context: JobContext, generations: Sequence[Generation]) -> None:
    if context.shards.virtual():
        raise JobEnded("on one machine, the aggregates of an existing table are built with one shard: leave out SHARDS")
    latest = context.shards.stream()
    if latest != context.attached_stream:
        raise JobEnded(
            f"the table's stream is not the one that the stack reads: deploy with ItemsStreamArn={latest}"
            if latest
            else "the table no longer has a stream: turn it on with both images, and deploy its ItemsStreamArn"
        )
    if not can_be_read(boundary_of(generations[0]), context.now):
        hours = STREAM_KEEPS_S // 3600
        raise JobEnded(f"the job began more than {hours} hours ago, and the stream keeps no more: run it again")


def _wait(context: JobContext, job: Job, left: Sequence[str]) -> Next:
    if job.data["looks"] > MAX_LOOKS:
        raise JobEnded(f"the aggregate stage never passed the snapshot in shards {', '.join(left)}")
    few = ", ".join(left[:_NAMED]) + (f" and {len(left) - _NAMED} more" if len(left) > _NAMED else "")
    job = replace(job, phase=f"{job_phases.PASSING_SNAPSHOT} in shards: {few}")
    return Again(job.remember(proven_at=None, claimed_at=None), context.timing.pause_s(job.data["looks"]))


def _claim(context: JobContext, job: Job, generations: Sequence[Generation], proven_at: int) -> Next:
    """Claim that nothing is there once it was so for long enough, and wait until every invocation knows."""
    timing, boundary = context.timing, boundary_of(generations[0])
    job = replace(job.remember(proven_at=proven_at), phase=job_phases.PASSING_SNAPSHOT)
    if context.now < proven_at + timing.quiet_s:
        return Again(job, timing.poll_s)
    if not job.data.get("claimed_at"):
        throughs = {name: int(number) for name, number in job.data["throughs"].items()}
        context.claims.write(boundary.id, throughs, context.clock())
        for before in generations:
            after = claim(before, job.data["after"])
            if after != before and not context.control.replace(before, after):
                return Again(job, 1)
        return Again(job.remember(claimed_at=context.now), timing.poll_s)
    if context.now <= job.data["claimed_at"] + timing.longest_s + timing.margin_s:
        return Again(job, timing.poll_s)
    return Now(job.remember(covered_at=context.now).go_to("covered"))


def _read_on(context: JobContext, job: Job, marks: Mapping[str, int | None], since: int) -> tuple[list[str], int]:
    """Continue reading shards from their marks.

    Returns the shards in which something is, or may be, still to be dealt with; and for how long, since a second, the
    others have shown nothing but empty pages.
    """
    known = {line[0]: Chain(*line[1:]) for line in map(json.loads, context.folder(job).all_lines(_STATE))}
    left: list[str] = []
    chains: dict[str, Chain] = {}
    for shard, mark in marks.items():
        chain = known.get(shard)
        if chain is None or chain.mark != mark:
            chain = Chain(mark, context.now)
        is_quiet, chains[shard] = (True, chain) if chain.proven else _look(context, job, shard, chain, since)
        if not is_quiet:
            left.append(shard)
    lines = [json.dumps([name, one.mark, one.began, one.iterator, one.proven]).encode() for name, one in chains.items()]
    context.folder(job).write(f"{_STATE}/chains", lines)
    return left, max((one.began for one in chains.values() if not one.proven), default=0)


def _look(context: JobContext, job: Job, shard: str, chain: Chain, since: int) -> tuple[bool, Chain]:
    """Continue reading a shard up to an empty page; return whether nothing was found, and where to continue."""
    begin_again = Chain(chain.mark, context.now)
    iterator = chain.iterator or context.shards.open_after(context.attached_stream, shard, chain.mark)
    for _ in range(_PAGES_PER_LOOK):
        page = None if iterator is None else context.shards.page(iterator)
        if page is None:  # the shard is gone, or the iterator too old
            return False, begin_again
        records = _without_discarded(context, shard, page.records, since, job.data["after"])
        found = look_beyond(records, is_end=page.following is None, since=since, after=job.data["after"])
        if found is Beyond.NOTHING:
            return True, replace(chain, proven=True)
        if found is Beyond.UNREAD:
            return False, replace(chain, iterator=iterator, began=context.now)
        iterator = page.following
        if not page.records:
            return True, replace(chain, iterator=iterator)
    return False, replace(chain, iterator=iterator, began=context.now)


def _without_discarded(
    context: JobContext, shard: str, records: Iterable[Position], since: int, after: int
) -> Sequence[Position]:
    """Return a page's records without those that the stage will never deal with, since its mapping gave them up."""
    found = tuple(records)
    if not any(since <= one.created < after for one in found):
        return found
    ranges = [
        (min(one.positions).sequence, max(one.positions).sequence)
        for one in discarded_since(context, context.now - STREAM_KEEPS_S)
        if one.shard == shard and one.positions
    ]
    return [one for one in found if not any(first <= one.sequence <= last for first, last in ranges)]
