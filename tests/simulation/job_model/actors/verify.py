"""A verification: every row of a live generation compared at its own marks, and repaired if that is asked for."""

from collections.abc import Iterable, Mapping
from copy import replace
from typing import TYPE_CHECKING, Any

from tailrace.backfill.boundaries import MARGIN_S, Boundary, choose_boundary
from tailrace.backfill.comparison import (
    PINNED_FOR_S,
    Difference,
    StoredRow,
    difference,
    expected_counters,
    is_comparable,
    is_in_time,
    merge_lanes,
)
from tailrace.backfill.coverage import END
from tailrace.backfill.generations import (
    Generation,
    State,
    WrongState,
    begin_verify,
    end_verify,
    raise_floor,
)
from tailrace.backfill.repair import in_order
from tailrace.encoding.keys import RowKey, value_rows_key
from tests.simulation.job_model.actors.build import owner
from tests.simulation.job_model.actors.job import Covered, Ended, Worker, cover, list_journal, no_holes
from tests.simulation.job_model.actors.state import TIMEOUT_S, Verdict
from tests.simulation.job_model.actors.table import Effects, Run

if TYPE_CHECKING:
    from tailrace.definition.aggregate import Aggregate

_TRIES = 4


def verify(worker: Worker, *, repairs: bool) -> Effects:
    """Verify a generation, or go on with its verification from the beginning, as a worker after another does."""
    shared = worker.shared
    try:
        report = yield from _verify(worker, repairs=repairs)
    except (Ended, WrongState) as error:
        shared.note(f"verification of {worker.id} ends: {error}")
        shared.verdicts.append(Verdict(worker.id, None))
        found = shared.generations.get(worker.id)
        if found is not None and found.state is State.LIVE and found.baseline is not None:
            yield "abandon"
            shared.swap(found, end_verify(found))
    else:
        shared.note(f"verification of {worker.id}: {[one.key for one in report] or 'all is well'}")


def _verify(worker: Worker, *, repairs: bool) -> Run[list[Difference]]:  # noqa: C901 - one job from end to end
    shared = worker.shared
    found = shared.generations.get(worker.id)
    if found is None or found.baseline is None:
        found = yield from _begin(worker, repairs=repairs)
    if found.baseline is None:
        raise Ended("no baseline")
    boundary = found.baseline
    found = yield from worker.confirm(boundary, shared.swap)
    if found.repairs and not shared.holds("the floor is raised after coverage"):
        shared.swap(found, raise_floor(found))
    covered = yield from cover(worker, boundary)
    if found.repairs and shared.holds("repair raises the floor"):
        yield from _raise_floor(worker, boundary)
    reading = Reading(worker, covered, boundary)
    reading_since = shared.now
    rows = yield from reading.rows()
    yield from worker.wait_until(worker.now + MARGIN_S)
    worker.check(boundary)
    no_holes(worker, boundary, covered.firsts)
    if shared.holds("the journal is listed after the rows were read"):
        covered.journal = yield from list_journal(worker, shared.firsts.get(boundary.id, {}))
    if not is_in_time(boundary.time, worker.now) and shared.holds("a verification has an end"):
        raise Ended("it took too long")
    if worker.aggregate.of.on_expiry == "keep" and not shared.expired_complete:
        raise Ended("expired items may be missing from what is expected")
    report = reading.compare(rows)
    suspicious = shared.suspects(worker.id)
    left = len(report)
    if found.repairs:
        left = yield from _repair(worker, boundary, report, covered)
    yield "end"
    before = worker.check(boundary)
    shared.verdicts.append(Verdict(worker.id, tuple(one.key for one in report), before.verified, suspicious))
    known = not left and not reading.unjudged and (before.verified or found.repairs or not report)
    if not shared.swap(before, end_verify(before, verified=known)):
        raise Ended("the control row has moved")
    if known:
        shared.clear(worker.id, reading_since, "spoiled", "given up")
    return report


def _begin(worker: Worker, *, repairs: bool) -> Run[Generation]:
    shared = worker.shared
    revision = yield from worker.revision_settles()
    before = shared.generations.get(worker.id)
    if before is None:
        raise Ended("there is no such generation")
    boundary = choose_boundary(f"v{worker.id[0]}{worker.id[1]}-{int(shared.now)}", worker.now)
    if not shared.holds("the boundary lies ahead by a margin"):
        boundary = Boundary(boundary.id, worker.now - MARGIN_S)
    yield "begin"
    after = begin_verify(before, boundary, revision, repairs=repairs)
    if not shared.swap(before, after):
        raise Ended("the control row has moved")
    return after


def _raise_floor(worker: Worker, boundary: Boundary) -> Effects:
    yield "floor"
    before = worker.check(boundary)
    if not worker.shared.swap(before, raise_floor(before)):
        raise Ended("the control row has moved")
    if worker.shared.holds("invocations from before the floor end first"):
        yield from worker.wait_until(worker.now + TIMEOUT_S + MARGIN_S)
    worker.check(boundary)


class Reading:
    """Reads a generation's rows and compares them."""

    def __init__(self, worker: Worker, covered: Covered, boundary: Boundary) -> None:
        self.worker = worker
        self.shared = worker.shared
        self.covered = covered
        self.boundary = boundary
        self.generation = worker.generation
        self.aggregate: Aggregate = worker.aggregate
        self.read_at: dict[RowKey, int] = {}
        self.orders: dict[RowKey, Mapping[str, Any]] = {}
        self.unjudged: set[RowKey] = set()

    def rows(self) -> Run[dict[RowKey, StoredRow]]:
        """Read all rows that there are, and those that should be there."""
        table = self.shared.table
        name = (*self.worker.id, self.generation.epoch)
        keys = {key for key in table.rows if owner(key[0]) == name}
        found: dict[RowKey, StoredRow] = {}
        for key in sorted(keys | self.covered.base.keys() | self.covered.journal.steps.keys()):
            yield "pin"
            row = table.rows.get(key)
            if row is not None and row.expires_at is not None and self.shared.holds("rows about to go are pinned"):
                row.expires_at = max(row.expires_at, self.shared.now + PINNED_FOR_S)
            yield "read"
            found[key] = table.read(key)
            self.read_at[key] = self.worker.now
            if self.aggregate.value_rows and not key[0].startswith("~"):
                order = yield from self._order(key)
                if order is not None:
                    found[key], self.orders[key] = order
        return found

    def _order(self, key: RowKey) -> Run[tuple[StoredRow, Mapping[str, Any]] | None]:
        """Read a main row together with what its value rows come to; None where they cannot be told to fit."""
        table = self.shared.table
        for _ in range(_TRIES):
            yield "main"
            main = table.read(key)
            yield "values"
            below = []
            for kind in self.aggregate.value_rows:
                below += [row.read() for row in table.values.get(value_rows_key(key, kind.name), {}).values()]
            state = table.order_of(key, self.aggregate)
            yield "main again"
            if table.read(key).version != main.version:
                continue
            ahead = not is_comparable(main, below, self._firsts(below))
            if not ahead or not self.shared.holds("value rows ahead of their main row are not compared"):
                return main, state
        self.unjudged.add(key)
        return None

    def _firsts(self, rows: Iterable[StoredRow]) -> dict[str, int]:
        """Return the boundary's lowest number by mark; beyond all for the mark of a lineage that ended below it."""
        firsts: dict[str, int] = {}
        for shard, first in self.shared.firsts.get(self.boundary.id, {}).items():
            mark = self.shared.stream.by_id(shard).lineage.mark
            firsts[mark] = min(first, firsts.get(mark, first))
        return {mark: END for row in rows for mark in row.marks} | firsts

    def compare(self, rows: dict[RowKey, StoredRow]) -> list[Difference]:
        """Return the rows that differ."""
        found: list[Difference] = []
        lanes: dict[RowKey, list[RowKey]] = {}
        for key in rows:
            lanes.setdefault(self._logical(key), []).append(key)
        journal, base = self.covered.journal, self.covered.base
        for keys in lanes.values():
            row = merge_lanes([rows[key] for key in keys]) if len(keys) > 1 else rows[keys[0]]
            steps = {change: deltas for key in keys for change, deltas in journal.steps.get(key, {}).items()}
            known = [base[key].deltas() for key in keys if key in base]
            width = self._width(keys[0])
            expected = expected_counters(known[0] if known else None, steps, row, journal.marks, width)
            if not self.shared.holds("a row is compared at its own marks"):
                everything = replace(row, marks=dict.fromkeys(journal.marks.values(), 1 << 160))
                expected = expected_counters(known[0] if known else None, steps, everything, journal.marks, width)
            deltas = difference(expected, row)
            order = keys[0] in self.orders and self.orders[keys[0]] != row.order
            if deltas is not None or order:
                first = keys[0]
                at = self.read_at[first]
                found.append(Difference(first, deltas or (0,) * width, rows[first], at, order=order))
        return found

    def _logical(self, key: RowKey) -> RowKey:
        if self.aggregate.lanes > 1 and not key[0].startswith("~"):
            return key[0], key[1].rpartition("#")[0]
        return key

    def _width(self, key: RowKey) -> int:
        return 1 if key[0].startswith("~") else len(self.aggregate.layout.counters)


def may_repair(difference: Difference, row: StoredRow, now: int) -> bool:
    """Tell whether a difference may be added to a row as it is now: the condition of the one write that adds it.

    The row's count of repairs must still be what was read, and rises with the write. A row that existed must still
    exist: one that was removed and made again lacks what the first one had. One that did not exist may have been made
    since, as long as nobody has repaired it.
    """
    existed = difference.row.counters is not None
    exists = row.counters is not None
    return is_in_time(difference.read_at, now) and row.repairs == difference.row.repairs and (exists or not existed)


def _repair(worker: Worker, boundary: Boundary, report: list[Difference], covered: Covered) -> Run[int]:
    """Add what is missing, and return how many rows could not be repaired."""
    shared = worker.shared
    table = shared.table
    left = 0
    rewritten: set[RowKey] = set()
    for one in in_order(report):
        yield "repair"
        worker.check(boundary)
        now = worker.now
        allowed = may_repair(one, table.read(one.key), now)
        if not shared.holds("a repair is made once"):
            allowed = True
        stored = table.rows.get(one.key)
        change = covered.base.get(one.key) if stored is None else stored.change
        if change is None or not allowed:
            left += 1
            continue
        row = table.row_for(change)
        row.counters = [a + b for a, b in zip(row.counters, one.deltas, strict=True)]
        row.repairs += 1
        row.expires_at = None
        table.let_go(one.key, shared.now)
        if one.key[0].startswith("~") and not one.key[0].startswith("~groups#"):
            rewritten.add(_main_key(one.key))
        if change.layout is change.layout.aggregate.layout and change.layout.aggregate.value_rows:
            rewritten.add(one.key)
    if shared.holds("a main row is written after its value rows were repaired"):
        for key in sorted(rewritten):
            yield from _rewrite_order(worker, key)
    return left


def _main_key(key: RowKey) -> RowKey:
    pk, _, sk = key[0].partition("#")[2].rpartition("#")
    return pk, sk


def _rewrite_order(worker: Worker, key: RowKey) -> Effects:
    """Write a main row's order attributes as its value rows have them, and nothing else."""
    table = worker.shared.table
    for _ in range(_TRIES):
        yield "version"
        version = table.read(key).version
        row = table.rows.get(key)
        if row is None:
            return
        yield "values"
        order = table.order_of(key, row.change.layout.aggregate)
        yield "order"
        if key in table.rows and table.read(key).version == version:
            table.rows[key].order, table.rows[key].version = order, version + 1
            return
