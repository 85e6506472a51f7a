"""The values at given ranks of a row, found without reading the others.

A quantile depends on how many items are below a value, so value rows alone give it only when all are read. Above them
lie *nodes*: rows that count the items whose values' sort keys begin with the same characters, in one level or in
several. Reading descends from the nodes of the first level into those that hold a rank, and ends at the values of a
node with few items or of the last level. So a batch reads some dozens of rows, however many values there are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal

from tailrace.definition.measures.order import quantile_rank
from tailrace.definition.measures.value_rows import ValueCount
from tailrace.encoding.numbers import Number

type ReadLevel = Callable[[int, str, bool], Sequence[ValueCount]]
"""Reads the rows of a level, in key order: those whose sort keys begin with a text, or are equal to it.

The level below all nodes has the values. A node's only label is its sort key."""

_FEW_ITEMS = 100
"""So many items have at most as many values, about as many rows as the nodes of a level."""


class NoSuchValue(LookupError):
    """A node has items, but no value row under it has: another delivery has written one of the two so far."""


def counts_at_ranks(fractions: Iterable[Decimal], lengths: Sequence[int], read: ReadLevel) -> list[ValueCount]:
    """Return a row's values in key order, counted; nodes that hold no quantile stand for their values, without a label.

    Args:
        fractions: the fractions of the quantiles that the result has to answer.
        lengths: for each level of nodes, at least one, how long the sort keys of its nodes are; that of a shorter value
            is its node's, too.
        read: reads one level.

    Raises:
        NoSuchValue: the rows contradict each other.
    """
    nodes = read(0, "", False)
    items = sum(node.items for node in nodes)
    return list(_expanded(nodes, [quantile_rank(one, items) for one in fractions], 0, lengths, read))


def _expanded(
    nodes: Sequence[ValueCount], ranks: Sequence[Decimal], level: int, lengths: Sequence[int], read: ReadLevel
) -> Iterator[ValueCount]:
    """Yield the nodes of a level, and in the place of those that hold a rank what is below them."""
    last = len(lengths) - 1
    below: Number = 0
    for node in nodes:
        inside = [rank - below for rank in ranks if below < rank <= below + node.items]
        below += node.items
        (key,) = node.labels
        is_value = len(key) < lengths[level]
        if not inside:
            yield ValueCount((None,), node.items)
        elif is_value or level == last or node.items <= _FEW_ITEMS:
            yield from _adjusted(read(last + 1, key, is_value), node.items)
        else:
            found = _adjusted(read(level + 1, key, False), node.items)
            yield from _expanded(found, inside, level + 1, lengths, read)


def _adjusted(found: Sequence[ValueCount], items: Number) -> list[ValueCount]:
    """Return what is below a node as if it had the node's number of items.

    Other deliveries write while this one reads, so the numbers may differ for a moment. Whichever delivery writes the
    main row last has read both after all were written.
    """
    if not found:
        raise NoSuchValue
    adjusted, left = [], items
    for count in found[:-1]:
        counted = min(count.items, left)
        left -= counted
        adjusted.append(ValueCount(count.labels, counted))
    return [*adjusted, ValueCount(found[-1].labels, left)]
