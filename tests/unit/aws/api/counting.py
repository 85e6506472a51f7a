"""Orders, and the aggregate function that counts them."""

from typing import Any

from functions.aggregate.app import handler as aggregate
from tailrace.testing import event as stream


def order(hour: int, *, shop: str = "a#1", day: int = 5, amount: Any = 10, paid: bool = True) -> dict[str, Any]:
    return {"shop": shop, "placed": f"2024-03-{day:02d}T{hour:02d}:15:00+01:00", "amount": amount, "paid": paid}


def count(records: list[dict[str, Any]]) -> None:
    """Let the aggregate function count some changes; without a shard, since moto cannot describe a stream."""
    aggregate(stream(records, shard=None), None)
