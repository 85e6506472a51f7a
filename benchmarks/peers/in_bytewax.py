"""The group-by in bytewax, for a Python version that bytewax supports: ``in_bytewax.py EVENTS ROUNDS``.

Reads events from a JSON Lines file; prints per round the microseconds of CPU time per change and the number of
rows. Parsing the JSON and starting up do not count.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from benchmarks.rows import rows


def main() -> None:
    """Run the dataflow for the given number of rounds."""
    lines = Path(sys.argv[1]).read_text().splitlines()
    for _ in range(int(sys.argv[2])):
        reading = 0.0
        changes = 0

        def records() -> Iterator[Any]:
            nonlocal reading, changes
            for line in lines:
                begin = time.process_time()
                batch = json.loads(line)["Records"]
                reading += time.process_time() - begin
                changes += len(batch)
                yield from batch

        found: list[Any] = []
        flow = Dataflow("flights")
        stream = op.input("records", flow, TestingSource(records(), batch_size=1000))
        keyed = op.flat_map("rows", stream, lambda record: [("#".join(row[:3]), row[3:]) for row in rows(record)])
        summed = op.reduce_final("sum", keyed, lambda one, other: tuple(map(int.__add__, one, other)))
        op.output("out", summed, TestingSink(found))
        begin = time.process_time()
        run_main(flow)
        seconds = time.process_time() - begin - reading
        sys.stdout.write(f"{seconds / changes * 1e6} {len(found)}\n")


if __name__ == "__main__":
    main()
