"""The fold: a batch of changes becomes, for each row that they touch, what to add to it.

A change adds what its new item is worth and takes back what its old item was worth. Nothing is read: the old
item comes with the change. Writes follow the rows touched, not the changes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import localcontext
from typing import Any

from tailrace.definitions import Aggregate
from tailrace.effects import Effect
from tailrace.errors import InvalidItem, Violation
from tailrace.keys import MOST_PARTITION_KEY_BYTES, MOST_SORT_KEY_BYTES, row_key
from tailrace.measures import Item
from tailrace.values import EXACT, Number

type Deltas = tuple[Number, ...]
type RowKey = tuple[str, str]

_SHORT_KEY = 256  # characters, of at most four bytes each: no need to count bytes


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one item is worth to one aggregate: the row, its group values, and the number to add to each attribute.

    The first delta is always 1, the item itself; the others follow ``Aggregate.measure_attributes``.
    """

    key: RowKey
    groups: tuple[Any, ...]
    deltas: Deltas


@dataclass(slots=True)
class RowChange:
    """Everything that a batch does to one row: one step for each change that touches it, in the order of the stream."""

    aggregate: Aggregate
    key: RowKey
    groups: tuple[Any, ...]
    steps: list[tuple[int, Deltas]] = field(default_factory=list)

    @property
    def first(self) -> int:
        """The sequence number of the first change that touches the row."""
        return self.steps[0][0]

    @property
    def last(self) -> int:
        """The sequence number of the last change that touches the row."""
        return self.steps[-1][0]

    def above(self, mark: int) -> "RowChange":
        """Return the part that a row with this mark has not absorbed."""
        return RowChange(self.aggregate, self.key, self.groups, [step for step in self.steps if step[0] > mark])

    def deltas(self) -> Deltas:
        """Return the sum of the steps, exact to the last digit."""
        if len(self.steps) == 1:
            return self.steps[0][1]
        with localcontext(EXACT):
            return tuple(sum(column) for column in zip(*(deltas for _, deltas in self.steps), strict=True))


@dataclass(frozen=True, slots=True)
class Poison:
    """An item that one aggregate could not count; it contributes nothing there, before and after."""

    event_id: str
    aggregate: str
    error: InvalidItem


@dataclass(frozen=True, slots=True)
class Folded:
    """The rows that a batch touches, in the order of first touch, and what could not be counted."""

    rows: list[RowChange]
    poison: list[Poison]


def fold(effects: Iterable[Effect], aggregates: Iterable[Aggregate]) -> Folded:
    """Fold a batch of changes, in the order of the stream, into what each touched row has to absorb."""
    by_collection: dict[str, list[Aggregate]] = {}
    for aggregate in aggregates:
        by_collection.setdefault(aggregate.of.name, []).append(aggregate)
    rows: dict[RowKey, RowChange] = {}
    poison: list[Poison] = []
    with localcontext(EXACT):
        for effect in effects:
            change = effect.change
            for aggregate in by_collection.get(change.collection, ()):
                if change.expired and aggregate.of.on_expiry == "keep":
                    continue
                for part in _difference(effect, aggregate, poison):
                    row = rows.get(part.key)
                    if row is None:
                        row = rows[part.key] = RowChange(aggregate, part.key, part.groups)
                    row.steps.append((change.sequence, part.deltas))
    return Folded(list(rows.values()), poison)


def _difference(effect: Effect, aggregate: Aggregate, poison: list[Poison]) -> list[Contribution]:
    """Return what a change does to an aggregate: nothing, one row, or (a move between groups) two."""
    try:
        new = contribution(effect.new, aggregate)
    except InvalidItem as error:
        poison.append(Poison(effect.change.event_id, aggregate.name, error))
        new = None
    try:
        old = contribution(effect.old, aggregate)
    except InvalidItem:
        old = None  # counted as poison when it came in, and contributed nothing then
    if old is None:
        return [] if new is None else [new]
    if new is None or new.key != old.key:
        retraction = Contribution(old.key, old.groups, tuple(-delta for delta in old.deltas))
        return [retraction] if new is None else [retraction, new]
    if new.deltas == old.deltas:
        return []
    difference = tuple(after - before for after, before in zip(new.deltas, old.deltas, strict=True))
    return [Contribution(new.key, new.groups, difference)]


def contribution(item: Item | None, aggregate: Aggregate) -> Contribution | None:
    """Return what an item (valid and transformed) is worth to an aggregate; None where it is in no row.

    Raises:
        InvalidItem: a group, measure or predicate cannot take this item.
    """
    if item is None:
        return None
    try:
        if aggregate.where is not None and not aggregate.where(item):
            return None
        groups: list[Any] = []
        for group in aggregate.by:
            value = group.value(item)
            if value is None:
                return None
            groups.append(value)
        deltas: list[Number] = [1]
        for measure in aggregate.measures.values():
            deltas.extend(measure.parts(item))
    except InvalidItem:
        raise
    except Exception as error:  # a user's predicate may raise anything; it must not stop the neighbours
        raise InvalidItem([Violation("", "where", f"{aggregate.name}: {type(error).__name__}: {error}")]) from error
    texts = [group.text(value) for group, value in zip(aggregate.by, groups, strict=True)]
    key = row_key(aggregate.name, aggregate.version, texts)
    if len(key[0]) + len(key[1]) > _SHORT_KEY:
        _check_key(aggregate, key)
    return Contribution(key, tuple(groups), tuple(deltas))


def _check_key(aggregate: Aggregate, key: RowKey) -> None:
    for part, most in zip(key, (MOST_PARTITION_KEY_BYTES, MOST_SORT_KEY_BYTES), strict=True):
        size = len(part.encode())
        if size > most:
            text = f"{aggregate.name}: the groups make a key of {size} bytes, and DynamoDB takes {most}"
            raise InvalidItem([Violation("", "key", text)])


def uncountable(item: Item | None, aggregates: Iterable[Aggregate]) -> list[Violation]:
    """Return why an item cannot be counted in some of its collection's aggregates; empty for most items."""
    violations: list[Violation] = []
    for aggregate in aggregates:
        try:
            contribution(item, aggregate)
        except InvalidItem as error:
            violations.extend(error.violations)
    return violations
