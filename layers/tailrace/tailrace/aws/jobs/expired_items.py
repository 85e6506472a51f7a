"""The images of expired items as a base counts them: they are in no table, and each is an object of its own."""

from collections.abc import Iterator

from msgspec import Struct

from tailrace.aggregation.marks import encode_sequence
from tailrace.aws.jobs.context import JobContext, boundary_of, partition_of
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.rows import RowSpace
from tailrace.backfill.boundaries import ancestors_of
from tailrace.encoding.json_types import Item


class Taken(Struct):
    """The images of a collection that were taken: so many, and of those of expired items all up to a key.

    Each of the latter is an object of its own, so they are not read again in order to be passed over.
    """

    items: int = 0
    expired: str = ""


def expired_below(context: JobContext, job: Job, space: RowSpace, partition: int, taken: Taken) -> Iterator[Item]:
    """Yield this partition's expired items that were counted below the boundary, and are in no table."""
    if space.aggregate.of.on_expiry != "keep":
        return
    firsts = {name: int(number) for name, number in job.data["firsts"].items()}
    parents = job.data["parents"]
    time, after = boundary_of(space.generation).time, taken.expired

    def is_mine(shard: str, sequence: int) -> bool:
        is_of_part = partition_of(f"{shard}\n{sequence}", job.data["partitions"]) == partition
        return is_of_part and _place(shard, sequence) > after

    for one in context.expired.read(space.aggregate.of.name, is_mine):
        if one.shard in firsts:
            below = one.position.sequence < firsts[one.shard]
        else:
            later = any(ancestor in firsts for ancestor in ancestors_of(one.shard, parents))
            below = one.position.created < time and not later
        if below:
            taken.expired = _place(one.shard, one.position.sequence)
            yield one.fields


def _place(shard: str, sequence: int) -> str:
    """Return the end of an expired item's key, which has the place of the key in the list of all."""
    return f"{shard}/{encode_sequence(sequence)}"
