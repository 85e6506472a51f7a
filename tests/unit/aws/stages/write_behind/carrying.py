"""A world in which the aggregate function carries changes that it has not committed yet."""

from typing import Any

from tailrace.encoding.dynamodb import decode_item
from tests.simulation.world.functions import PROGRESS, TABLE
from tests.simulation.world.steps import Deliver, History, Write
from tests.simulation.world.world import World

ORDER = {"shop": "a", "amount": 7, "paid": True, "placed": "2024-10-28"}
SECONDS = 60


def carrying(seconds: int = SECONDS) -> World:
    """Return a world in which one batch is committed and the next one is carried."""
    world = World(History(0, (), carries_s=seconds, batch_size=1))
    for number in ("1", "2"):
        world.play(Write("orders", number, ORDER))
        world.play(Deliver("aggregate", 0))
    return world


def rows(world: World, table: str = TABLE) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    return [decode_item(row) for row in world.functions.database.rows(table)]


def orders(world: World) -> int:
    """Return the number of orders that the rows hold."""
    return next(int(row["orders"]) for row in rows(world) if row["pk"] == "shops@1#a")


def progress(world: World) -> dict[str, Any]:
    """Return the progress row of the only shard."""
    (row,) = [row for row in rows(world, PROGRESS) if row["pk"] == "aggregate"]
    return row
