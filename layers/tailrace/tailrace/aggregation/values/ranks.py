"""The values at given ranks of a row, found without reading the others.

A quantile depends on how many items are below a value, so value rows alone give it only when all are read. Above them
are *nodes*: rows that count the items whose values' sort keys begin with the same characters, in one level or in
several. Reading descends from the nodes of the first level into those that hold a rank, and ends at the values of a
node with few items or of the last level. Below a node, it begins at the end that is nearer to the rank, and stops
there. So a batch reads some dozens of rows, however many values there are.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from tailrace.definition.measures.order import quantile_rank
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.encoding.numbers import Number


class Rows(Struct, frozen=True):
    """The rows of a level that are to be read.

    Attributes:
        level: the level; the one below all nodes has the values. A node's only label is its sort key.
        key: what their sort keys begin with.
        is_whole: whether it is a whole sort key.
        backward: whether to begin at the last one.
        expected: about how many are needed, to limit what is read at once; None if all are.
    """

    level: int
    key: str = ""
    is_whole: bool = False
    backward: bool = False
    expected: int | None = None


type ReadRows = Callable[[Rows], Iterable[ValueCount]]
"""Reads rows in the order of their keys, for as long as they are iterated over."""

_FEW_ITEMS = 100
"""The most items whose values are read at once: at most as many values, about as many rows as a level has nodes."""

_MANY_VALUES = 1_000
"""The most values expected under a node of the last level."""


class NoSuchValue(LookupError):
    """A node has items, but no value row under it has: another delivery has written one of the two so far."""


def counts_at_ranks(fractions: Iterable[Decimal], lengths: Sequence[int], read: ReadRows) -> list[ValueCount]:
    """Return a row's values in key order, counted; what holds no quantile is counted together, without a label.

    Args:
        fractions: the fractions of the quantiles that the result has to answer.
        lengths: for each level of nodes, at least one, how long the sort keys of its nodes are; a shorter value's
            length is that of its node, too.
        read: reads rows.

    Raises:
        NoSuchValue: the rows contradict each other.
    """
    nodes = list(read(Rows(0)))
    items = sum(node.items for node in nodes)
    return list(_expanded(nodes, [quantile_rank(one, items) for one in fractions], 0, lengths, read))


def _expanded(
    nodes: Sequence[ValueCount], ranks: Sequence[Decimal], level: int, lengths: Sequence[int], read: ReadRows
) -> Iterator[ValueCount]:
    """Yield the nodes of a level, and in place of those that hold a rank, what is below them."""
    last = len(lengths) - 1
    below: Number = 0
    for node in nodes:
        inside = [rank - below for rank in ranks if below < rank <= below + node.items]
        below += node.items
        if not inside:
            yield ValueCount((None,), node.items)
            continue
        (key,) = node.labels
        is_value = len(key) < lengths[level]
        if is_value or level == last or node.items <= _FEW_ITEMS:
            yield from _nearest(Rows(last + 1, key, is_value), _MANY_VALUES, inside, node.items, read)
        else:
            found = _nearest(Rows(level + 1, key), _FEW_ITEMS, inside, node.items, read)
            yield from _expanded(found, inside, level + 1, lengths, read)


def _nearest(rows: Rows, most: int, ranks: Sequence[Decimal], items: Number, read: ReadRows) -> list[ValueCount]:
    """Return what is below a node from one end to the ranks, and the rest together, as if it had the node's items.

    ``most`` is how many rows there may be, or more.

    Other deliveries write while this one reads, so the numbers may differ for a moment. Whichever delivery writes the
    main row last has read both after all were written.
    """
    forward, backward = max(ranks), items - min(ranks) + 1
    needed = min(forward, backward)
    found: list[ValueCount] = []
    left = items
    expected = math.ceil(needed / items * min(items, most))
    for count in read(replace(rows, backward=backward < forward, expected=expected)):
        counted = min(count.items, left)
        left -= counted
        found.append(ValueCount(count.labels, counted))
        if items - left >= needed:
            break
    if not found:
        raise NoSuchValue
    if items - left < needed:
        found[-1] = ValueCount(found[-1].labels, found[-1].items + left)
    elif left:
        found.append(ValueCount((None,), left))
    return found[::-1] if backward < forward else found
