"""An independent recount of the simulation's aggregates.

Expected keys, days and expiry are written out by hand, so that the recount shares no code with the engine.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Any

from tailrace.encoding.json_types import Item
from tests.simulation.definition import DAYS, EXPIRES_AT, FULL, INSTANTS, SHOPS, Key, has_uncountable_line, prepared


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
    speeds: defaultdict[Key, set[Any]] = defaultdict(set)
    for visit in visited:
        site = f"sites@1#{visit['page']}", "-"
        _add(rows[site], {"page": visit["page"]})
        if "ms" in visit:
            speeds[site].add(visit["ms"])
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
        rows[key]["times"] = len(set(values))
        ranked = sorted(values)
        rows[key] |= {"median": ranked[-(-len(ranked) // 2) - 1], "late": ranked[-(-len(ranked) * 9 // 10) - 1]}
        rows[key]["two"] = [{"value": value} for value in sorted(values, reverse=True)[:2]]
    for key, found in speeds.items():
        rows[key]["speeds"] = len(found)


def _recount_orders(ordered: list[Item], rows: defaultdict[Key, Item]) -> None:
    amounts: defaultdict[Key, list[tuple[str, Any]]] = defaultdict(list)
    shown: defaultdict[Key, list[tuple[Any, str, tuple[int, bool | None]]]] = defaultdict(list)
    paid_or_not: defaultdict[Key, set[bool]] = defaultdict(set)
    _recount_lines(ordered, rows)
    _recount_cities(ordered, rows)
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
            if order.get("paid") is not None:
                paid_or_not[key].add(order["paid"])
            if there:
                amounts[key].append((INSTANTS[order["placed"]], amount))
                paid_rank = (0 if order.get("paid") is None else 1, order.get("paid"))
                shown[key].append((amount, order["placed"], paid_rank))
    for key, payments in paid_or_not.items():
        rows[key]["payments"] = len(payments)
    for key, entries in shown.items():
        ranked = sorted(entries)[:2]
        rows[key]["cheapest"] = [{"value": value, "placed": placed, "paid": paid[1]} for value, placed, paid in ranked]
    for key, found in amounts.items():
        at, latest = max(found)
        least = min(amount for _, amount in found)
        rows[key] |= {"least": least, "latest": latest, "latest_at": f"{at}:00.000000Z"}


def _recount_cities(ordered: list[Item], rows: defaultdict[Key, Item]) -> None:
    found: defaultdict[Key, tuple[set[str], set[Any]]] = defaultdict(lambda: (set(), set()))
    for order in ordered:
        if order["shop"] == FULL:
            continue
        key = f"cities@1#{SHOPS[order['shop']]}", "-"
        _add(rows[key], {"shop": order["shop"]})
        city = (order.get("customer") or {}).get("city")
        if city is not None:
            found[key][0].add(city)
        if order.get("paid") and order.get("amount") is not None:
            found[key][1].add(order["amount"])
    for key, (cities, amounts) in found.items():
        many = {"cities": len(cities), "amounts": len(amounts), "prices": len(amounts)}
        rows[key] |= {name: number for name, number in many.items() if number}


def _recount_lines(ordered: list[Item], rows: defaultdict[Key, Item]) -> None:
    sizes: defaultdict[Key, set[int]] = defaultdict(set)
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
            sizes[f"products@1#{city}", product].update(pieces)
        if by_product:
            _add(rows["~groups#products@1", city], {"city": city})
    for key, different in sizes.items():
        if different:
            rows[key]["sizes"] = len(different)


def _add(row: Item, groups: Item, **numbers: int | Decimal) -> None:
    row |= groups
    row["~n"] += 1
    for name, number in numbers.items():
        row[name] = row.get(name, 0) + number
