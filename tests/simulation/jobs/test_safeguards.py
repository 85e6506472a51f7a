"""Each safeguard of jobs is broken on purpose, and some history has to find it."""

from collections.abc import Callable
from copy import replace
from itertools import count
from typing import Any

import pytest

from tailrace.aggregation import row_changes
from tailrace.aggregation.marks import Lineage
from tailrace.aws.backfill import feed
from tailrace.aws.backfill.journal_bucket import JournalBucket
from tailrace.aws.jobs.folder import Folder
from tailrace.aws.jobs.steps import building, covering, discarded, gathering, judging
from tailrace.backfill.base import base_rows
from tailrace.backfill.comparison import expected_counters
from tests.simulation.jobs import history
from tests.simulation.jobs.__main__ import play
from tests.simulation.seeds import first_failing

_SEEDS = 1000
_RICH = {
    "_drop_journal": 1,
    "_ignore_frontier": 0,
    "_believe_snapshot": 0,
    "_ignore_marks": 1,
    "_skip_coverage": 721,
    "_commit_base_under_new_marks": 63,
    "_ignore_holes": 19,
    "_count_one_row_of_each_item": 4,
    "_forget_fields_of_keys": 4,
    "_compare_endless_alone": 39,
    "_compare_ended": 4,
    "_tell_nobody": 78,
    "_replace_what_was_read": 1,
}
"""For each safeguard a seed to try first. A stale seed makes the test slower, and the summary names another one."""


def _drop_journal(patch: pytest.MonkeyPatch) -> None:
    numbers = count()
    write = JournalBucket.put
    patch.setattr(JournalBucket, "put", lambda self, written: write(self, written) if next(numbers) % 3 else None)


def _ignore_frontier(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(feed, "lowest_to_add", lambda _generation, _firsts: 0)


def _believe_snapshot(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gathering, "image_at_boundary", lambda _images, snapshot, _throughs, _parents: snapshot)


def _ignore_marks(patch: pytest.MonkeyPatch) -> None:
    def broken(base: Any, steps: Any, row: Any, marks: Any, width: int) -> Any:
        return expected_counters(base, steps, replace(row, marks=dict.fromkeys(marks.values(), 1 << 160)), marks, width)

    patch.setattr(judging, "expected_counters", broken)


def _skip_coverage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(covering, "unproven", lambda _listed, _told, _after: [])
    patch.setattr(covering, "missing_sentinels", lambda _written, _journaled, _throughs: [])


def _commit_base_under_new_marks(patch: pytest.MonkeyPatch) -> None:
    numbers = count()
    patch.setattr(building, "base_lineage", lambda _generation: Lineage(f"~base-{next(numbers)}"))


def _ignore_holes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(discarded, "holes", lambda _given_up, _firsts, _time: [])


def _count_one_row_of_each_item(patch: pytest.MonkeyPatch) -> None:
    modules: Any = row_changes
    deltas_of = modules.deltas_of

    def broken(*arguments: Any, **options: Any) -> Any:
        with patch.context() as inside:
            inside.setattr(row_changes, "deltas_of", lambda old, new: list(deltas_of(old, new))[:1])
            return base_rows(*arguments, **options)

    patch.setattr(gathering, "base_rows", broken)


def _forget_fields_of_keys(patch: pytest.MonkeyPatch) -> None:
    modules: Any = gathering
    stored_fields = modules.stored_fields

    def broken(*arguments: Any) -> Any:
        found = stored_fields(*arguments)
        return found and {name: value for name, value in found.items() if name != "store"}

    patch.setattr(gathering, "stored_fields", broken)


@pytest.mark.parametrize(
    "broken",
    [
        _drop_journal,
        _ignore_frontier,
        _believe_snapshot,
        _ignore_marks,
        _skip_coverage,
        _commit_base_under_new_marks,
        _ignore_holes,
    ],
)
def test_a_broken_safeguard_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    require_found(broken.__name__)


@pytest.mark.parametrize("broken", [_count_one_row_of_each_item, _forget_fields_of_keys])
def test_a_broken_safeguard_of_elements_and_keys_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    require_found(broken.__name__, baskets=True)


@pytest.mark.parametrize("stays", [True, False])
def test_comparing_rows_that_have_ended_or_none_that_will_is_found(
    stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "stays", lambda end, *_times: stays or end is None)
    require_found("_compare_ended" if stays else "_compare_endless_alone", keeps=True)


def test_not_telling_readers_of_discarded_batches_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "tell_readers", lambda _context, _notification: None)
    require_found("_tell_nobody")


def test_replacing_what_was_read_by_what_a_late_run_has_read_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "write_once", Folder.write)
    require_found("_replace_what_was_read", late=True)


def require_found(name: str, **modes: bool) -> None:
    assert first_failing(lambda seed: _is_found(seed, **modes), (_RICH[name],), range(_SEEDS), name) is not None


def _is_found(seed: int, **modes: bool) -> bool:
    try:
        return bool(play(seed, **modes))
    except AssertionError:  # a job that never ends
        return True
