"""The contributions of an item to the aggregates of its collection: the rows it counts in, and the numbers to add.

An :class:`Evaluator` is built once per collection, so that each item costs little: it evaluates every predicate once
and reads every field once, however many measures use them, and builds a row's key once per set of group values. If
anything fails for an item, it is evaluated again aggregate by aggregate, to find out which ones can count it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from operator import itemgetter, sub
from typing import Any, NamedTuple

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.collection import Collection
from tailrace.definition.failures import describe_failure
from tailrace.definition.measures import Column, Predicate
from tailrace.definition.value_rows import ValueEntry, ValueSelection
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import (
    MAX_PARTITION_KEY_BYTES,
    MAX_SORT_KEY_BYTES,
    RowKey,
    lane_key,
    row_key,
    value_rows_key,
)
from tailrace.encoding.numbers import Number
from tailrace.errors import InvalidItem, Violation

type Deltas = tuple[Number, ...]

type Entries = tuple[ValueEntry | None, ...]

_SHORT_KEY_CHARACTERS = 256  # of at most four bytes each, so the limits in bytes need no check
_MAX_CACHED_ROWS = 50_000


class RowRef(NamedTuple):
    """A reference to a row of an aggregate: its key and group values."""

    key: RowKey
    groups: tuple[Any, ...]


class Contribution(NamedTuple):
    """The contribution of one item to one aggregate: the row, and the number to add to each counter.

    The first delta is always 1, for the item itself; the others follow ``Aggregate.layout``. ``entries`` has one entry
    for each of the aggregate's kinds of value rows, None if the item has no such value.
    """

    row_ref: RowRef
    deltas: Deltas
    entries: Entries


class Amount(NamedTuple):
    """A :class:`Contribution` without its row."""

    deltas: Deltas
    entries: Entries


class RowDelta(NamedTuple):
    """The effect of one change on a row: the number to add to each counter, and the item's old and new entries.

    ``item_delta`` is 1 if the item enters the row, -1 if it leaves, 0 if it stays; ``group_delta`` is the same for the
    value of the first group as a whole.
    """

    deltas: Deltas
    before: Entries
    after: Entries
    item_delta: int
    group_delta: int


type Contributions = tuple[Contribution | InvalidItem | None, ...]
"""An item's contribution to each aggregate of its collection: None if it is in no row, InvalidItem if it cannot be
counted there."""


def delta_between(old: Amount | Contribution | None, new: Amount | Contribution | None) -> RowDelta | None:
    """Return the delta from an item's old to its new contribution to one row; None if nothing changes."""
    if new is None:
        if old is None:
            return None
        return RowDelta(tuple([-delta for delta in old.deltas]), old.entries, (None,) * len(old.entries), -1, -1)
    if old is None:
        return RowDelta(new.deltas, (None,) * len(new.entries), new.entries, 1, 1)
    if new.deltas == old.deltas and new.entries == old.entries:
        return None
    return RowDelta(tuple(map(sub, new.deltas, old.deltas)), old.entries, new.entries, 0, 0)


def row_deltas(old: Contribution | None, new: Contribution | None) -> list[tuple[RowRef, RowDelta]]:
    """Return the deltas of a change: none, one, or two if the item moves to another row."""
    if old is None or new is None or old.row_ref.key == new.row_ref.key:
        delta = delta_between(old, new)
        present = old if new is None else new
        return [] if delta is None or present is None else [(present.row_ref, delta)]
    changes = [(old.row_ref, delta_between(old, None)), (new.row_ref, delta_between(None, new))]
    if old.row_ref.key[0] == new.row_ref.key[0]:
        return [(row_ref, delta._replace(group_delta=0)) for row_ref, delta in changes if delta is not None]
    return [(row_ref, delta) for row_ref, delta in changes if delta is not None]


def contribution(item: Item, aggregate: Aggregate) -> Contribution | None:
    """Return the contribution of a valid, transformed item to an aggregate; None if it is in no row.

    Raises:
        InvalidItem: a group, measure or predicate fails on this item.
    """
    context = f"aggregate {aggregate.name!r}"
    with _told(context, aggregate.where):
        if aggregate.where is not None and not aggregate.where(item):
            return None
    with _told(context, None):
        row_ref = row_ref_for(item, aggregate)
    if row_ref is None:
        return None
    deltas: list[Number] = [1]
    for name, measure in aggregate.linear:
        with _told(f"{context}: measure {name!r}", measure.columns[0].where):
            deltas.extend(measure.deltas(item))
    entries: list[ValueEntry | None] = []
    for kind in aggregate.value_rows:
        with _told(f"{context}: measure {', '.join(map(repr, kind.measures))}", kind.values.where):
            entries.append(kind.values.entry(item))
    return Contribution(row_ref, tuple(deltas), tuple(entries))


@contextmanager
def _told(context: str, predicate: Predicate | None) -> Iterator[None]:
    """Say in whose code an item fails: a user's predicate may raise anything, and other items must not be affected."""
    try:
        yield
    except InvalidItem as error:
        violations = [replace(found, message=f"{context}: {found.message}") for found in error.violations]
        raise InvalidItem(violations) from error
    except Exception as error:
        told = f"{type(error).__name__}: {error}" if predicate is None else describe_failure(error, predicate)
        raise InvalidItem([Violation("", "where", f"{context}: {told}")]) from error


def row_ref_for(item: Item, aggregate: Aggregate) -> RowRef | None:
    """Return the row that an item is counted in; None if a group's field is missing or null.

    Raises:
        InvalidItem: a group's value is invalid, or the key exceeds DynamoDB's limits.
    """
    groups: list[Any] = []
    for group in aggregate.by:
        value = group.value(item)
        if value is None:
            return None
        groups.append(value)
    texts = [group.text(value) for group, value in zip(aggregate.by, groups, strict=True)]
    key = row_key(aggregate.name, aggregate.version, texts)
    if len(key[0]) + len(key[1]) > _SHORT_KEY_CHARACTERS:
        _check_key(aggregate, key)
    return RowRef(key, tuple(groups))


def _check_key(aggregate: Aggregate, key: RowKey) -> None:
    lanes = lane_key("", aggregate.lanes) if aggregate.lanes > 1 else ""
    parts = [(key[0], MAX_PARTITION_KEY_BYTES), (key[1] + lanes, MAX_SORT_KEY_BYTES)]
    parts += [(value_rows_key(key, kind.name), MAX_PARTITION_KEY_BYTES) for kind in aggregate.value_rows]
    for part, maximum in parts:
        size = len(part.encode())
        if size > maximum:
            text = f"the group values make a key of {size} bytes; DynamoDB allows {maximum}"
            raise InvalidItem([Violation("", "key", text)])


class Evaluator:
    """Evaluates the contributions of one collection's items; built once from its aggregates.

    Attributes:
        collection: the collection.
        aggregates: its aggregates, in the order of :data:`Contributions`.
        no_contributions: the contributions of an absent item.
    """

    def __init__(self, collection: Collection, aggregates: Sequence[Aggregate]) -> None:
        self.collection = collection
        self.aggregates = tuple(aggregates)
        self.no_contributions: Contributions = (None,) * len(self.aggregates)
        columns = list(
            dict.fromkeys(column for aggregate in aggregates for _, m in aggregate.linear for column in m.columns)
        )
        values = list(dict.fromkeys(kind.values for aggregate in aggregates for kind in aggregate.value_rows))
        self._columns = _by_predicate(columns)
        self._values: list[ValueSelection] = values
        position = {column: index for index, column in enumerate([c for _, part in self._columns for c in part], 1)}
        self._parts = [
            (
                aggregate.where,
                _select([position[column] for _, m in aggregate.linear for column in m.columns]),
                [values.index(kind.values) for kind in aggregate.value_rows],
            )
            for aggregate in self.aggregates
        ]
        self._row_ref_caches = [_RowRefCache(aggregate) for aggregate in self.aggregates]

    def contributions_of(self, item: Item | None) -> Contributions:
        """Return the contributions of an item, or of an absent one (None). Never raises."""
        return self.no_contributions if item is None else self.contributions(item)

    def contributions(self, item: Item) -> Contributions:
        """Return the contributions of a valid, transformed item. Never raises."""
        try:
            found: list[Contribution | None] = []
            for amount, row_refs in zip(self.amounts(item), self._row_ref_caches, strict=True):
                row_ref = None if amount is None else row_refs.find(item)
                found.append(None if row_ref is None or amount is None else Contribution(row_ref, *amount))
            return tuple(found)
        except Exception:  # noqa: BLE001 - it may concern one aggregate only, so evaluate each separately
            return tuple(_evaluate_separately(item, self.aggregates))

    def amounts(self, item: Item) -> tuple[Amount | None, ...]:
        """Return what an item adds to each aggregate, in whichever row; None if the aggregate's ``where`` is false.

        Raises:
            Exception: whatever a predicate or measure raises, even if it concerns one aggregate only.
        """
        numbers = self._numbers(item)
        entries = [values.entry(item) for values in self._values]
        found: list[Amount | None] = []
        for where, select, kinds in self._parts:
            if where is not None and not where(item):
                found.append(None)
            else:
                found.append(Amount(select(numbers), tuple([entries[kind] for kind in kinds]) if kinds else ()))
        return tuple(found)

    def _numbers(self, item: Item) -> list[Number]:
        """Return 1, followed by the item's number for each column."""
        numbers: list[Number] = [1]
        for where, columns in self._columns:
            if where is None or where(item):
                for column in columns:
                    numbers.append(column.number(item))  # noqa: PERF401 - a comprehension is no faster (measured)
            else:
                numbers.extend([0] * len(columns))
        return numbers


def _evaluate_separately(item: Item, aggregates: Sequence[Aggregate]) -> list[Contribution | InvalidItem | None]:
    found: list[Contribution | InvalidItem | None] = []
    for aggregate in aggregates:
        try:
            found.append(contribution(item, aggregate))
        except InvalidItem as error:
            found.append(error)
    return found


def _select(positions: Sequence[int]) -> Callable[[list[Number]], Deltas]:
    """Return a function that picks the leading 1 and the numbers at these positions from a list."""
    return itemgetter(0, *positions) if positions else lambda _numbers: (1,)


def _by_predicate(columns: Sequence[Column]) -> list[tuple[Predicate | None, list[Column]]]:
    by_predicate: dict[Predicate | None, list[Column]] = {}
    for column in columns:
        by_predicate.setdefault(column.where, []).append(column)
    return list(by_predicate.items())


class _RowRefCache:
    """A cache of an aggregate's rows, by the values of the group fields if all of them are texts, as most are.

    Other values may be equal and still be different groups, such as ``1`` and ``true``.
    """

    def __init__(self, aggregate: Aggregate) -> None:
        self._aggregate = aggregate
        self._values: Callable[[Item], Any] = itemgetter(*(group.source for group in aggregate.by))
        self._known: dict[Any, RowRef] = {}

    def find(self, item: Item) -> RowRef | None:
        try:
            values = self._values(item)
        except KeyError:
            return row_ref_for(item, self._aggregate)
        row_ref = self._known.get(values)
        if row_ref is None:
            row_ref = row_ref_for(item, self._aggregate)
            if row_ref is not None and {str}.issuperset(map(type, values if isinstance(values, tuple) else [values])):
                if len(self._known) >= _MAX_CACHED_ROWS:
                    self._known.clear()
                self._known[values] = row_ref
        return row_ref
