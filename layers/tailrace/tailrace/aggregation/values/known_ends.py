"""The values at an end of a main row: the row itself says where value rows have to be read, and whether at all.

A minimum is the first value row that has items. So when it was written, no value row before it had any, and since then
only those that a batch has touched can have gained any. Reading begins at the known end or at the outermost touched
value, and never passes over value rows that were emptied long ago. And a batch that touches only values behind those
that a measure shows does not change it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tailrace.definition.aggregate import ValueRows
from tailrace.definition.measures.value_rows import ValueRange


def start_key(kind: ValueRows, value_range: ValueRange, row: Mapping[str, Any], touched: Iterable[str]) -> str | None:
    """Return the sort key from which one end of the value rows has to be read; None if the row's measures still hold.

    Args:
        kind: the value rows, some of which were touched.
        value_range: ``low`` or ``high``.
        row: the order attributes of the main row.
        touched: the sort keys of the touched value rows; at least one.
    """
    outermost = min if value_range == "low" else max
    shown, items = _shown(kind, value_range, row)
    edge = outermost(touched)
    is_full = items >= kind.value_ranges[value_range]
    if is_full and edge != shown[-1] and outermost(edge, shown[-1]) == shown[-1]:
        return None
    return outermost([edge, *shown])


def _shown(kind: ValueRows, value_range: ValueRange, row: Mapping[str, Any]) -> tuple[list[str], int]:
    """Return the sort keys that a row shows at an end, the outermost first, and for how many items."""
    name, measure = max(
        ((name, one) for name, one in kind.measures.items() if one.value_range == value_range),
        key=lambda found: found[1].items_read,
    )
    labels = measure.shown_labels(name, row)
    return [kind.values.sort_key(one) for one in labels], len(labels)
