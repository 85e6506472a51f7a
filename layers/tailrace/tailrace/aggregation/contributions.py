"""The contributions of an item to the aggregates of its collection: the rows it counts in, and the numbers to add.

An item is in one row of most aggregates. An aggregate with ``each=`` counts each element of a list, and the item may be
in several of its rows; what its elements add to one row is summed, so that a change adds one step to each row.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec.structs import replace

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.failures import FAILURES, describe_failure
from tailrace.definition.fields.elements import in_element, views
from tailrace.definition.measures.linear import Predicate
from tailrace.definition.measures.value_rows import ValueEntry
from tailrace.encoding.json_types import Item
from tailrace.encoding.keys import (
    MAX_PARTITION_KEY_BYTES,
    MAX_SORT_KEY_BYTES,
    RowKey,
    lane_key,
    row_key,
    value_rows_key,
)
from tailrace.encoding.numbers import Number, exact_sums
from tailrace.errors import InvalidItem, Violation

type Deltas = tuple[Number, ...]

type EntryCounts = Counter[ValueEntry]
"""How often each value occurs among an item's elements in one row."""

type Entries = tuple[ValueEntry | EntryCounts | None, ...]

_MAX_VIOLATIONS = 20  # of the elements of one item
_MAX_FAILURES = 1000  # elements that fail alike, each at the cost of an exception
_SHORT_KEY_CHARACTERS = 256  # of at most four bytes each, so the limits in bytes need no check


class RowRef(NamedTuple):
    """A reference to a row of an aggregate: its key and group values."""

    key: RowKey
    groups: tuple[Any, ...]


class Contribution(NamedTuple):
    """The contribution of one item to one aggregate: the row, and the number to add to each counter.

    The first delta is always 1, for the item itself; the others follow ``Aggregate.layout``. ``entries`` has one entry
    for each of the aggregate's kinds of value rows: None if the item has no such value, and, with ``each=``, counts.
    """

    row_ref: RowRef
    deltas: Deltas
    entries: Entries


class Amount(NamedTuple):
    """A :class:`Contribution` without its row."""

    deltas: Deltas
    entries: Entries


type RowContributions = dict[RowKey, Contribution]
"""The contributions of one item to an aggregate in which it may be in several rows, by row; not empty."""

type ItemContribution = Contribution | RowContributions | None
"""The contribution of one item to an aggregate; None if it is in no row."""

type RowRefs = Sequence[RowRef | None]

type Contributions = tuple[RowRefs, Sequence[Amount | RowContributions | InvalidItem | None]]
"""An item's contribution to each aggregate of its collection: the rows, and what it adds there.

The two are apart because items share them: those of the same groups the rows, those of the same measures the amounts.
An item adds nothing where one of them is None. Where it may be in several rows, all that it adds replaces the amount,
and where it cannot be counted InvalidItem does.
"""


def contribution_of(
    row_ref: RowRef | None, amount: Amount | RowContributions | InvalidItem | None
) -> ItemContribution | InvalidItem:
    """Return an item's contribution to one aggregate, given its parts."""
    if not isinstance(amount, Amount):
        return amount
    return None if row_ref is None else Contribution(row_ref, *amount)


def merged(parts: Sequence[Contribution], aggregate: Aggregate) -> RowContributions | None:
    """Return what the elements of one item, each with its own contribution, add to each row; None for no elements."""
    if not parts:
        return None
    by_row: dict[RowKey, list[Contribution]] = {}
    for part in parts if aggregate.hop is None else _in_each_window(parts, aggregate):
        by_row.setdefault(part.row_ref.key, []).append(part)
    return {key: _merged_row(found, aggregate) for key, found in by_row.items()}


def _in_each_window(parts: Sequence[Contribution], aggregate: Aggregate) -> Iterator[Contribution]:
    for part in parts:
        for row_ref in _window_rows(part.row_ref, aggregate):
            yield part._replace(row_ref=row_ref)


@lru_cache(maxsize=20_000)
def _window_rows(newest: RowRef, aggregate: Aggregate) -> tuple[RowRef, ...]:
    """Return the rows of all windows that contain the first part of the newest one; raises as :func:`row_ref_for`."""
    hop = aggregate.hop
    if hop is None:
        return (newest,)
    position = aggregate.by.index(hop)
    before, after = newest.groups[:position], newest.groups[position + 1 :]
    labels = hop.labels(newest.groups[position])
    return tuple([_row_ref(aggregate, (*before, label, *after)) for label in labels])


def _merged_row(parts: list[Contribution], aggregate: Aggregate) -> Contribution:
    row_ref, deltas, entries = parts[0]
    if len(parts) == 1 and not entries:
        return parts[0]
    if len(parts) > 1:
        sums = list(exact_sums([part.deltas for part in parts]))
        for position in aggregate.once_positions:
            sums[position] = min(sums[position], 1)
        deltas = tuple(sums)
    if entries:
        kinds = zip(*[part.entries for part in parts], strict=True)
        entries = tuple([_counts(kind) for kind in kinds])
    return Contribution(row_ref, deltas, entries)


def _counts(entries: Entries) -> EntryCounts:
    return Counter([entry for entry in entries if isinstance(entry, ValueEntry)])


def item_contribution(item: Item, aggregate: Aggregate) -> ItemContribution:
    """Return the contribution of a valid, transformed item to any aggregate.

    Raises:
        InvalidItem: as :func:`contribution`; with ``each=``, if an element cannot be counted, the item is not counted.
    """
    path = aggregate.each_path
    if path is None:
        part = contribution(item, aggregate)
        return merged([] if part is None else [part], aggregate) if aggregate.is_spread else part
    parts: list[Contribution] = []
    violations: dict[Violation, None] = {}  # a field of the item itself fails in the view of every element
    failures = 0
    with _naming_the_failure(f"aggregate {aggregate.name!r}", None):
        for position, view in enumerate(views(item, path)):
            try:
                part = contribution(view, aggregate)
            except InvalidItem as error:
                violations |= dict.fromkeys(in_element(found, item, path, position) for found in error.violations)
                failures += 1
                if len(violations) >= _MAX_VIOLATIONS or failures >= _MAX_FAILURES:
                    break
            else:
                parts += [] if part is None else [part]
    if violations:
        raise InvalidItem(violations)
    return merged(parts, aggregate)


def contribution(item: Item, aggregate: Aggregate) -> Contribution | None:
    """Return the contribution of a valid, transformed item to an aggregate; None if it is in no row.

    With ``each=``, for an element's view (:func:`tailrace.definition.fields.elements.views`).

    Raises:
        InvalidItem: a group, measure or predicate fails on this item.
    """
    context = f"aggregate {aggregate.name!r}"
    with _naming_the_failure(context, aggregate.where):
        if aggregate.where is not None and not aggregate.where(item):
            return None
    with _naming_the_failure(context, None):
        row_ref = row_ref_for(item, aggregate)
    if row_ref is None:
        return None
    deltas: list[Number] = [1]
    for name, measure in aggregate.linear:
        with _naming_the_failure(f"{context}: measure {name!r}", measure.columns[0].where):
            deltas.extend(measure.deltas(item))
    entries: list[ValueEntry | None] = []
    for kind in aggregate.value_rows:
        with _naming_the_failure(f"{context}: measure {', '.join(map(repr, kind.measures))}", kind.values.where):
            entries.append(kind.values.entry(item))
    return Contribution(row_ref, tuple(deltas), tuple(entries))


@contextmanager
def _naming_the_failure(context: str, predicate: Predicate | None) -> Iterator[None]:
    """Say whose code fails on an item: a user's predicate may raise anything, and other items must not be affected."""
    try:
        yield
    except InvalidItem as error:
        violations = [replace(found, message=f"{context}: {found.message}") for found in error.violations]
        raise InvalidItem(violations) from error
    except FAILURES as error:
        reason = f"{type(error).__name__}: {error}" if predicate is None else describe_failure(error, predicate)
        raise InvalidItem([Violation("", "where", f"{context}: {reason}")]) from error


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
    return _row_ref(aggregate, tuple(groups))


def _row_ref(aggregate: Aggregate, groups: tuple[Any, ...]) -> RowRef:
    texts = [group.text(value) for group, value in zip(aggregate.by, groups, strict=True)]
    key = row_key(aggregate.name, aggregate.version, texts)
    if len(key[0]) + len(key[1]) > _SHORT_KEY_CHARACTERS:
        _check_key(aggregate, key)
    return RowRef(key, groups)


def _check_key(aggregate: Aggregate, key: RowKey) -> None:
    lanes = lane_key("", aggregate.lanes) if aggregate.lanes > 1 else ""
    parts = [(key[0], MAX_PARTITION_KEY_BYTES), (key[1] + lanes, MAX_SORT_KEY_BYTES)]
    parts += [(value_rows_key(key, kind.name), MAX_PARTITION_KEY_BYTES) for kind in aggregate.value_rows]
    for part, maximum in parts:
        size = len(part.encode())
        if size > maximum:
            text = f"the group values make a key of {size} bytes; DynamoDB allows {maximum}"
            raise InvalidItem([Violation("", "key", text)])
