"""The journal is a function of the records: however they are cut and however often they come, its union is the same."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tailrace.aggregation.fold import fold_records
from tailrace.backfill.boundaries import Boundary
from tailrace.backfill.generations import Generation, State, begin_verify, created
from tailrace.backfill.journal import JournaledChange, JournalObject, decode, encode, journal_object, read_journal
from tailrace.testing import history
from tests.simulation.job_model.definition import CODES

LIVE = begin_verify(created("shops", 1, "f"), Boundary("v", 100), "r", repairs=False)
WRITES: list[tuple[str, dict[str, Any] | None]] = [
    ("1", {"shop": "a", "amount": 5}),
    ("2", {"shop": "b"}),
    ("1", {"shop": "b", "amount": 5}),
    ("2", None),
]
RECORDS = history("orders", [*WRITES, ("1", None), *WRITES], first=10)
FIRST = 12


def written(start: int, end: int, generation: Generation = LIVE) -> list[JournalObject]:
    part = RECORDS[start:end]
    rows = [row for row in fold_records(part, CODES["first"].pipeline).rows if row.layout.aggregate.name == "shops"]
    changes = [
        JournaledChange(int(one["dynamodb"]["SequenceNumber"]), one["dynamodb"]["Keys"]["pk"]["S"], None)
        for one in part
    ]
    found = journal_object("s", "~s", changes, {LIVE.id: rows}, {LIVE.id: (generation, FIRST)})
    return [] if found is None else [found]


WHOLE = read_journal(written(0, len(RECORDS)), LIVE, {"s": FIRST})


@given(st.lists(st.tuples(st.integers(0, len(RECORDS)), st.integers(1, len(RECORDS))), max_size=5), st.integers(1, 4))
def test_the_union_does_not_depend_on_how_records_are_cut_or_repeated(again: list[tuple[int, int]], size: int) -> None:
    slices = [(start, start + size) for start in range(0, len(RECORDS), size)]
    slices += [(start, start + length) for start, length in again]
    objects = [one for start, end in slices for one in written(start, end)]
    assert read_journal(reversed(objects), LIVE, {"s": FIRST}) == WHOLE


def test_an_object_can_be_written_and_read() -> None:
    (whole,) = written(0, len(RECORDS))
    assert decode(encode(whole)) == whole
    assert whole.name == decode(encode(whole)).name
    assert whole.changes[0].sequence == FIRST


def test_nothing_is_written_below_the_boundary() -> None:
    assert written(0, 2) == []


def test_another_meaning_is_noticed_and_another_job_is_not_read() -> None:
    other = Generation("shops", 1, State.LIVE, "g", baseline=LIVE.baseline)
    assert read_journal(written(0, 9, other), LIVE, {"s": FIRST}).foreign
    earlier = Generation("shops", 1, State.LIVE, "f", baseline=Boundary("u", 50))
    assert not read_journal(written(0, 9, earlier), LIVE, {"s": FIRST}).steps
    assert not WHOLE.foreign


def test_what_a_job_needs_is_written_although_another_one_has_begun_later() -> None:
    later = begin_verify(created("pages", 1, "f"), Boundary("w", 200), "r", repairs=False)
    changes = [JournaledChange(number, "orders#1", None) for number in range(10, 20)]
    for jobs in ({LIVE.id: (LIVE, FIRST), later.id: (later, 15)}, {LIVE.id: (LIVE, FIRST), later.id: (later, None)}):
        found = journal_object("s", "~s", changes, {}, jobs)
        assert found is not None
        assert [change.sequence for change in found.changes] == list(range(FIRST, 20))
