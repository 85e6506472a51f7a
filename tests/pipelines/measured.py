"""A pipeline with every measure, over a shop's orders, and a recount of its rows without the engine."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tailrace import (
    Aggregate,
    Pipeline,
    count,
    day,
    distinct,
    field,
    first,
    largest,
    last,
    maximum,
    mean,
    minimum,
    quantile,
    smallest,
    top,
    total,
    variance,
)
from tailrace.errors import InvalidItem
from tests.pipelines.orders import is_paid, orders

pipeline = Pipeline(
    collections=[orders],
    aggregates=[
        Aggregate(
            "shops",
            of=orders,
            by=[field("shop")],
            measures={
                "orders": count(),
                "revenue": total("amount"),
                "basket": mean("amount"),
                "spread": variance("amount"),
                "least": minimum("amount"),
                "most": maximum("amount", where=is_paid),
                "amounts": distinct("amount"),
                "median": quantile("amount", 0.5),
                "p90": quantile("amount", "0.9", error="0.01"),
                "usual": top("lines", 2),
                "earliest": first("lines", by="placed"),
                "latest": last("lines", by="placed"),
                "dearest": largest("amount", 3, show=["lines", "paid"]),
                "cheapest": smallest("amount", 2),
                "biggest": last("amount", by_value="lines"),
            },
        ),
        Aggregate(
            "lanes",
            of=orders,
            by=[field("shop"), day("placed")],
            measures={"orders": count(), "lines": total("lines")},
            lanes=3,
        ),
    ],
)


def instant(text: str) -> str:
    """Return a time in the format of first and last."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def recounted(items: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return each shop's order measures as its row stores them, with the exact quantile for ``p90``."""
    shops: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        try:
            order = orders.prepare(item)
            instant(order["placed"])
        except (InvalidItem, ValueError, OverflowError):
            continue
        shops.setdefault(order["shop"], []).append(order)
    return {shop: _measures(found) for shop, found in shops.items()}


def _measures(found: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"orders": len(found)}
    amounts = sorted(order["amount"] for order in found if order.get("amount") is not None)
    if amounts:
        row["cheapest"] = [{"value": amount} for amount in amounts[:2]]
        row |= {"least": amounts[0], "amounts": len(set(amounts))}
        row |= {"median": amounts[-(-len(amounts) // 2) - 1], "p90": amounts[-(-len(amounts) * 9 // 10) - 1]}
    paid = [order["amount"] for order in found if order.get("amount") is not None and order.get("paid")]
    if paid:
        row["most"] = max(paid)
    _add_ranked(row, found)
    lines = sorted((instant(order["placed"]), order["lines"]) for order in found if "lines" in order)
    if lines:
        ranked = sorted(Counter(n for _, n in lines).items(), key=lambda one: (-one[1], one[0]))
        row["usual"] = [{"value": value, "count": times} for value, times in ranked[:2]]
        row |= {"earliest_at": lines[0][0], "earliest": lines[0][1]}
        row |= {"latest_at": lines[-1][0], "latest": lines[-1][1]}
    return row


def _add_ranked(row: dict[str, Any], found: list[dict[str, Any]]) -> None:
    priced = [order for order in found if order.get("amount") is not None]
    # a missing field comes first, and False before True
    shown = [
        (order["amount"], ("lines" in order, order.get("lines", 0)), ("paid" in order, order.get("paid", False)))
        for order in priced
    ]
    if shown:
        row["dearest"] = [
            {"value": amount, "lines": lines[1] if lines[0] else None, "paid": paid[1] if paid[0] else None}
            for amount, lines, paid in sorted(shown, reverse=True)[:3]
        ]
    sized = [(order["lines"], order["amount"]) for order in priced if "lines" in order]
    if sized:
        row["biggest_by"], row["biggest"] = max(sized)


def near(found: Any, exact: Any) -> bool:
    """Tell whether ``p90`` is within its error of one hundredth."""
    return abs(Decimal(found) - Decimal(exact)) <= abs(Decimal(exact)) / 100
