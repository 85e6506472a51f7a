"""Items of the shipped pipeline's collection, made up, and the aggregate rows that items must have.

The rows are computed from the items alone, without the engine's code. All departures are in the summer of 2013.
"""

import random
import string
from collections.abc import Iterable, Mapping
from typing import Any

type Item = dict[str, Any]
type RowKey = tuple[str, str]

COLLECTION = "flights"
_LATE_MINUTES = 120


class Names:
    """The names of a round: airlines and airports that no other round of the stack uses.

    Items of the growing airline are never changed once they are written.
    """

    MAX_ROUNDS = 600

    def __init__(self, number: int) -> None:
        self.number = number
        self.growing = _name(2 * number, string.digits + string.ascii_uppercase, 2)
        self.changing = _name(2 * number + 1, string.digits + string.ascii_uppercase, 2)
        self.growing_origin, self.changing_origin = (
            _name(2 * number + place, string.ascii_uppercase, 3) for place in (0, 1)
        )

    def item_id(self, entrance: str, place: int) -> str:
        """Return the id of an item."""
        return f"r{self.number}-{entrance}-{place}"

    @property
    def partitions(self) -> list[str]:
        """The aggregate table's partitions of this round."""
        both = [(self.growing, self.growing_origin), (self.changing, self.changing_origin)]
        return [
            key
            for carrier, origin in both
            for key in (f"carrier_hours@1#{carrier}", f"origin_days@1#{origin}", f"route_months@1#{origin}-IAH")
        ]


def flight(names: Names, rng: random.Random, *, growing: bool) -> Item:
    """Make up a flight."""
    item: Item = {
        "carrier": names.growing if growing else names.changing,
        "flight": rng.randint(0, 9999),
        "origin": names.growing_origin if growing else names.changing_origin,
        "dest": "IAH",
        "distance": rng.randint(0, 3000),
        "scheduled_departure": f"2013-07-{rng.randint(1, 3):02}T{rng.randint(5, 9):02}:15:00-04:00",
        "sched_arr_time": 1803,
    }
    return item | progress(rng)


def progress(rng: random.Random) -> Item:
    """Make up the part of a flight that changes. Each has all fields of the one before, or it replaces the item."""
    status = rng.choice(["scheduled", "departed", "landed", "cancelled"])
    delay = rng.choice([-5, 0, 12, 119, 120, 121, 400])
    departed = {"dep_time": 815, "dep_delay": delay} if status in ("departed", "landed") else {}
    landed = {"arr_time": 1103, "arr_delay": delay - 7, "air_time": rng.randint(30, 300)} if status == "landed" else {}
    return {"status": status} | departed | landed


def prepared(item: Item | None) -> Item | None:
    """Restate the transform."""
    if item is None:
        return None
    renamed = {
        "dep_time": "departure_time",
        "dep_delay": "departure_delay",
        "sched_arr_time": "scheduled_arrival_time",
        "arr_time": "arrival_time",
        "arr_delay": "arrival_delay",
    }
    return {renamed.get(name, name): value for name, value in item.items()} | {
        "route": f"{item['origin']}-{item['dest']}"
    }


def is_disrupted(item: Item | None) -> bool:
    """Tell whether the route gets an item."""
    if item is None:
        return False
    late = max(item.get("dep_delay", 0), item.get("arr_delay", 0))
    return bool(item["status"] == "cancelled" or late > _LATE_MINUTES)


def recount(items: Iterable[Item]) -> dict[RowKey, dict[str, Any]]:
    """Return the rows that items must have, without the engine's own fields."""
    rows: dict[RowKey, list[Item]] = {}
    groups: dict[RowKey, dict[str, str]] = {}
    for item in items:
        departure, route = item["scheduled_departure"], f"{item['origin']}-{item['dest']}"
        for aggregate, name, value, unit, bucket in (
            ("carrier_hours", "carrier", item["carrier"], "hour", f"{departure[:13]}:00-04:00"),
            ("origin_days", "origin", item["origin"], "day", departure[:10]),
            ("route_months", "route", route, "month", departure[:7]),
        ):
            key = f"{aggregate}@1#{value}", bucket
            rows.setdefault(key, []).append(item)
            groups[key] = {name: value, unit: bucket}
    return {key: groups[key] | _measures(key[0], members) for key, members in rows.items()}


def _measures(partition: str, items: list[Item]) -> dict[str, int]:
    delays = [item["dep_delay"] for item in items if "dep_delay" in item]
    sums = {"departure_delay_total": sum(delays), "departure_delay_count": len(delays)}
    sums |= {
        f"departure_delay_variance_{name}": total for name, total in (("total", sum(delays)), ("count", len(delays)))
    }
    found = sums | {
        "flights": len(items),
        "departures": len(delays),
        "cancellations": sum(item["status"] == "cancelled" for item in items),
        "departure_delay_variance_squares": sum(delay * delay for delay in delays),
    }
    if partition.startswith("route_months"):
        landed = [item for item in items if item["status"] == "landed"]
        found |= {
            "landings": len(landed),
            "miles": sum(item["distance"] for item in landed),
            "air_minutes": sum(item["air_time"] for item in landed),
            "arrival_delay_total": sum(item["arr_delay"] for item in landed),
            "arrival_delay_count": len(landed),
        }
    return found


def without_own(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored row without keys and the engine's own fields."""
    hidden = ("pk", "sk", "updated_at", "expires_at")
    return {name: value for name, value in row.items() if not name.startswith("~") and name not in hidden}


def _name(number: int, letters: str, length: int) -> str:
    text = ""
    for _ in range(length):
        number, place = divmod(number, len(letters))
        text = letters[place] + text
    return text
