"""A pipeline of every shape that a dashboard shows: nested fields, lines, windows, ranked values, ratios, no groups."""

from typing import Any

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    count,
    count_items,
    day,
    field,
    hop,
    hour,
    hours,
    largest,
    last,
    mean,
    minutes,
    ratio,
    smallest,
    total,
)
from tailrace.definition.groups.group import Group
from tailrace.definition.measures.ratios import AnyMeasure

BERLIN = "Europe/Berlin"

CART_SCHEMA = {
    "type": "object",
    "required": ["placed", "customer"],
    "properties": {
        "placed": {"type": "string"},
        "customer": {
            "type": "object",
            "properties": {"id": {"type": "string"}, "address": {"properties": {"country": {"type": "string"}}}},
        },
        "amount": {"properties": {"value": {"type": "number"}, "currency": {"type": "string"}}},
        "paid": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "stock": {"type": "object"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "product": {"type": "string"},
                    "quantity": {"type": "integer"},
                    "price": {"type": "number"},
                },
            },
        },
    },
}


def is_paid(cart: dict[str, Any]) -> bool:
    """Tell whether a cart is paid."""
    return bool(cart.get("paid"))


carts = Collection("carts", schema=CART_SCHEMA)


def sums() -> dict[str, AnyMeasure]:
    """Return measures of carts that have moving sums."""
    return {
        "carts": count(description="Of any kind."),
        "paid": count(where=is_paid),
        "paid_share": ratio("paid", "carts", description="Of all carts."),
        "revenue": total("amount.value", unit="€"),
        "mean_amount": mean("amount.value", unit="€"),
        "refunds_per_paid": ratio("refunds", "paid"),
        "refunds": count(where=lambda cart: cart.get("refunded", False)),
    }


def of_lines() -> dict[str, AnyMeasure]:
    """Return measures of the lines of carts."""
    return {
        "lines": count(),
        "carts": count_items(),
        "units": total("lines.quantity", unit="pieces"),
        "lines_per_cart": ratio("lines", "carts"),
        "price": mean("lines.price", unit="€"),
        "dearest": largest("lines.price", 3, show=["customer.id", "lines.product"], unit="€"),
    }


country: Group = field("customer.address.country")
dearest = largest("amount.value", 3, show=["customer.id", "amount.currency"], unit="€")
cheapest = smallest("amount.value", 2, unit="€")
newest = last("customer.id", by="placed", tz=BERLIN)

pipeline = Pipeline(
    collections=[carts],
    aggregates=[
        Aggregate(
            "country_hours",
            of=carts,
            by=[country, hour("placed", tz=BERLIN)],
            measures=sums() | {"dearest": dearest, "cheapest": cheapest, "newest": newest},
            description="Carts of each customer's country.",
        ),
        Aggregate(
            "product_days", of=carts, each="lines", by=[field("lines.product"), day("placed")], measures=of_lines()
        ),
        Aggregate("products", of=carts, each="lines", by=[field("lines.product")], measures=of_lines()),
        Aggregate("tag_days", of=carts, each="tags", by=[day("placed"), field("tags")], measures={"carts": count()}),
        Aggregate(
            "stock",
            of=carts,
            each="stock",
            by=[field("stock.key", name="city")],
            measures={"pieces": total("stock.value.pieces", unit="pieces")},
        ),
        Aggregate(
            "country_windows",
            of=carts,
            by=[country, hop("placed", size=hours(3), every=hours(1), tz=BERLIN)],
            measures=sums(),
        ),
        Aggregate(
            "windows",
            of=carts,
            by=[hop("placed", size=hours(72), every=hours(24), tz=BERLIN), country],
            measures={"carts": count(), "dearest": dearest},
        ),
        Aggregate("quarter_hours", of=carts, by=[country, minutes(15, "placed", tz=BERLIN)], measures=sums()),
        Aggregate(
            "everything", of=carts, by=[], measures=sums() | {"dearest": dearest, "newest": newest}, description="All."
        ),
    ],
)
