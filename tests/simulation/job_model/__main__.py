"""Simulated builds, verifications and repairs: ``python -m tests.simulation.job_model --seeds 100000``.

Ends with status 1 at the first seed whose history goes wrong, and prints the shortest variant of it that still does.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence

from tests.simulation.job_model.running import failing, shrunk
from tests.simulation.job_model.sabotage import SABOTAGES, breaking
from tests.simulation.job_model.steps import history_of
from tests.simulation.job_model.verdict import told

_CHUNK = 100
_PROCESSES = multiprocessing.get_context("spawn")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="history", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10_000, help="how many histories (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="default: one a core")
    parser.add_argument("--break", dest="broken", default="", choices=["", *SABOTAGES], help="break a safeguard first")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    seeds = range(given.first, given.first + given.seeds)
    chunks = [(seeds[start : start + _CHUNK], given.broken) for start in range(0, len(seeds), _CHUNK)]
    with _PROCESSES.Pool(given.processes) as pool:
        found = next((seed for seed in pool.imap(failing, chunks) if seed is not None), None)
    if found is None:
        took = time.monotonic() - began
        print(f"{given.seeds} histories, none with drift, in {took:.0f} s: {given.seeds / took:.0f} seeds/s")  # noqa: T201
        return 0
    with breaking(given.broken):
        short = shrunk(history_of(found), given.broken)
        print(f"seed {found} fails\n{told(short, given.broken)}")  # noqa: T201
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
