"""Judges the rows that were read: each is compared at its own marks, and repaired if that is asked for."""

from collections.abc import Iterable, Iterator, Sequence

from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.jobs.context import JobContext, label
from tailrace.aws.jobs.findings import Finding
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.rows import RowSpace, by_key
from tailrace.aws.jobs.steps.building import base_of
from tailrace.aws.jobs.steps.gathering import journal_of
from tailrace.aws.jobs.steps.reading import ReadRow, parse_read_row
from tailrace.aws.jobs.steps.repairing import Repairer
from tailrace.backfill.comparison import (
    Difference,
    difference,
    expected_counters,
    merge_lanes,
    stays,
)
from tailrace.backfill.journal import Journal
from tailrace.encoding.keys import RowKey
from tailrace.encoding.tagged_json import dumps


def judge(context: JobContext, job: Job, partition: int) -> None:
    """Compare a partition's rows, repair those that differ, and write the report's lines and counts."""
    counts = {"rows": 0, "different": 0, "repaired": 0, "left": 0, "not_judged": 0, "inexact": 0, "unknown": 0}
    left: dict[str, dict[str, int]] = {}
    lines: list[bytes] = []
    for generation in context.check(job):
        space = RowSpace(generation, context.aggregate(generation.id))
        read = map(parse_read_row, context.folder(job).lines(f"rows/{space.prefix}/{partition:06}"))
        rows = _rows_that_stay(context, space, read)
        if label(generation.id) in job.data.get("unknown", ()):
            counts["unknown"] += len(rows)
            continue
        base = dict(by_key(base_of(context, job, generation, partition)))
        journal = journal_of(context, job, "steps-again", partition, generation)
        found = list(_compare(space, rows, base, journal))
        if job.repairs:
            found = list(Repairer(context, job, space, base).repair(found))
        counts["rows"] += len(rows)
        counts["different"] += sum(one.kind == "different" for one in found)
        counts["inexact"] += sum(one.kind == "inexact" for one in found)
        counts["not_judged"] += sum(one.kind == "not judged" for one in found)
        counts["repaired"] += sum(one.repaired for one in found if one.kind != "not judged")
        counts["left"] += sum(not one.repaired for one in found if one.kind != "not judged")
        unrepaired = [one.kind for one in found if not one.repaired]
        unjudged = unrepaired.count("not judged")
        repaired = sum(one.repaired and one.kind != "not judged" for one in found)
        left[label(generation.id)] = {
            "wrong": len(unrepaired) - unjudged,
            "not_judged": unjudged,
            "repaired": repaired,
        }
        lines += [one.line(generation) for one in found]
    context.folder(job).write(f"report/{partition:06}", lines)
    context.folder(job).write(f"counts/{partition:06}", [dumps({**counts, "generations": left}).encode()])


def _rows_that_stay(context: JobContext, space: RowSpace, rows: Iterable[ReadRow]) -> list[ReadRow]:
    """Return the rows that ``keep`` does not end.

    The base still counts the items of the others. TTL may have removed such a row, so the row itself cannot say when
    it ends.
    """
    now, timing = context.now, context.timing
    return [one for one in rows if stays(space.expires_at(one.key), now, timing.timeout_s, timing.margin_s)]


def _compare(
    space: RowSpace, rows: Sequence[ReadRow], base: dict[RowKey, RowChange], journal: Journal
) -> Iterator[Finding]:
    lanes: dict[RowKey, list[ReadRow]] = {}
    for row in rows:
        lanes.setdefault(_logical(space, row.key), []).append(row)
    present = {one.key for one in rows if one.row.counters is not None}
    undecidable = {_logical(space, key) for key in journal.steps.keys() - present}
    for key, together in lanes.items():
        first = together[0]
        stored = merge_lanes([one.row for one in together]) if len(together) > 1 else first.row
        steps = {change: deltas for one in together for change, deltas in journal.steps.get(one.key, {}).items()}
        known = [base[one.key].deltas() for one in together if one.key in base]
        width = len(space.layout(first.key).counters)
        expected = expected_counters(known[0] if known else None, steps, stored, journal.marks, width)
        deltas = difference(expected, stored)
        order = first.order is not None and dict(first.order) != dict(first.row.order)
        found = Difference(first.key, deltas or (0,) * width, first.row, first.read_at, order=order)
        if any(one.inexact for one in together):
            yield Finding("inexact", found, expected, first.order, key in undecidable)
        elif deltas is not None or order:
            yield Finding("different", found, expected, first.order, key in undecidable)
        elif not first.judged:
            yield Finding("not judged", found, expected)


def _logical(space: RowSpace, key: RowKey) -> RowKey:
    return space.main_key(key) if space.is_main(key) else key
