"""Safeguards of the fold, each broken in turn: what a change adds to its rows and takes back."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from tailrace.aggregation import row_changes as fold
from tailrace.aggregation.delta_cache import Shortcut
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates import commit
from tests.simulation.definition import visits


def _plain_words_only(change: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    """Make a change that shows only where no shortcut is taken."""
    both = ExitStack()
    both.enter_context(patch.object(Shortcut, "add", lambda *_arguments: False))
    both.enter_context(change)
    return both


def _no_retraction() -> AbstractContextManager[Any]:
    add = fold.Rows.add
    never = patch.object(fold.Rows, "add", lambda self, kind, number, _old, new: add(self, kind, number, None, new))
    return _plain_words_only(never)


def _no_retraction_by_shortcut() -> AbstractContextManager[Any]:
    add = Shortcut.add
    return patch.object(Shortcut, "add", lambda self, rows, number, _old, new: add(self, rows, number, None, new))


def _nothing_for_moves() -> AbstractContextManager[Any]:
    add = fold.Rows.add

    def one_row(self: fold.Rows, aggregate: Any, sequence: int, old: Any, new: Any) -> None:
        moves = old is not None and new is not None and old.place.key != new.place.key
        add(self, aggregate, sequence, None if moves else old, new)

    return _plain_words_only(patch.object(fold.Rows, "add", one_row))


def _nothing_for_moves_by_shortcut() -> AbstractContextManager[Any]:
    elsewhere = Shortcut._elsewhere
    return patch.object(Shortcut, "_elsewhere", lambda self, old, new: elsewhere(self, [None] * len(old), new))


def _net_zero_left_out() -> AbstractContextManager[Any]:
    whole = commit.Committer.commit

    def some(self: commit.Committer, rows: Sequence[RowChange], lineage: Any) -> Any:
        return whole(self, [row for row in rows if any(row.deltas())], lineage)

    return patch.object(commit.Committer, "commit", some)


def _old_values_stay() -> AbstractContextManager[Any]:
    move = fold._move_values
    return patch.object(fold, "_move_values", lambda row, n, old, new: move(row, n, (None,) * len(old), new))


def _moves_not_listed() -> AbstractContextManager[Any]:
    """Let an item that has left a group stay in the list of groups."""
    whole = fold.Rows._list

    def some(self: fold.Rows, of: Any, sequence: int, place: Any, delta: int) -> None:
        if delta > 0:
            whole(self, of, sequence, place, delta)

    return patch.object(fold.Rows, "_list", some)


@contextmanager
def _expiry_retracts() -> Iterator[None]:
    object.__setattr__(visits, "on_expiry", "retract")
    try:
        yield
    finally:
        object.__setattr__(visits, "on_expiry", "keep")


SABOTAGES_OF_FOLDING: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "a row that comes to nothing is not written": _net_zero_left_out,
    "retraction is left out": _no_retraction,
    "a shortcut takes nothing back": _no_retraction_by_shortcut,
    "a move does not touch the old row": _nothing_for_moves,
    "a shortcut does not touch the old row": _nothing_for_moves_by_shortcut,
    "an expiry is a deletion": _expiry_retracts,
    "an item's old values stay": _old_values_stay,
    "an item stays in the list of groups": _moves_not_listed,
}
