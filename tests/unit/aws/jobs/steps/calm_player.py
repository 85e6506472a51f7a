"""A player that runs jobs on the aggregate of page visits while nothing else happens."""

from typing import Any

from tailrace.aws.jobs.job import Job, Kind
from tailrace.encoding.dynamodb import decode_item
from tests.simulation.jobs.history import Player
from tests.simulation.jobs.world import World

PAGES = ("pages", 1)
COUNTED = {"~n": 2, "ms": 7}
"""Of page x: one item that expired, and one that is there."""


class Calm(Player):
    """Runs jobs while nobody else does anything."""

    def _some(self, most: int) -> None:
        """Let nothing happen."""

    def _give_up(self) -> None:
        """Let nothing be discarded."""

    def run(self, kind: Kind) -> Job:
        """Run a job of the visits, and return it as it ended."""
        return self._job(kind, [PAGES], repairs=kind == "verify").job


def row(world: World) -> dict[str, Any]:
    """Return the counters of page x in the newest epoch."""
    rows = [one for one in map(decode_item, world.database.rows("aggregates")) if one["pk"].startswith("pages@")]
    newest = max((one for one in rows if one["pk"].endswith("#x")), key=lambda one: one["pk"])
    return {name: newest[name] for name in COUNTED}
