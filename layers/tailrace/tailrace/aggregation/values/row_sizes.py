"""How large a main row may become: an upper bound that follows from its definition alone."""

from tailrace.aggregation.values.frequent_values import frequent_kinds, max_bytes
from tailrace.definition.aggregate import Aggregate
from tailrace.definition.measures.order import OrderMeasure
from tailrace.definition.measures.value_rows import MAX_VALUE_BYTES
from tailrace.encoding.keys import MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES
from tailrace.encoding.limits import MAX_ITEM_BYTES

_KEY_BYTES = MAX_PARTITION_KEY_BYTES + MAX_SORT_KEY_BYTES
_NUMBER_BYTES = 22  # of 38 digits, as DynamoDB counts them
_CONTAINER_BYTES, _ELEMENT_BYTES = 3, 1
_ENGINE_BYTES = 200  # names and values of the engine's own attributes: pk, sk, ~n, updated_at, expires_at, ~v, ~r, …


def size_problem(aggregate: Aggregate) -> str | None:
    """Return a sentence if rows of an aggregate may become too large for the table; None if they cannot."""
    most = most_row_bytes(aggregate)
    if most <= MAX_ITEM_BYTES:
        return None
    return (
        f"aggregate {aggregate.name!r}: a row may take up to {most:,} bytes, and beyond {MAX_ITEM_BYTES:,} it would "
        "lose its order measures: list fewer values, shorten names of measures and shown fields, or split the aggregate"
    )


def most_row_bytes(aggregate: Aggregate) -> int:
    """Return the most bytes that a main row takes, without the marks of the shards that write to it.

    The values of groups are in the row's key, whose size is limited. So is that of each value of an order measure.
    """
    labels = sum(len(name.encode()) for name in aggregate.layout.labels) + _KEY_BYTES
    counters = sum(len(name.encode()) + _NUMBER_BYTES for name in aggregate.layout.counters)
    order = sum(
        _order_bytes(name, measure)
        for name, measure in aggregate.stored_measures.items()
        if isinstance(measure, OrderMeasure)
    )
    kinds = len(frequent_kinds(aggregate))
    reserve = kinds * max_bytes(kinds) if kinds else 0
    return _ENGINE_BYTES + _KEY_BYTES + labels + counters + order + reserve


def _order_bytes(name: str, measure: OrderMeasure) -> int:
    names = sum(len(one.encode()) for one in measure.attributes(name))
    if measure.is_counted:
        return names + _NUMBER_BYTES
    if not measure.most:
        return names + len(measure.attributes(name)) * MAX_VALUE_BYTES
    if measure.kind == "top":
        members = len("value") + len("count") + _NUMBER_BYTES + MAX_VALUE_BYTES + 2 * _ELEMENT_BYTES
    else:
        members = sum(len(one.encode()) + _ELEMENT_BYTES + MAX_VALUE_BYTES for one in measure.members)
    return names + _CONTAINER_BYTES + measure.most * (_CONTAINER_BYTES + _ELEMENT_BYTES + members)
