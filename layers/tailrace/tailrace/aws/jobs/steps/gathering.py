"""Gathers what a job needs to know: the journal, sorted into partitions, and the base that follows from it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched, chain, islice

from msgspec.structs import replace

from tailrace.aggregation.evaluator import Evaluator
from tailrace.aggregation.row_changes import Poison
from tailrace.aws.backfill.left_out import count_left_out
from tailrace.aws.jobs.context import (
    JobContext,
    JobEnded,
    Lines,
    boundary_id,
    is_sampled,
    label,
    partition_of,
    spread,
)
from tailrace.aws.jobs.expired_items import Taken, expired_below
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.next_step import Again, Next, Now
from tailrace.aws.jobs.remainder import Remainder
from tailrace.aws.jobs.rows import RowSpace, encode_row
from tailrace.aws.jobs.slices import Slice, place_of, placed
from tailrace.aws.jobs.steps.base_pages import BasePages
from tailrace.aws.jobs.steps.snapshot import snapshot_lines
from tailrace.aws.runtime.telemetry import logger
from tailrace.backfill import job_phases
from tailrace.backfill.admission import rows_above
from tailrace.backfill.base import base_rows, image_at_boundary
from tailrace.backfill.generations import Generation
from tailrace.backfill.journal import Journal, JournalObject, decode, encode, read_journal
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import RowKey
from tailrace.inputs.item_changes import stored_fields

_KEYS_PER_PART = 200
_ITEMS_PER_FOLD = 20_000
_STEPS_PER_FOLD = 500_000  # of their rows, value rows included: items of long lists have many
_FOLD_S = 20
_MAX_BYTES = 64_000_000  # held in memory before it is written


def list_journal(context: JobContext, job: Job) -> Next:
    """Divide the list of the journal's objects into parts; once more after the rows were read.

    A repetition may find more objects, and divide the list differently. So each has names of its own for its parts, and
    the job's item holds those that count, each with the number of its first part. What does not fit into an invocation
    is listed by the next one.
    """
    again = job.step == "relist"
    step, run = ("journal again", "again") if again else ("journal", "once")
    phase = job_phases.READING_JOURNAL_AGAIN if again else job_phases.READING_JOURNAL
    through = job.data.get("listed_through", "")
    before, number = (job.data["listed"], job.data["chunks"]) if through else ([], 0)
    run = f"{run}-{context.new_name()}"
    job = job.remember(listed=[*before, [number, run]])
    for chunk in batched(context.journal.keys(boundary_id(job), through), _KEYS_PER_PART, strict=False):
        context.folder(job).write(f"chunks/{run}/{number:06}", [json.dumps(chunk).encode()])
        number += 1
        if not context.has_time():
            return Again(job.remember(chunks=number, listed_through=chunk[-1]), 1)
    return Now(job.remember(chunks=number, listed_through="").go_to(step, phase, number))


def read_chunk(context: JobContext, job: Job, number: int) -> None:
    """Sort the entries of some journal objects into partitions of items and of rows.

    A part that runs twice may divide its objects differently, so the name of a file says which of them it holds.

    Raises:
        JobEnded: an entry was written with another meaning.
        OutOfTime: the next invocation continues.
    """
    again = "again" if job.step == "journal again" else "once"
    folder = context.folder(job)
    _, run = max(one for one in job.data["listed"] if one[0] <= number)
    (line,) = folder.lines(f"chunks/{run}/{number:06}")
    keys = json.loads(line)
    spaces = {one.id: RowSpace(one, context.aggregate(one.id)) for one in context.generations(job)}
    remainder = Remainder(folder, job.step, number)
    start = remainder.read().get("done", 0)
    files: dict[str, Lines] = {}
    size = 0
    for done, key in enumerate(keys[start:], start + 1):
        written = context.journal.read(key)
        _check_writers(written, job, spaces)
        for name, partition, part in _sorted(written, job, spaces, again):
            line = encode(part)
            files.setdefault(name, {}).setdefault(partition, []).append(line)
            size += len(line)
        is_late = done < len(keys) and not context.has_time()
        if size > _MAX_BYTES or is_late or done == len(keys):
            for name, lines in files.items():
                for partition, some in spread(lines):
                    folder.write(f"{name}/{partition:06}/{number:06}-{start:03}-{done:03}", some)
            start, files, size = done, {}, 0
        if is_late:
            raise remainder.store(done=done)
    remainder.end()


def _sorted(
    written: JournalObject, job: Job, spaces: Mapping[tuple[str, int], RowSpace], again: str
) -> Iterator[tuple[str, int, JournalObject]]:
    """Yield the parts of a journal object, each with its folder and partition."""
    if again == "once":
        yield from (("changes", *one) for one in _by_item(written, job.data["partitions"]))
    yield from ((f"steps-{again}", *one) for one in _by_row(written, job, spaces))


def _check_writers(written: JournalObject, job: Job, spaces: Mapping[tuple[str, int], RowSpace]) -> None:
    for writer in written.writers:
        space = spaces.get((writer.aggregate, writer.version))
        if space is None or writer.boundary != boundary_id(job):
            continue
        if writer.fingerprint != space.generation.fingerprint:
            raise JobEnded(f"code with another meaning has fed {label(space.generation.id)}")


def _by_item(written: JournalObject, partitions: int) -> Iterator[tuple[int, JournalObject]]:
    found: dict[int, list] = {}  # type: ignore[type-arg]
    for change in written.changes:
        found.setdefault(partition_of(change.item, partitions), []).append(change)
    for partition, changes in found.items():
        yield partition, replace(written, changes=tuple(changes), steps={})


def _by_row(
    written: JournalObject, job: Job, spaces: Mapping[tuple[str, int], RowSpace]
) -> Iterator[tuple[int, JournalObject]]:
    found: dict[int, dict] = {}  # type: ignore[type-arg]
    for name, steps in written.steps.items():
        space = spaces.get(name)
        for step in steps if space is not None else ():
            main = space.main_key(step.key)  # type: ignore[union-attr]
            if is_sampled(main, job.sample):
                partition = row_partition(main, job)
                found.setdefault(partition, {}).setdefault(name, []).append(step)
    for partition, by_name in found.items():
        yield partition, replace(written, changes=(), steps={name: tuple(steps) for name, steps in by_name.items()})


def row_partition(main: RowKey, job: Job) -> int:
    """Return the partition of a main row and everything that belongs to it."""
    return partition_of(f"{main[0]}\n{main[1]}", job.data["partitions"])


def journal_of(  # noqa: PLR0913, PLR0917 - what is read, and of it the slice
    context: JobContext,
    job: Job,
    folder: str,
    partition: int,
    generation: Generation,
    where: Slice | None = None,
) -> Journal:
    """Return the union of a partition's journal entries for a generation, or of the steps in a slice."""
    read = _entries(context, job, folder, partition)
    if where is not None:
        read = (_in_slice(one, RowSpace(generation, context.aggregate(generation.id)), where) for one in read)
    return read_journal(read, generation, _firsts(job))


def journaled_keys(context: JobContext, job: Job, partition: int, generation: Generation) -> Iterator[RowKey]:
    """Yield the keys of the rows that the journal of a partition changes, some of them several times."""
    for one in _entries(context, job, "steps-once", partition):
        yield from read_journal([one], generation, _firsts(job)).steps


def _entries(context: JobContext, job: Job, folder: str, partition: int) -> Iterator[JournalObject]:
    return map(decode, context.folder(job).all_lines(f"{folder}/{partition:06}"))


def _firsts(job: Job) -> dict[str, int]:
    return {name: int(number) for name, number in job.data["firsts"].items()}


def _in_slice(written: JournalObject, space: RowSpace, where: Slice) -> JournalObject:
    name = space.generation.id
    steps = (step for step in written.steps.get(name, ()) if where.holds(place_of(space.main_key(step.key))))
    return replace(written, steps={name: tuple(steps)})


def compute_base(context: JobContext, job: Job, partition: int) -> None:
    """Compute what a partition's items were worth at the boundary, and write it to the partitions of the rows.

    Only the journaled images are held in memory; the snapshot's pass through.

    Raises:
        OutOfTime: the next invocation continues.
    """
    generations = context.check(job)
    journal = journal_of(context, job, "changes", partition, generations[0])
    spaces = [RowSpace(one, context.aggregate(one.id)) for one in generations]
    remainder = Remainder(context.folder(job), job.step, partition)
    before = remainder.read()
    names = [*before.get("pages", ())]
    pages = BasePages(context.folder(job), f"{partition:06}-{context.new_name()}", names)
    collections = list(dict.fromkeys(space.aggregate.of for space in spaces))
    for number, collection in enumerate(collections):
        if number < before.get("collection", 0):
            continue
        of = [one for one in spaces if one.aggregate.of is collection]
        taken = Taken()
        if number == before.get("collection"):
            taken = Taken(before["items"], before["expired"])
        images = _images(context, job, of[0], journal, partition, taken)
        for folded in _write_base(context, job, of, images, pages):
            taken.items += folded
            if not context.has_time():
                pages.flush()
                raise remainder.store(pages=pages.names, collection=number, items=taken.items, expired=taken.expired)
    pages.flush()
    pages.end(partition)
    remainder.end()


def _write_base(
    context: JobContext, job: Job, spaces: Sequence[RowSpace], images: Iterator[Item], pages: BasePages
) -> Iterator[int]:
    """Write the base of generations of one collection, whose items are read and prepared once for all of them.

    Yields how many items each fold has added to the pages: a single fold of all may have gigabytes of rows.
    """
    by_aggregate = {space.aggregate: space for space in spaces}
    evaluator = Evaluator(spaces[0].aggregate.of, list(by_aggregate))
    for first in images:
        few = _few(chain([first], images), context)
        result = base_rows(few, evaluator, most=_STEPS_PER_FOLD)
        if job.kind == "build":  # a verification finds the same items again, each time
            _tell_uncounted(result.poison)
        for plain in (*result.rows, *result.group_list_changes):
            space = by_aggregate[plain.layout.aggregate]
            (row,) = rows_above([plain], space.generation, lambda _sequence: True)
            main = space.main_key(row.key)
            if is_sampled(main, job.sample):
                pages.add(space.generation.id, row_partition(main, job), placed(main, encode_row(row)))
        if pages.size > _MAX_BYTES:
            pages.flush()
        yield result.records


def _few(images: Iterator[Item], context: JobContext) -> Iterator[Item]:
    """Yield the first items, as many as are folded at once; the others remain."""
    began = context.now
    for _ in range(_ITEMS_PER_FOLD):
        image = next(images, None)
        if image is None:
            return
        yield image
        if context.now > began + _FOLD_S:
            return


def _tell_uncounted(poison: Sequence[Poison]) -> None:
    """Say that a build leaves out items: nothing else does, because they were valid when the stream had them."""
    for aggregate, items in Counter(one.aggregate for one in poison).items():
        logger().warning("items not counted", extra={"aggregate": aggregate, "items": items})
    count_left_out(items=len(poison))


def _images(  # noqa: PLR0913, PLR0917 - of what, and what was taken of it
    context: JobContext, job: Job, space: RowSpace, journal: Journal, partition: int, taken: Taken
) -> Iterator[Item]:
    """Yield a collection's items in a partition as they were at the boundary, then those that have expired."""
    if not taken.expired:
        yield from islice(_images_in_table(context, job, space, journal, partition), taken.items, None)
    yield from expired_below(context, job, space, partition, taken)


def _images_in_table(
    context: JobContext, job: Job, space: RowSpace, journal: Journal, partition: int
) -> Iterator[Item]:
    throughs = {name: int(number) for name, number in job.data["throughs"].items()}
    prefix = f"{space.aggregate.of.name}#"
    changed = {key for key in journal.old_images if key.startswith(prefix)}
    for line in snapshot_lines(context, job, partition):
        key, image = json.loads(line)
        if not key.startswith(prefix):
            continue
        changed.discard(key)
        images = journal.old_images.get(key, {})
        found = image_at_boundary(images, stored_fields(image, context.pipeline), throughs, job.data["parents"])
        if found is not None:
            yield found
    for key in sorted(changed):
        found = image_at_boundary(journal.old_images[key], None, throughs, job.data["parents"])
        if found is not None:
            yield found
