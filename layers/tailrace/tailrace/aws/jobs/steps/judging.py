"""Judges the rows that were read: each is compared at its own marks, and repaired if that is asked for."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice

from msgspec import Struct

from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.jobs.context import JobContext, label
from tailrace.aws.jobs.findings import Finding
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.remainder import OutOfTime, Remainder
from tailrace.aws.jobs.rows import RowSpace, by_key
from tailrace.aws.jobs.slices import LAST, Slice, place_of, together
from tailrace.aws.jobs.steps.building import base_of
from tailrace.aws.jobs.steps.gathering import journal_of
from tailrace.aws.jobs.steps.reading import ReadRow, ReadSlice, parse_read_row, read_slices, rows_path
from tailrace.aws.jobs.steps.repairing import Repairer
from tailrace.backfill.comparison import (
    Difference,
    difference,
    expected_counters,
    merge_lanes,
    stays,
)
from tailrace.backfill.generations import Generation
from tailrace.backfill.journal import Journal
from tailrace.encoding.keys import RowKey
from tailrace.encoding.tagged_json import dumps

_ROWS_AT_ONCE = 5_000  # between two checks of the time: each of them may be written

_COUNTED = ("rows", "different", "repaired", "left", "not_judged", "inexact", "unknown")

type _Counts = dict[str, int]


class Verdict(Struct):
    """The findings in a partition, counted in all and by generation."""

    counts: _Counts
    generations: dict[str, _Counts]

    def add(self, name: str, rows: int, found: Sequence[Finding]) -> None:
        """Add the findings in some rows of a generation."""
        kinds = Counter(one.kind for one in found)
        judged = [one for one in found if one.kind != "not judged"]
        repaired = sum(one.repaired for one in judged)
        wrong = len(judged) - repaired
        unjudged = sum(one.kind == "not judged" and not one.repaired for one in found)
        added = {
            "rows": rows,
            "different": kinds["different"],
            "repaired": repaired,
            "left": wrong,
            "not_judged": kinds["not judged"],
            "inexact": kinds["inexact"],
        }
        of = self.generations.setdefault(name, {})
        for counts, more in (
            (self.counts, added),
            (of, {"wrong": wrong, "not_judged": unjudged, "repaired": repaired}),
        ):
            for key, number in more.items():
                counts[key] = counts.get(key, 0) + number

    def store(self, remainder: Remainder, work: int, group: int) -> OutOfTime:
        """Store it with the place where the next invocation continues, and return what ends this one."""
        return remainder.store(done=[work, group], counts=self.counts, generations=self.generations)


def judge(context: JobContext, job: Job, partition: int) -> None:
    """Compare a partition's rows, repair those that differ, and write the report's lines and counts.

    Raises:
        OutOfTime: the next invocation continues.
    """
    folder = context.folder(job)
    remainder = Remainder(folder, job.step, partition)
    before = remainder.read()
    generations, unknown = context.check(job), job.data.get("unknown", ())
    verdict = Verdict(before.get("counts", dict.fromkeys(_COUNTED, 0)), before.get("generations", {}))
    for generation in generations:
        if label(generation.id) not in unknown:
            verdict.add(label(generation.id), 0, ())
    slices = read_slices(context, job, partition)
    works = [(one, of) for one in slices for of in generations]
    done, first = before.get("done", (0, 0))
    reported = set(folder.keys(f"report/{partition:06}"))  # by a run that has died: a row's bucket may have ended since
    for work, (one, generation) in enumerate(works[done:], done):
        if label(generation.id) in unknown:
            verdict.counts["unknown"] += _number_of_rows(context, job, partition, one, generation)
            if not context.has_time():
                raise verdict.store(remainder, work + 1, 0)
            continue
        for group, (rows, found) in enumerate(_judged(context, job, partition, one, generation, first), first):
            verdict.add(label(generation.id), rows, found)
            lines = [finding.line(generation) for finding in found]
            path = f"report/{partition:06}/{work:06}-{group:06}"
            if lines or f"{folder.root}/{path}" in reported:
                folder.write(path, lines)
            if not context.has_time():
                raise verdict.store(remainder, work, group + 1)
        first = 0
    counts = dumps({**verdict.counts, "generations": verdict.generations})
    folder.write(f"counts/{partition:06}", [counts.encode()])
    remainder.end()


def _number_of_rows(context: JobContext, job: Job, partition: int, read: ReadSlice, generation: Generation) -> int:
    """Return how many rows of a generation there are that cannot be judged as a whole."""
    space = RowSpace(generation, context.aggregate(generation.id))
    lines = context.folder(job).lines(rows_path(generation.id, partition, read))
    return sum(len(_rows_that_stay(context, space, [parse_read_row(line)])) for line in lines)


def _judged(  # noqa: PLR0913, PLR0917 - which rows, and from where on
    context: JobContext, job: Job, partition: int, read: ReadSlice, generation: Generation, first: int
) -> Iterator[tuple[int, list[Finding]]]:
    """Yield the number of rows in each chunk, and the findings in them; those before ``first`` are already judged."""
    space = RowSpace(generation, context.aggregate(generation.id))
    where = Slice(read.start.encode(), read.end.encode())
    lines = context.folder(job).lines(rows_path(generation.id, partition, read))
    rows = sorted(((place_of(space.main_key(one.key)), one.key, one) for one in map(parse_read_row, lines)), key=_order)
    base = dict(by_key(base_of(context, job, generation, partition, where)))
    journal = journal_of(context, job, "steps-again", partition, generation, where)
    present = {key for _, key, one in rows if one.row.counters is not None}
    undecidable = {_logical(space, key) for key in journal.steps.keys() - present}
    for few, _ in islice(together(rows, LAST, _ROWS_AT_ONCE), first, None):
        staying = _rows_that_stay(context, space, (one for _, _, one in few))
        found = list(_compare(space, staying, base, journal, undecidable))
        if job.repairs:
            found = list(Repairer(context, job, space, base).repair(found))
        yield len(staying), found


def _order(row: tuple[bytes, RowKey, ReadRow]) -> tuple[bytes, RowKey]:
    return row[:2]


def _rows_that_stay(context: JobContext, space: RowSpace, rows: Iterable[ReadRow]) -> list[ReadRow]:
    """Return the rows that ``keep`` does not end.

    The base still counts the items of the others. TTL may have removed such a row, so the row itself cannot say when
    it ends.
    """
    now, timing = context.now, context.timing
    return [one for one in rows if stays(space.expires_at(one.key), now, timing.timeout_s, timing.margin_s)]


def _compare(
    space: RowSpace,
    rows: Sequence[ReadRow],
    base: dict[RowKey, RowChange],
    journal: Journal,
    undecidable: AbstractSet[RowKey],
) -> Iterator[Finding]:
    lanes: dict[RowKey, list[ReadRow]] = {}
    for row in rows:
        lanes.setdefault(_logical(space, row.key), []).append(row)
    for key, of_row in lanes.items():
        first = of_row[0]
        stored = merge_lanes([one.row for one in of_row]) if len(of_row) > 1 else first.row
        steps = {change: deltas for one in of_row for change, deltas in journal.steps.get(one.key, {}).items()}
        known = [base[one.key].deltas() for one in of_row if one.key in base]
        width = len(space.layout(first.key).counters)
        expected = expected_counters(known[0] if known else None, steps, stored, journal.marks, width)
        deltas = difference(expected, stored)
        order = first.order is not None and dict(first.order) != dict(first.row.order)
        nothing = (0,) * width
        others = tuple(Difference(one.key, nothing, one.row, one.read_at) for one in of_row[1:] if one.row.inexact)
        found = Difference(first.key, deltas or nothing, first.row, first.read_at, order, others)
        if first.row.inexact or others:
            yield Finding("inexact", found, expected, first.order, key in undecidable)
        elif deltas is not None or order:
            yield Finding("different", found, expected, first.order, key in undecidable)
        elif not first.judged:
            yield Finding("not judged", found, expected)


def _logical(space: RowSpace, key: RowKey) -> RowKey:
    return space.main_key(key) if space.is_main(key) else key
