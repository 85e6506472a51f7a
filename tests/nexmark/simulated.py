"""Nexmark's queries through the faults of the simulation: ``python -m tests.nexmark.simulated --seeds 2000``.

The histories are those of ``tests.simulation``, with a bid in place of each item: the real stages, on in-memory tables,
queues and buckets that fail in every known way.
"""

import argparse
import multiprocessing
import sys
from collections import Counter
from functools import cache
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import track

from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.tagged_json import loads
from tests.nexmark.comparison import Database, Subscriber
from tests.nexmark.generator import Item
from tests.nexmark.queries import QUERIES, Query
from tests.simulation.world.functions import TABLE
from tests.simulation.world.generator import generate_history
from tests.simulation.world.isolation import isolated
from tests.simulation.world.steps import History, Step, Write
from tests.simulation.world.world import World

_BOTH_READERS, _CONTENDED = 3, 7  # every third history has fanout, too, except for every seventh of these

_AUCTIONS, _BIDDERS, _PRICES = (1001, 1107, 1110), (1001, 1002), (300, 9_999, 10_000, 2_000_000)
_TIMES = ("2015-07-15T00:00:01.999Z", "2015-07-15T00:00:02Z", "2015-07-15T09:00:09.999Z", "2015-07-16T09:00:10Z")


class BidsWorld(World):
    """A history in which every item is a bid, drawn from the history's seed and the order of the writes."""

    def play(self, step: Step) -> None:
        """Play one step."""
        World.play(self, self._with_bid(step) if isinstance(step, Write) else step)

    def _with_bid(self, write: Write) -> Write:
        drawn = Random(f"{self.history.seed} {len(self.items.log)} {write.id}")  # noqa: S311 - not for secrets
        return Write("bids", write.id, None if write.item is None else bid(drawn), expired=write.expired)


def bid(drawn: Random) -> Item:
    """Return a bid with few different values, so that bids meet in the same rows."""
    channel = drawn.choice(("Apple", "channel-1"))
    return {
        "auction": drawn.choice(_AUCTIONS),
        "bidder": drawn.choice(_BIDDERS),
        "price": drawn.choice(_PRICES),
        "channel": channel,
        "url": "https://a.b/x/y/z?q=1" + drawn.choice(("", "&channel_id=7")),
        "dateTime": drawn.choice(_TIMES),
        "received": drawn.choice(_TIMES),
        "extra": drawn.choice(("", "acc")),
    }


@cache
def database() -> Database:
    """Return this process's DuckDB."""
    return Database()


def with_fanout(seed: int) -> int:
    """Return the seed of a history with fanout, another one for each seed."""
    return (seed + seed // (_CONTENDED - 1) + 1) * _BOTH_READERS


def find_difference(query: Query, seed: int) -> str | None:
    """Play a seed's history through a query's pipeline; return how the answer differs from DuckDB's."""
    history: History = generate_history(with_fanout(seed) if query.aggregate is None else seed)
    world = BidsWorld(history, query.pipeline)
    for step in history.steps:
        world.play(step)
    world.finish()
    if world.functions.raised:
        return world.functions.raised[0]
    database().load(item for _, item in world.items.remaining_items)
    found, expected = answer(query, world), database().answer(query)
    return None if found == expected else f"found {dict(found - expected)}, expected {dict(expected - found)}"


def answer(query: Query, world: World) -> Counter[tuple[Any, ...]]:
    """Return the rows in the aggregates table, or those of a subscriber of the route."""
    if query.aggregate is not None:
        stored = map(decode_item, world.functions.database.rows(TABLE))
        shown = (query.aggregate.render(row) for row in stored if row["pk"].startswith("answer@"))
        return Counter(line for row in shown if row is not None for line in query.read(row))
    subscriber = Subscriber(query.route)
    for text in world.functions.queues.messages[query.route.name]:
        message = loads(text)
        if "dataref" in message:
            key = message["dataref"].split("/", 3)[3]
            message["data"] = loads(world.functions.bucket.objects[key].decode())
        subscriber.receive(message)
    return Counter(line for item in subscriber.items() for line in query.read(item))


def failing(task: tuple[int, range]) -> tuple[int, str] | None:
    """Play the seeds of a chunk through one query; return the first that differs, and how."""
    query = QUERIES[task[0]]
    with isolated():
        for seed in task[1]:
            told = find_difference(query, seed)
            if told is not None:
                return seed, told
    return None


def main() -> int:
    """Play the seeds through each query; return 1 if an answer differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.nexmark.simulated", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="histories for each query (default: 2000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    given = parser.parse_args()
    console, wrong = Console(), 0
    seeds = range(given.first, given.first + given.seeds)
    with multiprocessing.get_context("spawn").Pool() as pool:
        for number, query in enumerate(QUERIES):
            chunks = [(number, seeds[start : start + 50]) for start in range(0, len(seeds), 50)]
            done = pool.imap(failing, chunks)
            shown = track(done, query.name, total=len(chunks), console=console, disable=not console.is_terminal)
            found = next((one for one in shown if one is not None), None)
            wrong += found is not None
            verdict = "no drift" if found is None else f"DRIFT at seed {found[0]}: {found[1]}"
            console.print(f"{query.name:4} {len(seeds)} histories: {verdict}")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
