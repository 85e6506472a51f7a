"""A pipeline unlike the shipped one: a shop's orders, with decimals, sets and nested values."""

from decimal import Decimal
from typing import Any

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    Route,
    count,
    day,
    days,
    field,
    hour,
    mean,
    month,
    total,
    variance,
    week,
)

ORDER_SCHEMA = {
    "type": "object",
    "required": ["shop", "placed"],
    "properties": {
        "shop": {"type": "string", "minLength": 1, "maxLength": 40},
        "placed": {"type": "string", "maxLength": 40},
        "amount": {"type": ["number", "null"]},
        "paid": {"type": "boolean"},
        "lines": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}},
        "notes": {"type": "object"},
    },
    "additionalProperties": False,
}


def with_size(order: dict[str, Any]) -> dict[str, Any]:
    """Add whether the order is large; raises for an order of exactly 13 lines."""
    if order.get("lines") == 13:
        raise ValueError("thirteen")
    order["large"] = (order.get("amount") or 0) > 100
    return order


def is_paid(order: dict[str, Any]) -> bool:
    """Tell whether the order is paid."""
    return bool(order.get("paid"))


def is_large(order: dict[str, Any]) -> bool:
    """Tell whether the order is large."""
    return bool(order["large"])


orders = Collection("orders", schema=ORDER_SCHEMA, transform=with_size, on_expiry="keep")
visits = Collection(
    "visits",
    id_from="*",
    schema={
        "type": "object",
        "required": ["page"],
        "properties": {"page": {"type": "string"}, "ms": {"type": "number"}, "at": {"type": "number"}},
        "additionalProperties": False,
    },
)

pipeline = Pipeline(
    collections=[orders, visits],
    aggregates=[
        Aggregate(
            "shop_hours",
            of=orders,
            by=[field("shop"), hour("placed", tz="Europe/Berlin")],
            measures={
                "orders": count(),
                "paid": count(where=is_paid),
                "revenue": total("amount", where=is_paid),
                "basket": mean("amount"),
                "spread": variance("amount"),
            },
            keep=days(36_500),
        ),
        Aggregate("days", of=orders, by=[day("placed", tz="Asia/Kolkata"), field("shop")], measures={"n": count()}),
        Aggregate(
            "large_weeks",
            of=orders,
            by=[week("placed"), field("large")],
            measures={"lines": total("lines")},
            where=is_large,
        ),
        Aggregate("months", of=orders, by=[month("placed")], measures={"lines": mean("lines")}, version=2),
        Aggregate("pages", of=visits, by=[field("page")], measures={"visits": count(), "ms": variance("ms")}),
    ],
    routes=[Route("large-orders", of=orders, when=is_large)],
)

SMALLEST_AMOUNT = Decimal("0.01")
