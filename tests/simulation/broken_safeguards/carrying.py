"""Safeguards of write-behind, each broken in turn: what is carried, what is outstanding, and what is read again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import replace
from typing import Any
from unittest.mock import patch

from tailrace.aggregation.carried import rows as carried_rows
from tailrace.aggregation.carried.state import CarriedState, Outstanding
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.outcomes import Failed
from tailrace.aws.backfill.outstanding_rows import OutstandingRows
from tailrace.aws.stages import aggregate as aggregating
from tailrace.aws.stages.write_behind import WriteBehind
from tailrace.encoding.json_types import Json

type Breakage = Callable[[], AbstractContextManager[Any]]


def _any_state() -> AbstractContextManager[Any]:
    """Use any state, whatever the shard's row says."""
    parse = CarriedState.parse.__func__  # type: ignore[attr-defined]

    def careless(cls: type, state: Json, outstanding: Outstanding, *meaning: Any) -> Any:
        given = state | {"outstanding": outstanding.text()} if state else state
        return parse(cls, given, outstanding, *meaning)

    return patch.object(CarriedState, "parse", classmethod(careless))


def _nothing_recorded() -> AbstractContextManager[Any]:
    return patch.object(OutstandingRows, "carry", lambda *_arguments: None)


def _added_twice() -> AbstractContextManager[Any]:
    """Add a batch to what is carried although it was delivered before."""
    carried = WriteBehind.carried

    def careless(self: WriteBehind, event: Json, batch: Any, view: Any) -> Any:
        return carried(self, event, replace(batch, records=(), positions=()), view)

    return patch.object(WriteBehind, "carried", careless)


def _not_read_again() -> AbstractContextManager[Any]:
    return patch.object(WriteBehind, "_read_again", lambda _self, _batch, outstanding, *_others: outstanding)


def _read_from_the_end() -> AbstractContextManager[Any]:
    """Read again only the last of the changes."""
    read_again = WriteBehind._read_again

    def careless(self: WriteBehind, batch: Any, outstanding: Outstanding, *others: Any) -> Outstanding:
        read_again(self, batch, replace(outstanding, start=outstanding.through, after=False), *others)
        return outstanding

    @contextmanager
    def both() -> Iterator[None]:
        with (
            patch.object(WriteBehind, "_read_again", careless),
            patch.object(OutstandingRows, "advance", lambda _self, _shard, before, _committed: before),
        ):
            yield

    return both()


def _part_counts_as_all(*, absorbed: bool) -> Breakage:
    """Take a step of which a row has absorbed a part to be absorbed, or not to be."""
    after_mark = RowChange.after_mark

    def careless(self: RowChange, mark: int) -> RowChange:
        if self.folded is None or not self.folded.first <= mark < self.steps[0][0]:
            return after_mark(self, mark)
        if absorbed:
            return replace(self, steps=self.steps[1:], folded=None)
        return replace(self, folded=self.folded._replace(first=mark + 1))

    return lambda: patch.object(RowChange, "after_mark", careless)


def _condition_on_the_last_change() -> AbstractContextManager[Any]:
    return patch.object(RowChange, "first", property(lambda row: row.steps[0][0]))


def _parents_left_alone() -> AbstractContextManager[Any]:
    return patch.object(WriteBehind, "settle_ancestors", lambda *_arguments: None)


def _failures_ignored() -> AbstractContextManager[Any]:
    """Settle what was carried although some rows were not written."""
    commit = aggregating.Aggregator._commit_carried

    def careless(self: aggregating.Aggregator, *arguments: Any) -> int | None:
        write = type(self.committer).commit

        def hiding(*given: Any, **options: Any) -> list[Any]:
            return [one for one in write(*given, **options) if not isinstance(one, Failed)]

        with patch.object(type(self.committer), "commit", hiding):
            return commit(self, *arguments)

    return patch.object(aggregating.Aggregator, "_commit_carried", careless)


def _settled_first() -> AbstractContextManager[Any]:
    """Settle what was carried before it is committed."""
    commit = aggregating.Aggregator._commit_carried

    def careless(
        self: aggregating.Aggregator, batch: Any, view: Any, carried: CarriedState, *others: Any
    ) -> int | None:
        self._write_behind().rows.settle(str(batch.shard), carried.outstanding, carried.outstanding.through)
        return commit(self, batch, view, carried, *others)

    return patch.object(aggregating.Aggregator, "_commit_carried", careless)


def _no_values() -> AbstractContextManager[Any]:
    """Carry main rows without what their batches do to value rows."""
    joined = carried_rows._joined

    def careless(before: RowChange, row: RowChange) -> RowChange:
        return replace(joined(before, row), value_changes=row.value_changes)

    return patch.object(carried_rows, "_joined", careless)


BROKEN_CARRYING: dict[str, Breakage] = {
    "any state is used": _any_state,
    "what is carried is not recorded": _nothing_recorded,
    "a batch is added to what is carried twice": _added_twice,
    "what is outstanding is not read again": _not_read_again,
    "only the last of what is outstanding is read again": _read_from_the_end,
    "a part of a carried step counts as absorbed": _part_counts_as_all(absorbed=True),
    "a part of a carried step counts as missing": _part_counts_as_all(absorbed=False),
    "the condition uses the last carried change": _condition_on_the_last_change,
    "what a parent has left outstanding is left alone": _parents_left_alone,
    "rows that fail when a window ends are ignored": _failures_ignored,
    "what was carried is settled before it is committed": _settled_first,
    "values that were carried are left out": _no_values,
}
