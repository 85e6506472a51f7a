"""Change the definition of a running stack while flights are fed: ``make rebuilds RUNS=20 KILL=1``.

Each round has a stack of its own, and a seed that decides when the definition changes and in which order. Stops with
status 1 after a failing round, and prints its seed and what was wrong. ``make rebuilds VERIFY=50`` instead verifies one
stack 50 times while flights are fed, and then spoils a row, which the next verification must find and repair.
"""

import argparse
import sys
from collections.abc import Sequence

from local.deployment.processes import interrupt_on_termination
from local.errors import LocalError
from local.options import MAX_SHARDS
from tests.rebuilds import verifications
from tests.rebuilds.rounds import Outcome, play

MAX_DAYS = 7
_SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line and return the exit status."""
    options = _options(arguments)
    interrupt_on_termination()  # and with it the stack of the round
    try:
        return _verifications(options) if options.verify else _rounds(options)
    except (LocalError, KeyboardInterrupt) as error:
        _print(str(error) or "Stopped.")
        return 1


def _rounds(options: argparse.Namespace) -> int:
    for number in range(options.runs):
        outcome = play(options.first + number, days=options.days, shards=options.shards, kill=options.kill)
        _print(f"{number + 1} of {options.runs}: {_describe(outcome)}")
        if outcome.violations:
            for line in outcome.violations[:_SHOWN]:
                _print(line)
            return 1
    return 0


def _verifications(options: argparse.Namespace) -> int:
    found = verifications.play(options.verify, days=options.days, shards=options.shards, tell=_print)
    for line in found.violations:
        _print(line)
    if not found.violations:
        _print(f"{found.verifications} verifications without a false alarm; a spoiled row was found and repaired.")
    _print(f"{found.changes:,} changes, {found.took_s:.0f} s")
    return int(bool(found.violations))


def _describe(outcome: Outcome) -> str:
    by_function = ", ".join(f"{name} {number}" for name, number in sorted(outcome.kills.items()))
    killed = f", {sum(outcome.kills.values())} processes killed ({by_function})" if outcome.kills else ""
    text = (
        f"seed {outcome.seed}: {'; '.join(outcome.edits)}; {outcome.changes:,} changes{killed}, {outcome.took_s:.0f} s"
    )
    return (
        f"{text}: {f'{len(outcome.violations)} differences' if outcome.violations else f'{outcome.rows:,} rows equal'}"
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make rebuilds", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1, help="number of rounds (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: %(default)s)")
    parser.add_argument("--days", type=int, default=MAX_DAYS, help="days of flights, at most 7 (default: %(default)s)")
    parser.add_argument("--shards", type=int, default=4, help="virtual shards of the stream (default: %(default)s)")
    parser.add_argument("--kill", action="store_true", help="kill processes of the functions at random moments")
    parser.add_argument("--verify", type=int, default=0, help="verify one stack so many times instead")
    options = parser.parse_args(arguments)
    bad = options.runs < 1 or min(options.first, options.verify) < 0 or not 1 <= options.days <= MAX_DAYS
    if bad or not 1 <= options.shards <= MAX_SHARDS:
        parser.error(
            f"SHARDS is 1 to {MAX_SHARDS}, DAYS is 1 to {MAX_DAYS}, RUNS is at least 1, all others are at least 0"
        )
    return options


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
