"""What readers see: only what is built and defined, and the truth about it."""

from copy import replace
from decimal import Decimal
from typing import Any

import pytest

from tailrace.backfill.admission import epoch_key
from tailrace.backfill.generations import Generation, State, adopted, created, doubt, interrupt
from tailrace.backfill.job_progress import JobStatus, job_from_row
from tailrace.backfill.readers import ReadersView
from tailrace.encoding.keys import group_list_key, row_key
from tailrace.errors import NotBuilt, NotFound
from tests.pipelines.versions import NEW, OLD, pipeline, without_old

LIVE_1 = created("sales", 1, "f")
BUILDING_2 = Generation("sales", 2, State.BUILDING, "g", epoch=3)
LIVE_2 = Generation("sales", 2, State.LIVE, "g", epoch=3, verified=True)


def view(*generations: Generation, shown: int | None = None, **more: Any) -> ReadersView:
    """Return a view with these control rows, and the pointer of `sales` at a version."""
    pointers = {} if shown is None else {"sales": ("sales", shown)}
    values: dict[str, Any] = {"pipeline": pipeline, "exists": True} | more
    return ReadersView(generations={one.id: one for one in generations}, pointers=pointers, **values)


def build(**values: Any) -> JobStatus:
    plain: dict[str, Any] = {"id": "1", "kind": "build", "state": "running", "targets": ("sales@2",)}
    return JobStatus(**(plain | values))


def test_the_pointer_decides_which_version_and_epoch_are_read() -> None:
    old = view(LIVE_1, BUILDING_2, shown=1).require_shown("sales")
    assert (old.aggregate, old.generation.epoch, old.generation.exact) == (OLD, 0, True)
    new = view(LIVE_1, LIVE_2, shown=2).require_shown("sales")
    assert (new.aggregate, new.generation.epoch, new.generation.exact) == (NEW, 3, True)


@pytest.mark.parametrize("unready", [BUILDING_2, Generation("sales", 2, State.DECLARED, "g")])
def test_what_is_not_built_is_never_read(unready: Generation) -> None:
    for shown in (None, 1, 2):  # a pointer at a generation that is rebuilt, or at none that exists
        with pytest.raises(NotBuilt):
            view(unready, shown=shown).require_shown("sales")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (view(), "sales@2 is not built: run `tailrace rebuild sales`"),
        (view(BUILDING_2), "sales@2 is being built"),
        (view(BUILDING_2, jobs=[build(done=999, total=1000)]), "sales@2 is being built, 99% done"),
        (
            view(BUILDING_2, jobs=[build(state="failed", reason="a batch was given up")]),
            "sales@2 is not built (the build failed: a batch was given up): run `tailrace rebuild sales`",
        ),
        (
            view(LIVE_1, BUILDING_2, shown=1, pipeline=without_old),
            "sales@1 is no longer in the definition, and sales@2 is being built",
        ),
        (
            view(LIVE_1, LIVE_2, shown=1, pipeline=without_old),
            "sales@1 is no longer in the definition, and sales@2 is live: run `tailrace rebuild sales` to show it",
        ),
        (
            view(interrupt(LIVE_2, "old code ran"), shown=None),
            "sales@2 is not built (old code ran): run `tailrace rebuild sales`",
        ),
    ],
)
def test_a_refusal_says_what_to_do(found: ReadersView, message: str) -> None:
    with pytest.raises(NotBuilt) as caught:
        found.require_shown("sales")
    assert str(caught.value) == message
    assert caught.value.progress == (Decimal("0.999") if "%" in message else None)


def test_an_unknown_aggregate_is_not_found_whatever_the_control_rows_say() -> None:
    with pytest.raises(NotFound):
        view(created("gone", 1, "f")).require_shown("gone")


def test_without_control_rows_the_highest_version_is_read_and_nothing_is_claimed() -> None:
    found = ReadersView(pipeline)
    shown = found.require_shown("sales")
    assert (shown.aggregate, shown.generation.epoch) == (NEW, 0)
    assert [(one.version, one.state, one.exact) for one in found.states("sales")] == [
        (2, "unknown", False),
        (1, "unknown", False),
    ]
    assert "not recorded" in str(shown.generation.reason)


@pytest.mark.parametrize(
    ("generation", "exact", "reason"),
    [
        (LIVE_1, True, None),
        (adopted("sales", 1, "f"), False, "not verified: run `tailrace verify sales`"),
        (doubt(LIVE_1, "a batch was given up"), False, "a batch was given up"),
        (interrupt(LIVE_1, "another definition ran"), False, "another definition ran"),
        (interrupt(LIVE_1, ""), False, "it was interrupted: run `tailrace rebuild sales`"),
        (replace(LIVE_1, state=State.RETIRED), False, "it is no longer kept up to date"),
        # what was doubted and then verified is exact; the doubt is history
        (replace(doubt(LIVE_1, "a batch was given up"), verified=True), True, None),
    ],
)
def test_what_is_shown_is_exact_or_says_why_not(generation: Generation, exact: bool, reason: str | None) -> None:
    found = view(generation, shown=1).require_shown("sales").generation
    assert (found.exact, found.reason) == (exact, reason)
    assert found.document() == {"version": 1, "state": str(generation.state), "exact": exact, "reason": reason}


def test_states_are_listed_with_the_progress_of_a_build() -> None:
    jobs = [
        build(id="5", kind="verify", done=1, total=2),
        build(id="4", targets=("other@2", "sales@20"), done=1, total=2),
        build(id="3", done=1, total=4),
        build(id="2", done=3, total=4),
    ]
    found = view(LIVE_1, BUILDING_2, shown=1, jobs=jobs)
    assert [state.document() for state in found.states("sales")] == [
        {"version": 2, "state": "building", "exact": False, "reason": None, "progress": Decimal("0.25")},
        {"version": 1, "state": "live", "exact": True, "reason": None},
    ]
    unknown = view(LIVE_1, BUILDING_2, shown=1).states("sales")[0].document()
    assert unknown["progress"] is None


def test_a_version_that_is_new_in_the_definition_is_declared_and_a_retired_one_is_left_out() -> None:
    retired = replace(created("sales", 3, "h"), state=State.RETIRED)
    fed = created("sales", 4, "h")  # another deployment's
    assert [(one.version, one.state, one.exact) for one in view(LIVE_1, retired, fed, shown=1).states("sales")] == [
        (4, "live", True),
        (2, "declared", False),
        (1, "live", True),
    ]
    assert [one.version for one in view(retired, shown=3).states("sales")] == [3, 2, 1]


@pytest.mark.parametrize("epoch", [0, 1, 12])
def test_readers_and_writers_have_the_same_keys(epoch: int) -> None:
    generation = Generation("sales", 2, State.LIVE, "g", epoch)
    pk, sk = row_key("sales", 2, ["a#~1", "b"])
    assert row_key("sales", 2, ["a#~1", "b"], epoch) == (epoch_key(pk, generation), sk)
    assert group_list_key("sales", 2, epoch) == epoch_key(group_list_key("sales", 2), generation)


@pytest.mark.parametrize(
    ("done", "total", "fraction"),
    [(0, 0, None), (0, 10, "0"), (5, 10, "0.5"), (1, 3, "0.333"), (11, 10, "1"), (-1, 10, "0")],
)
def test_progress_lies_between_nothing_and_everything(done: int, total: int, fraction: str | None) -> None:
    row = {"pk": "~jobs", "sk": "1", "kind": "build", "state": "running", "done": done, "total": total}
    assert job_from_row(row).fraction == (None if fraction is None else Decimal(fraction))
