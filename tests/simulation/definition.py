"""The pipeline of the simulation, and its items.

Few ids, shops and days, so that changes meet in the same rows; every kind of item that the engine treats differently.
"""

from decimal import Decimal

from tailrace import (
    Aggregate,
    Collection,
    Pipeline,
    Route,
    count,
    count_items,
    day,
    days,
    distinct,
    field,
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
from tailrace.encoding.json_types import Item

type Key = tuple[str, str]

DISTINCT = ("amounts", "cities", "payments", "prices", "sizes", "speeds", "times")
"""The numbers of different values; 0 and no attribute are the same."""

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
                "payments": distinct("paid"),
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
                "sizes": distinct("lines.pieces"),
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
                "times": distinct("ms"),
                "median": quantile("ms", 0.5),
                "late": quantile("ms", 0.9),
            },
        ),
        # nothing here is read back from value rows
        Aggregate(
            "cities",
            of=orders,
            by=[field("shop")],
            measures={
                "cities": distinct("customer.city"),
                "amounts": distinct("amount", where=is_paid),
                "prices": distinct("amount", where=is_paid),
            },
            listed=False,
        ),
        Aggregate("sites", of=visits, by=[field("page")], measures={"speeds": distinct("ms")}, listed=False),
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


def has_uncountable_line(order: Item) -> bool:
    """Tell whether an order has a city, and a line that cannot be counted; without a city, no line is looked at."""
    city = (order.get("customer") or {}).get("city")
    return city is not None and UNCOUNTABLE_LINE in (order.get("lines") or ())
