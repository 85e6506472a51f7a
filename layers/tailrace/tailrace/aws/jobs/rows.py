"""Rows on their way between the parts of a job: the generation of a key, its main row, and its layout."""

from collections.abc import Iterator, Mapping
from operator import add
from typing import Any

from msgspec import Struct

from tailrace.aggregation.contributions import Deltas
from tailrace.aggregation.row_changes import RowChange
from tailrace.backfill.admission import epoch_key
from tailrace.backfill.generations import Generation
from tailrace.definition.aggregate import Aggregate, Layout
from tailrace.encoding.keys import EMPTY_SORT_KEY, RowKey, escape, group_texts
from tailrace.encoding.tagged_json import dumps, loads_own

_GROUP_LISTS = "~groups#"
_ONE = 1  # the sequence number of everything in a base


class RowSpace(Struct, frozen=True):
    """The rows of one generation: main rows, value rows and the list of groups."""

    generation: Generation
    aggregate: Aggregate

    @property
    def prefix(self) -> str:
        """The first part of the partition key of its main rows, before the ``#``."""
        return epoch_key(f"{self.aggregate.name}@{self.aggregate.version}", self.generation)

    def owns(self, pk: str) -> bool:
        """Tell whether a partition key is of this generation and its epoch."""
        return (pk.partition("#")[2] if pk.startswith("~") else pk).partition("#")[0] == self.prefix

    def main_key(self, key: RowKey) -> RowKey:
        """Return the key of the main row that a row belongs to, without its lane; that of a group list is its own."""
        pk, sk = key
        if _is_list(pk):
            return key
        if pk.startswith("~"):
            aggregate, first, rest = pk.partition("#")[2].split("#", 2)
            return f"{aggregate}#{first}", rest
        return (pk, sk.rpartition("#")[0] or EMPTY_SORT_KEY) if self.aggregate.lanes > 1 else key

    def layout(self, key: RowKey) -> Layout:
        """Return the layout of a row."""
        if not key[0].startswith("~"):
            return self.aggregate.layout
        if _is_list(key[0]) and self.aggregate.group_list is not None:
            return self.aggregate.group_list.layout
        name = key[0].partition("#")[0].removeprefix("~")
        return next(kind.layout for kind in self.aggregate.value_rows if escape(kind.name) == name)

    def is_main(self, key: RowKey) -> bool:
        """Tell whether a row is a main row."""
        return not key[0].startswith("~")

    def expires_at(self, key: RowKey) -> int | None:
        """Return the second at which ``keep`` lets a row expire, with all that belongs to it; None for never.

        The key says it, whether the row exists or not: the bucket is one of its groups.
        """
        if self.aggregate.keep is None or _is_list(key[0]):
            return None
        return self.aggregate.expires_at(group_texts(*self.main_key(key)))


def _is_list(pk: str) -> bool:
    """Tell whether a partition key is that of a list of groups, and not of the value rows of a measure ``groups``."""
    return pk.startswith(_GROUP_LISTS) and pk.count("#") == 1


def encode_row(row: RowChange) -> bytes:
    """Write a row of a base, its value rows included, as one line."""
    values = [[*one.key, one.labels, one.deltas()] for one in row.value_changes.values()]
    return dumps([*row.key, row.labels, row.expires_at, row.deltas(), values]).encode()


def merge_row(found: dict[RowKey, RowChange], space: RowSpace, line: bytes) -> int:
    """Add a row that some part wrote to the sums by key, and return the number of new rows and value rows.

    The caller must have set an exact decimal context.
    """
    pk, sk, labels, expires_at, deltas, values = loads_own(line)
    rows = len(found)
    row = _added(found, space, (pk, sk), tuple(labels), expires_at, tuple(deltas))
    known = len(row.value_changes)
    for value_pk, value_sk, value_labels, value_deltas in values:
        key = value_pk, value_sk
        _added(row.value_changes, space, key, tuple(value_labels), expires_at, tuple(value_deltas))
    return len(found) - rows + len(row.value_changes) - known


def keys_in(line: bytes) -> Iterator[RowKey]:
    """Yield the keys of a row that some part wrote, and of its value rows."""
    pk, sk, _, _, _, values = loads_own(line)
    yield pk, sk
    yield from ((value[0], value[1]) for value in values)


def _added(  # noqa: PLR0913, PLR0917 - the parts of a row
    rows: dict[RowKey, RowChange],
    space: RowSpace,
    key: RowKey,
    labels: tuple[Any, ...],
    expires_at: int | None,
    deltas: Deltas,
) -> RowChange:
    row = rows.get(key)
    if row is None:
        row = rows[key] = RowChange(space.layout(key), key, labels, expires_at, [(_ONE, deltas)])
    else:
        row.steps = [(_ONE, tuple(map(add, row.steps[0][1], deltas)))]
    return row


def by_key(rows: Mapping[RowKey, RowChange]) -> Iterator[tuple[RowKey, RowChange]]:
    """Yield every row and value row with its key."""
    for key, row in rows.items():
        yield key, row
        yield from row.value_changes.items()
