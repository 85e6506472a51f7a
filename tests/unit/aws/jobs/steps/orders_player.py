"""A player that runs jobs on aggregates of orders while nothing else happens."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from tailrace import Aggregate, Collection, Pipeline
from tailrace.aws.custom_resources.first_control_rows import write_first_control_rows
from tailrace.encoding.dynamodb import decode_item, encode_item
from tests.simulation.jobs.history import Player, Verdict

orders = Collection("orders", schema={"type": "object"})


class Calm(Player):
    """Runs jobs while nothing else happens."""

    def __init__(self, *aggregates: Aggregate) -> None:
        super().__init__(1)
        world: Any = self.world
        world.dies, world.busy, world.roots, world.shards = 0, 0, 1, world.shards[:1]
        world.code = SimpleNamespace(pipeline=Pipeline([orders], aggregates))
        write_first_control_rows(world.job_context(), ("items", "aggregates", "progress"), is_attached=False)
        world.now += 300
        self.meanwhile: list[dict[str, Any]] = []

    def _some(self, most: int) -> None:
        """Write an item while the job waits, and nothing else."""
        if self.meanwhile:
            self.world.write(f"orders#m{len(self.meanwhile)}", self.meanwhile.pop())
            self.world.settle()

    def _give_up(self) -> None:
        """Let nothing be discarded."""

    def write(self, items: Sequence[dict[str, Any] | None]) -> None:
        """Write or delete some items, and let the stage count them."""
        for number, item in enumerate(items):
            self.world.write(f"orders#{number}", item)
        self.world.settle()

    def verify(self, *, repairs: bool = False) -> Verdict:
        """Verify everything that is live."""
        verdict = self._job("verify", list(self._control().generations), repairs=repairs)
        assert verdict.job.state == "done"
        return verdict

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of aggregates."""
        found = map(decode_item, self.world.database.rows("aggregates"))
        return [row for row in found if "@" in row["pk"] and "~n" in row]

    def change(self, pk: str, items: int, **attributes: Any) -> None:
        """Change the rows under a key with this number of items."""
        for row in self.rows():
            if (row["pk"], row["~n"]) == (pk, items):
                self.world.database.put_item(TableName="aggregates", Item=encode_item(row | attributes))
