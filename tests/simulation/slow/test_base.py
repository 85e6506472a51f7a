"""The base of a build on a slow table: a killed part resumes where it stopped, and refused rows are retried."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import Struct, field

from tailrace import Aggregate, Collection, count
from tailrace import field as item_field
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.outcomes import Failed, Outcome, SumOverflow
from tailrace.aws.jobs.job import Job
from tailrace.aws.jobs.remainder import OutOfTime
from tailrace.aws.jobs.slices import Slice, place_of
from tailrace.aws.jobs.steps import building
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient
from tests.simulation.slow.services import Clock, Killed

ROWS = 1200
AGGREGATE = Aggregate(
    "shops", of=Collection("shops", schema={"type": "object"}), by=[item_field("shop")], measures={"n": count()}
)
BASE = {
    key: RowChange(AGGREGATE.layout, key, (), None) for key in ((f"shops@1#{number:04}", "-") for number in range(ROWS))
}
JOB = Job("build-1", "build", (("shops", 1),), "2026-01-01T00:00:00Z")


class Slow(Struct):
    """A job's context whose table takes some rows of each commit, at a limited rate."""

    a_second: float
    takes: int = ROWS
    clock: Clock = field(default_factory=Clock)
    written: set[RowKey] = field(default_factory=set)
    notes: dict[str, list[bytes]] = field(default_factory=dict)

    @property
    def now(self) -> int:
        return int(self.clock.now_ms / 1000)

    @property
    def committer(self) -> "Slow":
        return self

    @property
    def timing(self) -> Any:
        return SimpleNamespace(rows_at_once=ROWS)

    def has_time(self) -> bool:
        return True  # an invocation that is slower than expected is killed

    def aggregate(self, _name: Any) -> Aggregate:
        return AGGREGATE

    def check(self, _job: Job) -> list[Any]:
        return [SimpleNamespace(id=("shops", 1), aggregate="shops")]

    def folder(self, _job: Job) -> "Slow":
        return self

    def all_lines(self, prefix: str) -> Iterator[bytes]:
        return (line for path, lines in self.notes.items() if path.startswith(f"{prefix}/") for line in lines)

    def write(self, path: str, lines: list[bytes]) -> None:
        self.notes[path] = lines

    def commit(self, rows: list[RowChange], _lineage: Any, *, expire_empty: bool) -> list[Outcome]:
        assert not expire_empty
        left = [row for row in rows if row.key not in self.written]
        self.clock.sleep(len(rows) / self.a_second)  # a process that was killed does not know what it has written
        self.written |= {row.key for row in left[: self.takes]}
        return [Failed(1, row.key, Transient("busy")) for row in left[self.takes :]]


@pytest.fixture(autouse=True)
def one_base(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_place(_context: Any, _job: Any, _generation: Any, _partition: int, where: Slice, _most: int) -> Any:
        return {key: row for key, row in BASE.items() if place_of(key) >= where.start}

    monkeypatch.setattr(building, "base_of", from_place)
    monkeypatch.setattr(building, "RowSpace", lambda *_arguments: SimpleNamespace(main_key=lambda key: key))
    monkeypatch.setattr(building, "base_lineage", lambda _generation: None)


def test_a_part_that_takes_longer_than_an_invocation_goes_on_in_the_next_one() -> None:
    context: Any = Slow(a_second=1)
    for _ in range(3):
        context.clock.begin(900)
        try:
            building.commit_base(context, JOB, 0)
        except Killed:
            continue
        break
    assert context.written == BASE.keys()


def test_rows_that_a_busy_table_does_not_take_are_tried_again_while_it_takes_some() -> None:
    context: Any = Slow(a_second=1000, takes=40)
    context.clock.begin(900)
    building.commit_base(context, JOB, 0)
    assert context.written == BASE.keys()


def test_a_table_that_takes_nothing_is_told() -> None:
    context: Any = Slow(a_second=1000, takes=0)
    context.clock.begin(900)
    with pytest.raises(Transient, match="500 rows of the base could not be written: busy"):
        building.commit_base(context, JOB, 0)


class Refusing(Slow):
    """A table that cannot hold the sum of one row, and is busy with another one the first time."""

    commits: int = 0

    def commit(self, rows: list[RowChange], _lineage: Any, *, expire_empty: bool) -> list[Outcome]:
        assert not expire_empty
        self.commits += 1
        if self.commits > 1:
            return []  # the sum was left out, and its row has the mark
        return [SumOverflow(1, rows[0].key), Failed(1, rows[1].key, Transient("busy"))]


def test_a_sum_that_the_table_cannot_hold_is_told_also_if_other_rows_are_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[int] = []
    monkeypatch.setattr(building, "count_left_out", lambda *, sums: told.append(sums))
    context: Any = Refusing(a_second=1000)
    building.commit_base(context, JOB, 0)
    assert sum(told) == 1


class Counting(Slow):
    """A table that counts the rows of each commit, value rows included."""

    writes: list[int] = field(default_factory=list)

    def commit(self, rows: list[RowChange], _lineage: Any, *, expire_empty: bool) -> list[Outcome]:
        assert not expire_empty
        self.writes.append(sum(1 + len(row.value_changes) for row in rows))
        self.written |= {row.key for row in rows}
        return []


def test_rows_with_many_value_rows_are_committed_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a slice, in one commit, take longer than what an invocation reserves for its last piece of work."""
    values = {(f"~v#{number}", "-"): RowChange(AGGREGATE.layout, ("v", "-"), (), None) for number in range(600)}
    for number, row in enumerate(BASE.values()):
        monkeypatch.setattr(row, "value_changes", values if number % 2 else {})
    context: Any = Counting(a_second=1000)
    building.commit_base(context, JOB, 0)
    assert context.written == BASE.keys()
    assert max(context.writes) <= 5_000


def test_lanes_of_a_row_are_committed_together_so_that_each_invocation_comes_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(building, "RowSpace", lambda *_arguments: SimpleNamespace(main_key=lambda key: key[0][:11]))
    monkeypatch.setattr(building, "place_of", lambda main: f"{main[-3:]:0>16}".encode())
    monkeypatch.setattr(building, "base_of", lambda *arguments: _lanes(arguments[-2]))
    monkeypatch.setattr(building, "_ROWS_PER_COMMIT", 3)
    monkeypatch.setattr(Slow, "has_time", lambda _self: False)
    context: Any = Slow(a_second=1000)
    context.clock.begin(900)
    for _ in range(400):
        try:
            building.commit_base(context, JOB, 0)
        except OutOfTime:
            continue
        break
    assert context.written == BASE.keys()


def _lanes(where: Slice) -> Any:
    """Return the rows from a place on, ten at each place."""
    return {key: row for key, row in BASE.items() if f"{key[0][8:11]:0>16}".encode() >= where.start}
