"""Orders around the turns of clocks and years, and what the rows of them have to be, by another route."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from zoneinfo import ZoneInfo

from tailrace.encoding.json_types import Json

ZONE = ZoneInfo("Europe/Berlin")
SHOPS = ["a", "b#%", "c"]
DIGITS = Context(prec=38)


# Both changes of Berlin's clocks, the turn of a year, a year of the calendar's own weeks.
STARTS = [(2024, 3, 30, 21), (2024, 10, 26, 20), (2024, 12, 30, 12), (2025, 6, 14, 10)]
MOMENTS = [datetime(*start, 7, tzinfo=UTC) + timedelta(minutes=47 * step) for start in STARTS for step in range(24)]
ORDERS: list[Json] = [
    {"shop": shop, "placed": moment.isoformat(), "lines": (place * 7) % 11, "amount": Decimal(place * 13 % 17) / 10 + 1}
    for place, moment in enumerate(MOMENTS)
    for shop in (SHOPS if place % 4 else SHOPS[:1])
]


def label(order: Json, unit: str) -> str:
    """Return a bucket's label from the clock on the wall, by the calendar alone."""
    local = datetime.fromisoformat(order["placed"]).astimezone(ZONE)
    match unit:
        case "minute":
            return local.isoformat(timespec="minutes")
        case "hour":
            return local.replace(minute=0).isoformat(timespec="minutes")
        case "week":
            return (local.date() - timedelta(days=local.weekday())).isoformat()
        case "month":
            return f"{local:%Y-%m}"
    return f"{local:%Y-%m-%d}"


def recounted(orders: Iterable[Json], unit: str, *, time_first: bool = False, ends: bool = False) -> list[Json]:
    """Return what the rows of each shop and bucket have to be, in the order of the key."""
    groups: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for order in orders:
        groups[label(order, unit), order["shop"]].append(order)
    # the key escapes what separates its parts, and so it sorts
    escaped = {shop: shop.replace("%", "%25").replace("#", "%23") for shop in SHOPS}
    order_of = (lambda key: (key[0], escaped[key[1]])) if time_first else (lambda key: (escaped[key[1]], key[0]))
    return [row_of(time, shop, groups[time, shop], ends=ends) for time, shop in sorted(groups, key=order_of)]


def row_of(time: str, shop: str, orders: list[Json], *, ends: bool) -> Json:
    amounts = [order["amount"] for order in orders]
    size, total = len(orders), sum(amounts)
    row = {
        "time": time,
        "shop": shop,
        "orders": size,
        "lines": sum(order["lines"] for order in orders),
        "amount": DIGITS.divide(total, size),
        "spread": DIGITS.divide(sum(amount * amount for amount in amounts) * size - total * total, size * size),
    }
    if ends:
        by_time = sorted(orders, key=lambda order: (order["placed"], order["lines"]))
        row |= {"least": min(amounts), "most": max(amounts)}
        row |= {"earliest": by_time[0]["lines"], "latest": by_time[-1]["lines"]}
    return row


def seen(rows: Iterable[Json], *, ends: bool = False) -> list[Json]:
    """Return rows as the recount has them."""
    found = []
    for row in rows:
        time = next(row[name] for name in ("hour", "day", "minute", "week", "month") if name in row)
        kept = {"time": time} | {name: row[name] for name in ("shop", "orders", "lines", "amount", "spread")}
        if ends:
            kept |= {name: row[name] for name in ("least", "most")}
            kept |= {name: row[name]["value"] for name in ("earliest", "latest")}
        found.append(kept)
    return found


def joined(pages: list[list[Json]]) -> list[Json]:
    return [row for page in pages for row in page]
