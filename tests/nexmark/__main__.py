"""Compare every query's answer with DuckDB's: ``python -m tests.nexmark --events 1000000``."""

import argparse
import sys
import time
from datetime import timedelta

from rich.console import Console
from rich.progress import track

from tests.nexmark.comparison import Batch, Database, Table, answer, deliveries
from tests.nexmark.generator import Generator
from tests.nexmark.queries import QUERIES

_BATCH = 1000


def main() -> int:
    """Play the queries one after the other; return 1 if an answer differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.nexmark", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the generator (default: a million)")
    parser.add_argument("--seed", type=int, default=1, help="of the generator and of the deliveries (default: 1)")
    parser.add_argument("--gap-us", type=int, default=100, help="microseconds between two events (default: 100)")
    parser.add_argument("queries", nargs="*", help="names such as q5; all by default")
    given = parser.parse_args()
    unknown = set(given.queries) - {query.name for query in QUERIES}
    if unknown:
        parser.error(f"no query is named {', '.join(sorted(unknown))}; there are {', '.join(q.name for q in QUERIES)}")
    console, table = Console(), Table()
    writes = Generator(given.seed, given.events, timedelta(microseconds=given.gap_us)).writes()
    bids = [write for write in writes if write[0] == "bids"]
    records = list(table.records(track(bids, "generating", console=console, disable=not console.is_terminal)))
    database = Database()
    database.load(table.bids)
    console.print(f"{len(records):,} changes of bids; {len(table.items):,} bids at the end")
    differing = 0
    for query in QUERIES:
        if given.queries and query.name not in given.queries:
            continue
        batches: list[Batch] = list(deliveries(records, _BATCH, given.seed))
        began = time.monotonic()
        found = answer(query, track(batches, query.name, console=console, disable=not console.is_terminal))
        took = time.monotonic() - began
        expected = database.answer(query)
        differing += found != expected
        verdict = "equal" if found == expected else "DIFFERENT"
        speed = sum(len(batch) for _, batch in batches) / took
        console.print(f"{query.name:4} {verdict}: {sum(found.values()):,} rows, {speed:,.0f} changes/s")
        for line in list((found - expected) | (expected - found))[:3] if found != expected else ():
            console.print(f"     {line}: {found[line]} here, {expected[line]} in DuckDB")
    return 1 if differing else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
