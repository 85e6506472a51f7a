"""Safeguards of the fold, each broken in turn: the contributions that a change adds and retracts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from tailrace.aggregation import contributions, counted_images, deltas
from tailrace.aggregation import row_changes as fold
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates import commit
from tests.simulation.definition import visits


def _no_retraction() -> AbstractContextManager[Any]:
    add: Any = fold.RowAccumulator.add_contributions

    def only_new(self: fold.RowAccumulator, *change: Any) -> None:
        *rest, old, new = change
        add(self, *rest, [(None,) * len(part) for part in old], new)

    return patch.object(fold.RowAccumulator, "add_contributions", only_new)


def _old_row_untouched() -> AbstractContextManager[Any]:
    add = fold.RowAccumulator.add

    def one_row(self: fold.RowAccumulator, aggregate: Any, sequence: int, old: Any, new: Any) -> None:
        moves = old is not None and new is not None and old.row_ref.key != new.row_ref.key
        add(self, aggregate, sequence, None if moves else old, new)

    return patch.object(fold.RowAccumulator, "add", one_row)


def _images_with_the_same_fields_are_equal() -> AbstractContextManager[Any]:
    return patch.object(counted_images, "_text", lambda image: ",".join(image).encode())


def _net_zero_left_out() -> AbstractContextManager[Any]:
    whole = commit.Committer.commit

    def some(self: commit.Committer, rows: Sequence[RowChange], lineage: Any) -> Any:
        return whole(self, [row for row in rows if any(row.deltas())], lineage)

    return patch.object(commit.Committer, "commit", some)


def _old_values_stay() -> AbstractContextManager[Any]:
    move = fold._add_value_deltas
    return patch.object(fold, "_add_value_deltas", lambda row, n, old, new: move(row, n, (None,) * len(old), new))


def _moves_not_listed() -> AbstractContextManager[Any]:
    """Leave an item that has left its group in the list of groups."""
    whole = fold.RowAccumulator._add_to_group_list

    def some(self: fold.RowAccumulator, of: Any, sequence: int, row_ref: Any, delta: int) -> None:
        if delta > 0:
            whole(self, of, sequence, row_ref, delta)

    return patch.object(fold.RowAccumulator, "_add_to_group_list", some)


def _listed_with_each_row() -> AbstractContextManager[Any]:
    """Let an item with several rows of a group enter its list several times."""
    return patch.object(deltas, "_with_group_deltas", lambda found, _before, _after: found)


def _equal_lines_count_once() -> AbstractContextManager[Any]:
    whole = contributions.merged
    return patch("tailrace.aggregation.spread.merged", lambda parts, one: whole(list(dict.fromkeys(parts)), one))


@contextmanager
def _expiry_retracts() -> Iterator[None]:
    object.__setattr__(visits, "on_expiry", "retract")
    try:
        yield
    finally:
        object.__setattr__(visits, "on_expiry", "keep")


BROKEN_FOLDING: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "a row with a net change of zero is not written": _net_zero_left_out,
    "retraction is left out": _no_retraction,
    "a move does not update the old row": _old_row_untouched,
    "images with the same fields count as equal": _images_with_the_same_fields_are_equal,
    "an expiry counts as a deletion": _expiry_retracts,
    "an item's old values are not retracted": _old_values_stay,
    "an item stays in the list of groups": _moves_not_listed,
    "an item enters the list of groups with each of its rows": _listed_with_each_row,
    "equal lines of an item count once": _equal_lines_count_once,
}
