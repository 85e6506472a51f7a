"""A boundary is written before its time, and its number in a shard is the first record created at or after it."""

from tailrace.backfill.boundaries import (
    MARGIN_S,
    Boundary,
    Position,
    ancestors_of,
    choose_boundary,
    confirm,
    first_in_shard,
    is_past,
)

T = 1000
BOUNDARY = Boundary("b", T)
PARENTS = {"child": "empty", "empty": "parent", "parent": None, "other": None}


def test_a_boundary_counts_only_if_it_was_seen_in_time() -> None:
    boundary = choose_boundary("b", 0)
    confirmed = confirm(boundary, MARGIN_S - 1)
    assert confirmed is not None
    assert confirmed.confirmed
    assert confirm(boundary, MARGIN_S) is None
    assert confirm(confirmed, 10**9) == confirmed


def test_without_a_margin_a_boundary_is_still_confirmed_when_the_second_has_changed() -> None:
    boundary = choose_boundary("b", T, margin_s=0)
    assert confirm(boundary, T + 1, margin_s=0) is not None
    assert confirm(boundary, boundary.time, margin_s=0) is None


def test_a_time_is_past_when_it_is_past_by_every_clock() -> None:
    assert not is_past(T, T + MARGIN_S)
    assert is_past(T, T + MARGIN_S + 1)


def test_the_first_number_is_that_of_the_first_record_created_at_or_after_the_time() -> None:
    positions = [Position(10, T - 1), Position(20, T), Position(30, T - 1), Position(40, T + 1)]
    assert first_in_shard(BOUNDARY, "parent", positions, {}, PARENTS) == 20
    assert first_in_shard(BOUNDARY, "parent", positions[:1], {}, PARENTS) is None


def test_a_stored_number_stays() -> None:
    assert first_in_shard(BOUNDARY, "parent", [Position(5, T)], {"parent": 20}, PARENTS) == 20


def test_a_shard_with_any_ancestor_beyond_the_boundary_begins_at_its_own_beginning() -> None:
    assert first_in_shard(BOUNDARY, "child", [Position(50, T - 1)], {"parent": 20}, PARENTS) == 0
    assert first_in_shard(BOUNDARY, "other", [Position(50, T - 1)], {"parent": 20}, PARENTS) is None
    assert ancestors_of("child", PARENTS) == ["empty", "parent"]
