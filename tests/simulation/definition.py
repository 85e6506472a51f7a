"""The pipeline of the simulation, its items, and an independent recount of their aggregates.

Few ids, shops and days, so that changes meet in the same rows; every kind of item that the engine treats differently.
Expected keys, days and expiry are written out by hand, so that the recount shares no code with the engine.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Any

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    Route,
    count,
    count_items,
    day,
    days,
    field,
    largest,
    last,
    maximum,
    mean,
    minimum,
    smallest,
    top,
    total,
    variance,
)
from tailrace.encoding.json_types import Item

type Key = tuple[str, str]

ORDER_SCHEMA = {
    "type": "object",
    "required": ["shop"],
    "properties": {
        "shop": {"type": "string"},
        "placed": {"type": "string"},
        "amount": {"type": ["number", "null"]},
        "paid": {"type": "boolean"},
        "customer": {"type": ["object", "null"]},
        "lines": {"type": ["array", "null"]},
    },
    "additionalProperties": False,
}


def with_size(order: Item) -> Item:
    """Add whether the order is large; fail for an amount of exactly 13."""
    amount = order.get("amount") or 0
    if amount == 13:
        raise ValueError("thirteen")
    return order | {"large": amount > 100}


def is_paid(order: Item) -> bool:
    """Tell whether an order is paid."""
    return bool(order.get("paid"))


def is_double(order: Item) -> bool:
    """Tell whether a line, in the place of the order's lines, is of more than one piece."""
    return bool(order["lines"].get("pieces", 0) > 1)


def is_large(order: Item) -> bool:
    """Tell whether an order is large."""
    return bool(order["large"])


orders = Collection("orders", schema=ORDER_SCHEMA, transform=with_size)
visits = Collection(
    "visits",
    schema={"type": "object", "required": ["page"], "properties": {"page": {"type": "string"}}},
    on_expiry="keep",
)

pipeline = Pipeline(
    collections=[orders, visits],
    aggregates=[
        Aggregate(
            "shops",
            of=orders,
            by=[field("shop")],
            measures={
                "orders": count(),
                "revenue": total("amount", where=is_paid),
                "spread": variance("amount"),
            },
        ),
        Aggregate(
            "days",
            of=orders,
            by=[day("placed", tz="Europe/Berlin"), field("shop")],
            measures={
                "basket": mean("amount"),
                "least": minimum("amount"),
                "latest": last("amount", by="placed", tz="Europe/Berlin"),
                "cheapest": smallest("amount", 2, show=["placed", "paid"]),
            },
            keep=days(90),
        ),
        Aggregate(
            "large",
            of=orders,
            by=[field("large")],
            measures={"n": count(), "sum": total("amount")},
            where=is_large,
            version=2,
            lanes=2,
        ),
        Aggregate(
            "products",
            of=orders,
            each="lines",
            by=[field("customer.city"), field("lines.product")],
            measures={
                "lines": count(),
                "orders": count_items(),
                "doubles": count_items(where=is_double),
                "pieces": total("lines.pieces"),
                "most": maximum("lines.pieces"),
            },
        ),
        Aggregate(
            "pages",
            of=visits,
            by=[field("page")],
            measures={
                "visits": count(),
                "ms": total("ms"),
                "slowest": maximum("ms"),
                "usual": top("ms", 1),
                "two": largest("ms", 2),
            },
        ),
    ],
    routes=[Route("large-orders", of=orders, when=is_large)],
)

# --- what is written --------------------------------------------------------------------------------------------------

SHOPS = {"a": "a", "b#1": "b%231"}
"""Each shop with its encoding in a key."""

FULL = "full"
FULL_AMOUNTS = (10**30, Decimal("1E-20"))
"""A shop whose sum exceeds 38 digits: its rows go wrong, which is reported and must not affect anything else."""

DAYS = {"2024-10-26T22:30:00Z": "2024-10-27", "2024-10-27T23:30:00+01:00": "2024-10-27", "2024-10-28": "2024-10-28"}
"""Each order time with its day in Berlin."""

INSTANTS = dict(zip(DAYS, ("2024-10-26T22:30", "2024-10-27T22:30", "2024-10-27T23:00"), strict=True))
"""Each order time in UTC."""

# the days end at 23:00 UTC, on the 27th and the 28th of October 2024; 90 days later
EXPIRES_AT = {"2024-10-27": 1_730_070_000 + 90 * 86_400, "2024-10-28": 1_730_156_400 + 90 * 86_400}

AMOUNTS = (None, 0, 7, Decimal("0.1"), Decimal("250.05"), 10**9, Decimal("1E-9"), 13)
"""The squares of the extremes use all 38 digits of a number; 13 breaks the transform."""

PAGES = ("/", "/help")

CITIES: tuple[Item | None, ...] = ({"city": "Oslo"}, {"city": "Bergen"}, {"city": None}, {}, None)
LINES: tuple[Item, ...] = (
    {"product": "pear", "pieces": 1},
    {"product": "pear", "pieces": 3},
    {"product": "fig", "pieces": 2},
    {"product": "fig"},
    {"product": None, "pieces": 4},
    {},
)
UNCOUNTABLE_LINE = {"product": ["pear"], "pieces": 1}
"""A line that cannot be counted: the order is counted in no row of its products, and everywhere else."""


def prepared(collection: str, item: Item | None) -> Item | None:
    """Return an item as routes, archive and aggregates see it; None if it is absent or invalid."""
    if item is None:
        return None
    if collection == "visits":
        return item if isinstance(item.get("page"), str) else None
    # planes and Bad are not collections
    fits = (
        collection == "orders"
        and isinstance(item.get("shop"), str)
        and item.keys() <= ORDER_SCHEMA["properties"].keys()  # type: ignore[attr-defined]
        and item.get("amount") != 13
    )
    return item | {"large": (item.get("amount") or 0) > 100} if fits else None


def recount(items: Iterable[tuple[str, Item]]) -> dict[Key, Item]:
    """Return the expected rows of ``(collection, item)`` pairs by key, with the engine's own count as ``~n``."""
    with localcontext(prec=200):
        return _recount(items)


def _recount(items: Iterable[tuple[str, Item]]) -> dict[Key, Item]:
    rows: defaultdict[Key, Item] = defaultdict(lambda: {"~n": 0})
    visited: list[Item] = []
    ordered: list[Item] = []
    for collection, item in items:
        seen = prepared(collection, item)
        if seen is not None:
            (visited if collection == "visits" else ordered).append(seen)
    _recount_visits(visited, rows)
    _recount_orders(ordered, rows)
    return dict(rows)


def _recount_visits(visited: list[Item], rows: defaultdict[Key, Item]) -> None:
    times: defaultdict[Key, list[int]] = defaultdict(list)
    for visit in visited:
        if isinstance(visit.get("ms"), str):
            continue  # archived, but cannot be summed
        _add(rows["~groups#pages@1", visit["page"]], {"page": visit["page"]})
        key = f"pages@1#{visit['page']}", "-"
        _add(rows[key], {"page": visit["page"]}, visits=1, ms=visit.get("ms", 0))
        if "ms" in visit:
            times[key].append(visit["ms"])
    for key, values in times.items():
        usual = min(values, key=lambda value: (-values.count(value), value))
        rows[key] |= {"slowest": max(values), "usual": [{"value": usual, "count": values.count(usual)}]}
        rows[key]["two"] = [{"value": value} for value in sorted(values, reverse=True)[:2]]


def _recount_orders(ordered: list[Item], rows: defaultdict[Key, Item]) -> None:
    amounts: defaultdict[Key, list[tuple[str, Any]]] = defaultdict(list)
    shown: defaultdict[Key, list[tuple[Any, str, tuple[int, bool | None]]]] = defaultdict(list)
    _recount_lines(ordered, rows)
    for order in ordered:
        if order["large"]:
            _add(rows["~groups#large@2", "true"], {"large": True})
            _add(rows["large@2#true", "-"], {"large": True}, n=1, sum=order["amount"])
        _add(rows["~groups#shops@1", SHOPS.get(order["shop"], FULL)], {"shop": order["shop"]})
        if order["shop"] == FULL:
            continue
        amount, there = order.get("amount") or 0, int(order.get("amount") is not None)
        paid = amount if order.get("paid") else 0
        spread = {"spread_total": amount, "spread_count": there, "spread_squares": amount * amount}
        _add(rows[f"shops@1#{SHOPS[order['shop']]}", "-"], {"shop": order["shop"]}, orders=1, revenue=paid, **spread)
        label = DAYS.get(order.get("placed", ""))
        if label is not None:
            key = f"days@1#{label}", SHOPS[order["shop"]]
            groups = {"day": label, "shop": order["shop"], "expires_at": EXPIRES_AT[label]}
            _add(rows[key], groups, basket_total=amount, basket_count=there)
            if there:
                amounts[key].append((INSTANTS[order["placed"]], amount))
                paid_rank = (0 if order.get("paid") is None else 1, order.get("paid"))
                shown[key].append((amount, order["placed"], paid_rank))
    for key, entries in shown.items():
        ranked = sorted(entries)[:2]
        rows[key]["cheapest"] = [{"value": value, "placed": placed, "paid": paid[1]} for value, placed, paid in ranked]
    for key, found in amounts.items():
        at, latest = max(found)
        least = min(amount for _, amount in found)
        rows[key] |= {"least": least, "latest": latest, "latest_at": f"{at}:00.000000Z"}


def has_uncountable_line(order: Item) -> bool:
    """Tell whether an order has a city, and a line that cannot be counted; without a city, no line is looked at."""
    city = (order.get("customer") or {}).get("city")
    return city is not None and UNCOUNTABLE_LINE in (order.get("lines") or ())


def _recount_lines(ordered: list[Item], rows: defaultdict[Key, Item]) -> None:
    for order in ordered:
        city, lines = (order.get("customer") or {}).get("city"), order.get("lines") or ()
        if city is None or has_uncountable_line(order):
            continue
        by_product: defaultdict[str, list[int | None]] = defaultdict(list)
        for line in lines:
            if line.get("product") is not None:
                by_product[line["product"]].append(line.get("pieces"))
        for product, found in by_product.items():
            pieces = [number for number in found if number is not None]
            double = int(any(number > 1 for number in pieces))
            row = rows[f"products@1#{city}", product]
            groups = {"city": city, "product": product}
            _add(row, groups, lines=len(found), orders=1, doubles=double, pieces=sum(pieces))
            if pieces:
                row["most"] = max([*pieces, row["most"]] if "most" in row else pieces)
        if by_product:
            _add(rows["~groups#products@1", city], {"city": city})


def _add(row: Item, groups: Item, **numbers: int | Decimal) -> None:
    row |= groups
    row["~n"] += 1
    for name, number in numbers.items():
        row[name] = row.get(name, 0) + number
