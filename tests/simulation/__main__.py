"""Play many simulated histories on all cores: ``make simulate SEEDS=100000``.

Stops with status 1 at the first failing seed, and prints the shortest variant of its history that still fails.
A seed always gives the same history.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from rich.console import Console

from tests.simulation.broken_safeguards.safeguards import BROKEN_SAFEGUARDS
from tests.simulation.describe import describe
from tests.simulation.runner import broken_safeguard, describe_violations, report, run
from tests.simulation.world.generator import generate_history
from tests.simulation.world.isolation import isolated


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="simulate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10_000, help="number of histories (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="number of processes (default: one per core)"
    )
    parser.add_argument("--show", type=int, metavar="SEED", help="print one seed's history and its violations")
    parser.add_argument(
        "--break", dest="broken", default="", choices=["", *BROKEN_SAFEGUARDS], help="play with a broken safeguard"
    )
    parser.add_argument("--carries", action="store_true", help="with write-behind, and states that are lost or older")
    given = parser.parse_args(arguments)
    if given.seeds < 1 or given.processes < 1:
        parser.error("SEEDS is at least 1, as is --processes: no history proves nothing")
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if given.show is not None:
        with isolated(), broken_safeguard(given.broken):
            history = generate_history(given.show, carries=given.carries)
            console.print(f"{describe(history)}\n{describe_violations(history)}")
        return 0
    began = time.monotonic()
    seeds = range(given.first, given.first + given.seeds)
    seed = run(seeds, given.broken, given.processes, console, carries=given.carries)
    if seed is not None:
        console.print(f"seed {seed} fails; shrinking its history …")
        console.print(report(seed, given.broken, carries=given.carries))
        return 1
    took = time.monotonic() - began
    console.print(f"{given.seeds} histories without drift in {took:.0f} s: {given.seeds / took:.0f} seeds/s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
