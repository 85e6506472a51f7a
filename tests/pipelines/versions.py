"""A pipeline during a change-over: two versions of one aggregate, with other groups, measures and lanes."""

from typing import Any

from tailrace import Aggregate, Collection, Pipeline, count, day, field, minimum, total

orders = Collection("orders", schema={"type": "object"})


def is_paid(order: dict[str, Any]) -> bool:
    """Return whether the order is paid."""
    return bool(order.get("paid"))


OLD = Aggregate(
    "sales",
    of=orders,
    by=[field("shop"), day("placed")],
    measures={"orders": count(), "cheapest": minimum("amount")},
)
NEW = Aggregate(
    "sales",
    of=orders,
    by=[field("shop"), day("placed"), field("paid")],
    measures={"orders": count(), "revenue": total("amount", where=is_paid)},
    version=2,
    lanes=2,
)
DAYS = Aggregate("sale_days", of=orders, by=[day("placed"), field("shop")], measures={"orders": count()})

pipeline = Pipeline(collections=[orders], aggregates=[OLD, NEW, DAYS])
without_old = Pipeline(collections=[orders], aggregates=[NEW, DAYS])
