"""Safeguards of the ends that a main row knows, each broken in turn."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from tailrace.aggregation.values import known_ends
from tailrace.aws.aggregates import order_state
from tailrace.definition.aggregate import ValueRows
from tailrace.definition.measures.value_rows import ValueRange

type Start = Callable[[ValueRows, ValueRange, Mapping[str, Any], Iterable[str]], str | None]


def _start(choose: Callable[[list[str], str, bool], str | None]) -> Callable[[], AbstractContextManager[Any]]:
    """Choose where to read by the values that are shown, the outermost touched one, and which end it is."""

    def careless(
        kind: ValueRows, value_range: ValueRange, row: Mapping[str, Any], touched: Iterable[str]
    ) -> str | None:
        shown, _ = known_ends._shown(kind, value_range, row)
        is_low = value_range == "low"
        return choose(shown, min(touched) if is_low else max(touched), is_low)

    return lambda: patch.object(order_state, "start_key", careless)


def _complete_when_short(shown: list[str], edge: str, is_low: bool) -> str | None:
    behind = bool(shown) and (edge > shown[-1] if is_low else edge < shown[-1])
    return None if behind else (min if is_low else max)([edge, *shown])


BROKEN_ENDS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "an end is read from what was known": _start(lambda shown, edge, _is_low: shown[0] if shown else edge),
    "an end is read from what was touched": _start(lambda _shown, edge, _is_low: edge),
    "an end is read only for a value beyond it": _start(
        lambda shown, edge, is_low: None if shown and (edge >= shown[0] if is_low else edge <= shown[0]) else edge
    ),
    "a list that is not full is complete": _start(_complete_when_short),
}
