"""Play rounds of chaos against the whole stack on this machine: ``make chaos ROUNDS=200 FIRST=0``.

Each round has a seed, which decides on its faults and on what clients write; threads and processes still run as they
please. Stops with status 1 after a failing round, and prints its seed, its faults, and what was wrong.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from local.deployment.processes import interrupt_on_termination
from tests.chaos.players import playing
from tests.chaos.proxy.faults import KINDS
from tests.chaos.rounds import COMBINATIONS, Outcome
from tests.chaos.summary import describe, summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return the exit status."""
    options = _options(arguments)
    interrupt_on_termination()
    console = Console(highlight=False, soft_wrap=True, markup=False)
    seeds = range(options.first, options.first + options.rounds)
    began, outcomes = time.monotonic(), list[Outcome]()
    try:
        problem = _play(seeds, options, outcomes, console)
    except KeyboardInterrupt:
        problem = "Stopped."
    if problem:
        console.print(problem)
    console.print(summary(outcomes, time.monotonic() - began))
    return 1 if problem or any(outcome.violations for outcome in outcomes) else 0


def _play(seeds: range, options: argparse.Namespace, outcomes: list[Outcome], console: Console) -> str:
    """Play rounds and add their outcomes; return a sentence if a stack fails."""
    with _bar(console, len(seeds)) as advance, playing(seeds, options.stacks, options.shards) as results:
        for outcome in results:
            if isinstance(outcome, str):
                return outcome
            outcomes.append(outcome)
            advance(outcome)
            if outcome.violations:
                console.print(describe(outcome))
                if not options.go_on:
                    break
    return ""


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    faults = "\n".join(f"  {name:<10} {kind.meaning}" for name, kind in KINDS.items())
    parser = argparse.ArgumentParser(
        prog="make chaos",
        description=(__doc__ or "").partition("\n")[0],
        epilog=f"faults:\n{faults}\n\nThe first {len(COMBINATIONS)} seeds play each alone, and then each pair.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=len(COMBINATIONS), help="number of rounds (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    parser.add_argument("--stacks", type=int, default=3, help="stacks that run side by side (default: %(default)s)")
    parser.add_argument("--shards", type=int, default=1, help="virtual shards of the stream (default: %(default)s)")
    parser.add_argument("--go-on", action="store_true", help="do not stop after a failing round")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.first < 0 or options.stacks < 1 or options.shards < 1:
        parser.error("ROUNDS, STACKS and SHARDS are at least 1, and FIRST is at least 0")
    return options


@contextmanager
def _bar(console: Console, total: int) -> Iterator[Any]:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[last]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total, last="starting the stacks")

        def advance(outcome: Outcome) -> None:
            text = f"seed {outcome.seed}: {' + '.join(outcome.kinds)}, settled in {outcome.settled_s:.0f} s"
            progress.update(task, advance=1, last=text)
            if not console.is_terminal:
                console.print(text)

        yield advance


if __name__ == "__main__":
    sys.exit(main())
