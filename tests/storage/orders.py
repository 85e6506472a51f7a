"""An order of one day, the row of its hour, and the changes that it goes through."""

from typing import Any

from tailrace.testing import history

DAY = {"shop": "a#b", "placed": "2024-10-27T00:30:00Z"}
HOUR = ("shop_hours@1#a%23b", "2024-10-27T02:00+02:00")
OTHER_SHARD = "shardId-00000001700000000000-ffffffff"


def steps(*orders: dict[str, Any] | None) -> list[dict[str, Any]]:
    return history("orders", [("1", order) for order in orders])
