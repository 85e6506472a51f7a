"""Many simulated histories, on all cores: ``make simulate SEEDS=100000``.

Ends with status 1 at the first seed whose history goes wrong, and prints the shortest variant of it that still does.
The same seed is the same history, always.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.simulation.sabotage import SABOTAGES
from tests.simulation.shrink import shrunk
from tests.simulation.steps import History, history_of
from tests.simulation.surroundings import alone
from tests.simulation.telling import told
from tests.simulation.verdict import faults_of

_CHUNK = 100


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some seeds in a row, with one thing broken on purpose or nothing (``broken`` is "")."""

    seeds: range
    broken: str


def failing(chunk: Chunk) -> int | None:
    """Play the histories of some seeds and return the first seed whose history goes wrong."""
    with ExitStack() as stack:
        stack.enter_context(alone())
        stack.enter_context(breaking(chunk.broken))
        return next((seed for seed in chunk.seeds if faults_of(history_of(seed))), None)


def breaking(name: str) -> AbstractContextManager[Any]:
    """Break a safeguard for a while; none if there is no name."""
    return SABOTAGES[name]() if name else nullcontext()


def report(seed: int, broken: str = "") -> str:
    """Return what there is to know of a seed that fails: the shortest history found, and what is wrong at its end."""
    with ExitStack() as stack:
        stack.enter_context(alone())
        stack.enter_context(breaking(broken))
        history = history_of(seed)
        short = shrunk(history, lambda candidate: bool(faults_of(candidate)))
        return f"{told(short)}\n{_wrong(short)}\n(of {len(history.steps)} steps, {len(short.steps)} are left)"


def _wrong(history: History) -> str:
    return "\n".join(f"  wrong: {fault}" for fault in faults_of(history)) or "  all is well"


def _chunks(seeds: range, broken: str) -> Iterator[Chunk]:
    for start in range(0, len(seeds), _CHUNK):
        yield Chunk(seeds[start : start + _CHUNK], broken)


def run(seeds: range, broken: str, processes: int, console: Console) -> int | None:
    """Play the histories of all seeds, showing how far it is; return a seed that fails, if there is one."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]:.0f} seeds/s"))
    began = time.monotonic()
    with (
        Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress,
        multiprocessing.Pool(processes) as pool,
    ):
        task = progress.add_task("", total=len(seeds), speed=0.0)
        chunks = list(_chunks(seeds, broken))
        for number, found in enumerate(pool.imap(failing, chunks), start=1):
            if found is not None:
                return found
            done = min(number * _CHUNK, len(seeds))
            progress.update(task, completed=done, speed=done / (time.monotonic() - began))
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="simulate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10_000, help="how many histories (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="default: one a core")
    parser.add_argument("--tell", type=int, metavar="SEED", help="print one seed's history, and how it ends")
    parser.add_argument("--break", dest="broken", default="", choices=["", *SABOTAGES], help="break a safeguard first")
    given = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if given.tell is not None:
        with alone(), breaking(given.broken):
            history = history_of(given.tell)
            console.print(f"{told(history)}\n{_wrong(history)}")
        return 0
    began = time.monotonic()
    seed = run(range(given.first, given.first + given.seeds), given.broken, given.processes, console)
    if seed is not None:
        console.print(f"seed {seed} fails; looking for the shortest history that does …")
        console.print(report(seed, given.broken))
        return 1
    took = time.monotonic() - began
    console.print(f"{given.seeds} histories, none with drift, in {took:.0f} s: {given.seeds / took:.0f} seeds/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
