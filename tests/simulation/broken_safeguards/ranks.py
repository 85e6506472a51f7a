"""Safeguards of the nodes above value rows, each broken in turn."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from tailrace.aggregation import row_changes
from tailrace.aws.aggregates.order_state import OrderReader
from tailrace.definition.aggregate import ValueRows
from tailrace.definition.measures.value_rows import ValueCount, ValueEntry
from tailrace.encoding.keys import RowKey


def _gone_values_stay() -> AbstractContextManager[Any]:
    """Leave a value in its node when its item has another one."""
    deltas = row_changes._entry_deltas

    def careless(before: Any, after: Any) -> list[tuple[ValueEntry, int]]:
        return [(entry, delta) for entry, delta in deltas(before, after) if delta > 0 or not _is_node(entry)]

    return patch.object(row_changes, "_entry_deltas", careless)


def _is_node(entry: ValueEntry) -> bool:
    return entry.labels == (entry.sort_key,)


@contextmanager
def _known_nodes() -> Iterator[None]:
    """Read the nodes and values of a row once,."""
    ranks = OrderReader._ranks
    known: dict[tuple[int, RowKey, str], list[ValueCount]] = {}

    def careless(self: OrderReader, key: RowKey, kind: ValueRows) -> list[ValueCount]:
        place = id(self.client), key, kind.name
        known[place] = known.get(place) or ranks(self, key, kind)
        return known[place]

    with patch.object(OrderReader, "_ranks", careless):
        yield


BROKEN_RANKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "a value that is gone stays in its node": _gone_values_stay,
    "nodes that were read before are known": _known_nodes,
}
