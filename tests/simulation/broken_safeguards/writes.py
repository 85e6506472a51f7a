"""Safeguards of the committer, each broken in turn: batches, lanes, order measures, empty rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from tailrace.aggregation import marks
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates import commit
from tailrace.aws.aggregates import expiry as emptied
from tailrace.aws.aggregates import order_state as ordering
from tailrace.aws.aggregates import update_expressions as writes
from tailrace.aws.aggregates.order_measures import OrderMeasures
from tailrace.aws.aggregates.outcomes import Failed, Outcome
from tailrace.aws.stages import aggregate as aggregating
from tailrace.definition.row_attributes import ITEM_COUNT
from tailrace.encoding.dynamodb import decode_item


def _failed_batch_ignored() -> AbstractContextManager[Any]:
    """Treat a batch of existing rows as written although the whole call failed."""
    write = commit.Committer._commit_batch

    def careless(self: commit.Committer, rows: Sequence[RowChange], lineage: marks.Lineage) -> list[Outcome]:
        return [outcome for outcome in write(self, rows, lineage) if not isinstance(outcome, Failed)]

    return patch.object(commit.Committer, "_commit_batch", careless)


@contextmanager
def _rejected_statement_ignored() -> Iterator[None]:
    """Treat an existing row as written although its statement was rejected."""
    write, write_one = commit.Committer._commit_batch, commit.Committer._commit_row

    def careless(self: commit.Committer, rows: Sequence[RowChange], lineage: marks.Lineage) -> list[Outcome]:
        with patch.object(commit.Committer, "_commit_row", lambda *_arguments, **_found: []):
            return write(self, rows, lineage)

    with patch.object(commit.Committer, "_commit_batch", careless):
        yield
    assert commit.Committer._commit_row is write_one


def _lane_of_the_batch() -> AbstractContextManager[Any]:
    """Choose the lane by the batch's content: redelivered in other batches, changes get another lane."""

    def spread(records: Any, pipeline: Any, lane_seed: str, images: Any, enough_rows: int) -> Any:
        batch = list(records)
        return fold_records(batch, pipeline, lane_seed + batch[0]["dynamodb"]["SequenceNumber"], images, enough_rows)

    return patch.object(aggregating, "fold_records", spread)


@contextmanager
def _empty_by_its_items() -> Iterator[None]:
    """Expire a lane that holds no item, whatever its sums."""
    empty: Callable[[Any], Sequence[str]] = lambda _layout: (ITEM_COUNT,)  # noqa: E731
    with patch.object(writes, "zero_counters", empty), patch.object(emptied, "zero_counters", empty):
        yield


def _failed_expiry_ignored() -> AbstractContextManager[Any]:
    try_to_expire = commit.Committer._try_to_expire

    def careless(*arguments: Any) -> list[Outcome]:
        try_to_expire(*arguments)
        return []

    return patch.object(commit.Committer, "_try_to_expire", careless)


def _order(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[], AbstractContextManager[Any]]:
    read = ordering.OrderReader.state

    def changed(self: ordering.OrderReader, *arguments: Any) -> writes.OrderState:
        found = read(self, *arguments)
        return replace(found, state=change(dict(found.state)))

    return lambda: patch.object(ordering.OrderReader, "state", changed)


def _values_read_once() -> AbstractContextManager[Any]:
    """Write the order measures read for the first attempt with the version read for the second."""

    def careless(self: OrderMeasures, row: RowChange, found: Any) -> writes.OrderState:
        version = ordering.stored_order(row.layout.aggregate, decode_item(found)).version
        return replace(self.state(row), version=version)

    return patch.object(OrderMeasures, "state_again", careless)


def _latest_mark_dropped() -> AbstractContextManager[Any]:
    """Also drop the mark of the shard that has just split."""
    retired = marks.Lineage.retired

    def all_of_them(self: marks.Lineage, now: datetime) -> Iterator[str]:
        yield from dict.fromkeys([*retired(self, now), *(mark for mark, _ in self.ended[-1:])])

    return patch.object(marks.Lineage, "retired", all_of_them)


def _version_read_last() -> AbstractContextManager[Any]:
    """Write a main row with the version that it has after its value rows were read."""
    order = ordering.OrderReader.state

    def late(self: ordering.OrderReader, row: RowChange, *arguments: Any) -> writes.OrderState:
        return replace(order(self, row, *arguments), version=self.stored([row])[row.key].version)

    return patch.object(ordering.OrderReader, "state", late)


def _expired_without_check() -> AbstractContextManager[Any]:
    """Expire a row that was empty a moment ago."""
    expire = writes.expire_request

    def careless(*arguments: Any) -> dict[str, Any]:
        request = expire(*arguments)
        request["ConditionExpression"], *_, empty = request["ConditionExpression"].rpartition(" AND ")
        name, value = empty.split(" = ")
        request["ExpressionAttributeNames"].pop(name)
        request["ExpressionAttributeValues"].pop(value)
        return request

    return patch.object(emptied, "expire_request", careless)


BROKEN_WRITES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "the version is read after the values": _version_read_last,
    "a main row is written before its values": lambda: patch.object(
        commit, "_has_failed_values", lambda *_arguments: False
    ),
    "an empty row expires at once": lambda: patch.object(emptied, "REDELIVERY_HORIZON", timedelta()),
    "an empty row expires although it is refilled": lambda: patch.object(
        writes, "_set_expiry", lambda *_arguments: None
    ),
    "an empty row is not checked before it expires": _expired_without_check,
    "an empty row never expires": lambda: patch.object(commit, "may_be_empty", lambda _row: False),
    "a failed batch of existing rows is ignored": _failed_batch_ignored,
    "a rejected statement is ignored": _rejected_statement_ignored,
    "the lane depends on the batch": _lane_of_the_batch,
    "a lane that holds sums expires": _empty_by_its_items,
    "a failure to expire a row is ignored": _failed_expiry_ignored,
    "a measure without values is not removed": _order(lambda state: {n: v for n, v in state.items() if v is not None}),
    "the values are read for the first attempt only": _values_read_once,
    "the latest mark is dropped": _latest_mark_dropped,
}
