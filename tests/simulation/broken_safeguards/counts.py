"""Safeguards of the counts of different values, each broken in turn."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from tailrace.aggregation.row_changes import RowChange
from tailrace.aggregation.values import counted_values
from tailrace.aws.aggregates import update_expressions as writes
from tailrace.aws.aggregates import value_counter
from tailrace.aws.aggregates.order_measures import OrderMeasures
from tailrace.aws.aggregates.outcomes import Outcome
from tailrace.aws.aggregates.value_counter import States, ValueCounter
from tailrace.encoding.json_types import Json
from tailrace.errors import Permanent

_ITEMS = re.compile(r"(#\d+) (?:>|<=) (:\d+)")
_COUNTED = re.compile(r"attribute_(?:not_)?exists\(#\d+\)")


@contextmanager
def _without(condition: re.Pattern[str]) -> Iterator[None]:
    """Move values without one of the two conditions."""

    def changed(make: Callable[..., Json]) -> Callable[..., Json]:
        def request(*arguments: Any) -> Json:
            made = make(*arguments)
            found = condition.search(made["ConditionExpression"])
            assert found is not None
            both = made["ConditionExpression"].split(" AND ")
            made["ConditionExpression"] = " AND ".join(part for part in both if part != found[0])
            for placeholder in found.groups():
                names = "Names" if placeholder.startswith("#") else "Values"
                del made[f"ExpressionAttribute{names}"][placeholder]
            return made

        return request

    with (
        patch.object(value_counter, "count_value_request", changed(writes.count_value_request)),
        patch.object(value_counter, "discount_value_request", changed(writes.discount_value_request)),
    ):
        yield


@contextmanager
def _by_the_writer_only() -> Iterator[None]:
    """Move only values that this delivery has written, and none that it finds written."""
    after_mark, count, prepare = RowChange.after_mark, OrderMeasures._count, OrderMeasures.prepare
    found = set()

    def noting(self: RowChange, mark: int) -> RowChange:
        left = after_mark(self, mark)
        if not left.steps:
            found.add(self.key)
        return left

    def careless(
        self: OrderMeasures, row: RowChange, values: Sequence[RowChange], *, expire_empty: bool
    ) -> list[Outcome]:
        return count(self, row, [value for value in values if value.key not in found], expire_empty=expire_empty)

    def forgetting(self: OrderMeasures, *arguments: Any, **options: Any) -> list[Outcome]:
        outcomes = prepare(self, *arguments, **options)
        found.clear()
        return outcomes

    with (
        patch.object(RowChange, "after_mark", noting),
        patch.object(OrderMeasures, "_count", careless),
        patch.object(OrderMeasures, "prepare", forgetting),
    ):
        yield


def _one_after_the_other(*, backwards: bool) -> Callable[[], AbstractContextManager[Any]]:
    """Write the rows of a transaction one by one."""

    def move(client: Any, *, TransactItems: Sequence[Json]) -> None:  # noqa: N803
        for action in reversed(TransactItems) if backwards else TransactItems:
            client.update_item(**action["Update"])

    class Careless:
        def __init__(self, client: Any) -> None:
            self.client = client

        def __getattr__(self, name: str) -> Any:
            return getattr(self.client, name)

        def transact_write_items(self, **request: Any) -> None:
            move(self.client, **request)

    moved = ValueCounter._move

    def careless(self: ValueCounter, *arguments: Any, **options: Any) -> bool:
        client: Any = Careless(self.client)
        try:
            return moved(ValueCounter(client, self.table, self.clock), *arguments, **options)
        except Permanent:  # not a transaction: a condition fails as that of any write
            return False

    return lambda: patch.object(ValueCounter, "_move", careless)


def _canceled_is_done() -> AbstractContextManager[Any]:
    moved = ValueCounter._move

    def careless(self: ValueCounter, *arguments: Any, **options: Any) -> bool:
        moved(self, *arguments, **options)
        return True

    return patch.object(ValueCounter, "_move", careless)


def _failures_ignored(method: str) -> Callable[[], AbstractContextManager[Any]]:
    step = getattr(OrderMeasures, method)

    def careless(self: OrderMeasures, *arguments: Any, **options: Any) -> list[Outcome]:
        step(self, *arguments, **options)
        return []

    return lambda: patch.object(OrderMeasures, method, careless)


def _read_before() -> AbstractContextManager[Any]:
    """Take every value to be as an earlier read has found it."""
    read = ValueCounter.read
    known: States = {}

    def careless(self: ValueCounter, values: Sequence[RowChange]) -> States:
        for key, state in read(self, values).items():
            known.setdefault(key, state)
        return {value.key: known[value.key] for value in values}

    return patch.object(ValueCounter, "read", careless)


def _one_of_the_measures() -> AbstractContextManager[Any]:
    def careless(*arguments: Any) -> dict[str, int]:
        return dict(list(counted_values.moves(*arguments).items())[:1])

    return patch.object(value_counter, "moves", careless)


BROKEN_COUNTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "a value is moved whatever its items": lambda: _without(_ITEMS),
    "a value is moved whether it is counted or not": lambda: _without(_COUNTED),
    "a value is moved only by who has written it": _by_the_writer_only,
    "a value is moved after its main row": _one_after_the_other(backwards=False),
    "a value is moved before its main row": _one_after_the_other(backwards=True),
    "a canceled transaction counts as done": _canceled_is_done,
    "a failure to count values is ignored": _failures_ignored("_count"),
    "a failure to read values is ignored": _failures_ignored("_read"),
    "values are read once": _read_before,
    "one of several measures is moved": _one_of_the_measures,
    "a value that is not counted any more never expires": lambda: patch.object(
        value_counter, "_expiry", lambda *_arguments: None
    ),
}
