"""The journal: what the aggregate stage is about to add, written before it adds it.

While a job runs, each invocation writes one object: for every change at or above the job's boundary, the item's old
image and what the change does to each row. An object is a pure function of the records, so a redelivery writes the same
entries again, perhaps divided differently; readers take the union. Whatever a row has absorbed is in the journal.

Changes that do nothing to any row are entered, too: their old image may be the first above the boundary.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct, field

from tailrace.aggregation.contributions import Deltas
from tailrace.aggregation.marks import encode_sequence
from tailrace.aggregation.row_changes import RowChange
from tailrace.backfill.generations import Generation, GenerationId
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import RowKey
from tailrace.encoding.tagged_json import dumps, loads_own

type ChangeId = tuple[str, int]
"""A change: its shard and its sequence number."""


class Writer(NamedTuple):
    """On whose behalf an object was written: a generation, the job's boundary, and the meaning that it was fed with."""

    aggregate: str
    version: int
    boundary: str
    fingerprint: str


class JournaledChange(NamedTuple):
    """One change: its sequence number, the item's key, and the item before it as it was in the stream."""

    sequence: int
    item: str
    old: Item | None


class JournaledStep(NamedTuple):
    """What one change adds to the counters of one row."""

    key: RowKey
    sequence: int
    deltas: Deltas


class JournalObject(Struct, frozen=True):
    """What one invocation writes; ``mark`` is the attribute in which the rows keep how far they are in this shard."""

    shard: str
    mark: str
    writers: tuple[Writer, ...]
    changes: tuple[JournaledChange, ...]
    steps: Mapping[GenerationId, tuple[JournaledStep, ...]]

    @property
    def name(self) -> str:
        """The last part of the object's name: equal for equal content."""
        digest = hashlib.sha256(encode(self)).hexdigest()[:16]
        return f"{encode_sequence(self.changes[0].sequence)}-{len(self.changes)}-{digest}"


def journal_object(
    shard: str,
    mark: str,
    changes: Iterable[JournaledChange],
    rows: Mapping[GenerationId, Iterable[RowChange]],
    jobs: Mapping[GenerationId, tuple[Generation, int | None]],
) -> JournalObject | None:
    """Return what an invocation has to journal; None where nothing is above the boundary of any job.

    Args:
        shard: the batch's shard.
        mark: its lineage's mark.
        changes: all changes of the batch, in their order.
        rows: what each generation's rows are about to absorb.
        jobs: the generations with a job, each with its boundary's first number in the shard, None where the batch is
            below.
    """
    firsts = {name: first for name, (_, first) in jobs.items() if first is not None}
    entered = tuple(
        change for change in changes if change.sequence >= min(firsts.values(), default=change.sequence + 1)
    )
    if not entered:
        return None
    writers = []
    for name in firsts:
        generation = jobs[name][0]
        if generation.journal is not None:
            writers.append(Writer(*name, generation.journal.id, generation.fingerprint))
    steps = {name: tuple(_steps(rows.get(name, ()), first)) for name, first in firsts.items()}
    return JournalObject(shard, mark, tuple(writers), entered, steps)


def _steps(rows: Iterable[RowChange], first: int) -> Iterable[JournaledStep]:
    for row in rows:
        for one in (row, *row.value_changes.values()):
            yield from (JournaledStep(one.key, sequence, deltas) for sequence, deltas in one.steps if sequence >= first)


def encode(written: JournalObject) -> bytes:
    """Write an object; the inverse of :func:`decode`."""
    steps = [[*name, [[*step.key, step.sequence, step.deltas] for step in of]] for name, of in written.steps.items()]
    body = {
        "shard": written.shard,
        "mark": written.mark,
        "writers": written.writers,
        "changes": written.changes,
        "steps": steps,
    }
    return dumps(body).encode()


def decode(text: bytes) -> JournalObject:
    """Read an object.

    Raises:
        InvalidMessage: it is not one.
    """
    body = loads_own(text)
    steps = {
        (name, version): tuple(JournaledStep((pk, sk), number, tuple(deltas)) for pk, sk, number, deltas in of)
        for name, version, of in body["steps"]
    }
    changes = tuple(JournaledChange(*change) for change in body["changes"])
    return JournalObject(body["shard"], body["mark"], tuple(Writer(*one) for one in body["writers"]), changes, steps)


class Journal(Struct):
    """The union of a job's objects.

    Attributes:
        old_images: by item and change, the item before the change.
        steps: by row and change, what the change adds.
        marks: by shard, the attribute of its lineage's mark.
        foreign: some invocation wrote for this boundary with another meaning; the job cannot continue.
    """

    old_images: dict[str, dict[ChangeId, Item | None]] = field(default_factory=dict)
    steps: dict[RowKey, dict[ChangeId, Deltas]] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    foreign: bool = False


def read_journal(objects: Iterable[JournalObject], generation: Generation, firsts: Mapping[str, int]) -> Journal:
    """Unite the objects that were written for a generation's job.

    ``firsts`` holds the boundary's first number in each shard: what is below was entered for another job.
    """
    journal = Journal()
    boundary = generation.journal
    for written in objects:
        of = [one for one in written.writers if one[:2] == generation.id and boundary and one.boundary == boundary.id]
        if not of or written.shard not in firsts:
            continue
        journal.foreign |= any(one.fingerprint != generation.fingerprint for one in of)
        journal.marks[written.shard] = written.mark
        first = firsts[written.shard]
        for change in written.changes:
            if change.sequence >= first:
                images = journal.old_images.setdefault(change.item, {})
                images[written.shard, change.sequence] = change.old
        for step in written.steps.get(generation.id, ()):
            journal.steps.setdefault(step.key, {})[written.shard, step.sequence] = step.deltas
    return journal
