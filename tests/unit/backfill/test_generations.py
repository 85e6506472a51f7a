"""Control rows as plain data, and the transitions between them."""

import pytest

from tailrace.aggregation.fold import fold_records
from tailrace.backfill import generations
from tailrace.backfill.admission import MAX_RECORD_AGE_S, admit, epoch_key, is_too_old, lowest_to_add, rows_above
from tailrace.backfill.boundaries import Boundary
from tailrace.backfill.generations import Generation, State, WrongState
from tailrace.testing import record
from tests.simulation.job_model.definition import CODES

T = Boundary("b", 100, confirmed=True)
NEW = Generation("shops", 2, State.DECLARED, "f")
BUILDING = generations.begin_build(NEW, "f", T, "r1")
LIVE = generations.go_live(BUILDING)


def test_a_build_begins_a_new_epoch_and_ends_live() -> None:
    assert (BUILDING.state, BUILDING.epoch, BUILDING.journal) == (State.BUILDING, 1, T)
    assert (LIVE.state, LIVE.exact, LIVE.frontier, LIVE.journal) == (State.LIVE, True, T, None)
    again = generations.begin_build(generations.interrupt(LIVE, "why"), "g", T, "r2")
    assert (again.epoch, again.fingerprint, again.floor, again.reason) == (2, "g", None, "")


def test_a_live_generation_whose_meaning_has_changed_is_built_anew() -> None:
    verifying = generations.begin_verify(LIVE, Boundary("v", 200), "r1", repairs=True)
    again = generations.begin_build(verifying, "g", T, "r2")
    assert (again.state, again.epoch, again.fingerprint, again.journal) == (State.BUILDING, 2, "g", T)


def test_what_cannot_be_done_is_refused() -> None:
    unconfirmed = generations.begin_build(NEW, "f", Boundary("b", 100), "r1")
    verifying = generations.begin_verify(LIVE, T, "r1", repairs=False)
    with pytest.raises(WrongState):
        generations.begin_build(LIVE, "f", T, "r1")
    for unready in (unconfirmed, generations.interrupt(BUILDING, "why"), LIVE, NEW):
        with pytest.raises(WrongState):
            generations.go_live(unready)
    with pytest.raises(WrongState):
        generations.begin_verify(verifying, T, "r1", repairs=True)


def test_a_verification_journals_from_its_baseline_and_a_repair_keeps_it_as_the_floor() -> None:
    baseline = Boundary("v", 200)
    verifying = generations.raise_floor(generations.begin_verify(LIVE, baseline, "r1", repairs=True))
    ended = generations.end_verify(verifying, verified=True)
    assert verifying.journal == baseline
    assert (ended.floor, ended.frontier, ended.baseline, ended.journal) == (baseline, T, None, None)


@pytest.mark.parametrize(
    ("verified", "exact", "reason"),
    [(None, False, "changes are lost"), (True, True, ""), (False, False, "run `tailrace verify shops --repair`")],
)
def test_a_verdict_replaces_the_reason_for_a_doubt(verified: bool | None, exact: bool, reason: str) -> None:
    doubted = generations.begin_verify(generations.doubt(LIVE, "changes are lost"), T, "r1", repairs=False)
    ended = generations.end_verify(doubted, verified=verified)
    assert (ended.exact, ended.reason[-len(reason) :] if reason else ended.reason) == (exact, reason)


@pytest.mark.parametrize("generation", [NEW, BUILDING, LIVE, generations.interrupt(LIVE, "why")])
def test_a_control_row_is_plain_data(generation: Generation) -> None:
    assert generations.from_row(generations.to_row(generation)) == generation


def test_readers_are_shown_nothing_that_is_being_built() -> None:
    assert generations.shown(("shops", 2), {("shops", 2): BUILDING}) is None
    assert generations.shown(("shops", 2), {("shops", 2): LIVE}) == LIVE
    assert generations.shown(None, {}) is None


def test_another_meaning_and_a_missing_aggregate_interrupt() -> None:
    other = Generation("large", 1, State.LIVE, "x")
    retired = Generation("pages", 1, State.RETIRED, "x")
    admission = admit([LIVE, other, retired], {("shops", 2): "f", ("large", 1): "y"})
    assert admission.feeds == (LIVE,)
    assert admission.interrupts == (other,)
    assert admit([LIVE], {}).interrupts == (LIVE,)


def test_changes_are_added_above_frontier_and_floor() -> None:
    both = generations.end_verify(
        generations.raise_floor(generations.begin_verify(LIVE, Boundary("v", 200), "r", repairs=True))
    )
    assert lowest_to_add(Generation("a", 1, State.LIVE, "f"), {}) == 0
    assert lowest_to_add(both, {"b": 10, "v": 20}) == 20
    assert lowest_to_add(both, {"b": 10, "v": None}) is None


def test_records_from_before_the_marks_went_are_too_old() -> None:
    assert not is_too_old(0, MAX_RECORD_AGE_S)
    assert is_too_old(0, MAX_RECORD_AGE_S + 1)


def test_rows_of_an_epoch_have_keys_of_their_own() -> None:
    assert epoch_key("shops@2#a@2", LIVE) == "shops@2~1#a@2"
    assert epoch_key("~most#shops@2#a#-", LIVE) == "~most#shops@2~1#a#-"
    assert epoch_key("~groups#shops@2", LIVE) == "~groups#shops@2~1"
    assert epoch_key("shops@2#a", NEW) == "shops@2#a"


def test_only_steps_above_a_number_are_taken_of_a_fold() -> None:
    records = [record(number, "orders", (str(number), None, {"shop": "a", "amount": number})) for number in (10, 20)]
    folded = fold_records(records, CODES["first"].pipeline)
    first = generations.created("shops", 1, "f")
    rows = [row for row in folded.rows if row.layout.aggregate.name == "shops"]
    found = rows_above(rows, first, lambda number: number >= 20)
    assert [row.key for row in found] == [("shops@1#a", "-")]
    assert [row.steps for row in found] == [[(20, (1, 1, 20))]]
    assert [row.steps for row in found[0].value_changes.values()] == [[(20, (1,))]]
