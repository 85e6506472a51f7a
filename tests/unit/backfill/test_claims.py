"""What a page of the stream proves, and which records a claim says are absent."""

import pytest

from tailrace.backfill.boundaries import Boundary, Position
from tailrace.backfill.claims import Beyond, can_be_read, claimed, is_contradicted, look_beyond, relevant_since
from tailrace.backfill.generations import (
    Generation,
    State,
    claim,
    contradict,
    created,
    from_row,
    raise_floor,
    to_row,
)

T, AFTER, HOUR = 500, 1000, 3600
OLD, SEEN, YOUNG = Position(1, T - 1), Position(2, AFTER - 1), Position(3, AFTER)


@pytest.mark.parametrize(
    ("records", "is_end", "expected"),
    [
        ([], False, Beyond.UNKNOWN),  # an empty page proves nothing
        ([], True, Beyond.NOTHING),
        ([YOUNG], False, Beyond.NOTHING),
        ([SEEN], False, Beyond.UNREAD),
        ([SEEN], True, Beyond.UNREAD),
        ([SEEN, YOUNG], False, Beyond.UNREAD),
        ([OLD], False, Beyond.UNKNOWN),
        ([OLD], True, Beyond.NOTHING),
        ([OLD, SEEN], True, Beyond.UNREAD),
        ([OLD, YOUNG], False, Beyond.NOTHING),
        ([Position(2, T)], False, Beyond.UNREAD),  # the first second that counts
    ],
)
def test_only_a_younger_record_or_the_end_of_a_shard_proves_that_nothing_is_left(
    records: list[Position], is_end: bool, expected: Beyond
) -> None:
    assert look_beyond(records, is_end=is_end, since=T, after=AFTER) is expected


def test_records_below_every_frontier_and_floor_are_of_no_interest() -> None:
    built = Generation("a", 1, State.LIVE, "f", frontier=Boundary("1", T))
    repaired = Generation("b", 1, State.LIVE, "f", frontier=Boundary("1", T), floor=Boundary("2", AFTER))
    assert relevant_since([built, repaired]) == T
    assert relevant_since([repaired]) == AFTER
    assert relevant_since([repaired, created("c", 1, "f")]) == 0


def test_a_claim_is_about_records_between_the_boundary_and_its_second() -> None:
    boundary = Boundary("1", T, covered=AFTER)
    assert claimed(boundary, [OLD, SEEN, YOUNG], AFTER) == [SEEN]
    assert claimed(Boundary("1", T), [OLD, SEEN, YOUNG], AFTER) == []
    assert claimed(boundary, [SEEN], AFTER + 24 * HOUR) == []  # not added anyway


def test_what_was_dealt_with_contradicts_no_claim_and_an_unknown_shard_had_nothing_dealt_with() -> None:
    assert not is_contradicted("s", [SEEN], {"s": SEEN.sequence})
    assert is_contradicted("s", [SEEN], {"s": SEEN.sequence - 1})
    assert is_contradicted("s", [SEEN], {"other": 99})
    assert not is_contradicted("s", [], {})


def test_the_stream_must_still_hold_what_was_written_since_the_boundary() -> None:
    assert can_be_read(Boundary("1", T), T + 22 * HOUR)
    assert not can_be_read(Boundary("1", T), T + 23 * HOUR)


def test_a_contradicted_build_is_interrupted_and_a_live_generation_is_not_exact() -> None:
    building = claim(Generation("a", 1, State.BUILDING, "f", 1, Boundary("1", T, confirmed=True)), AFTER)
    assert building.frontier == Boundary("1", T, confirmed=True, covered=AFTER)
    assert from_row(to_row(building)) == building
    found = contradict(building, "why")
    assert (found.state, found.reason, found.frontier) == (State.INTERRUPTED, "why", Boundary("1", T, confirmed=True))

    verified = claim(Generation("a", 1, State.LIVE, "f", baseline=Boundary("2", T), verified=True), AFTER)
    repaired = raise_floor(verified)
    assert repaired.floor == Boundary("2", T, covered=AFTER)
    found = contradict(repaired, "why")
    assert (found.state, found.exact, found.reason) == (State.LIVE, False, "why")
    assert (found.baseline, found.floor) == (None, Boundary("2", T))
    assert contradict(found, "why") == found
