"""Histories by their seeds: the command that plays many of them, and whether a seed gives one history only."""

import argparse
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

_MAX_FAILURES = 3
_CHUNK = 4

type Play = Callable[[int], list[str]]
"""Plays the history of a seed; returns what is wrong, and how it came."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a command that plays histories, with the options that all of them have."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--seeds", type=int, default=1000)
    made.add_argument("--first", type=int, default=0)
    return made


def play_all(play: Play, options: argparse.Namespace) -> int:
    """Play many histories on all cores, print what is wrong, and return the exit status."""
    os.environ |= {"POWERTOOLS_LOG_LEVEL": "CRITICAL", "POWERTOOLS_METRICS_DISABLED": "true"}
    seeds = range(options.first, options.first + options.seeds)
    failed = 0
    with ProcessPoolExecutor() as pool:
        for seed, wrong in zip(seeds, pool.map(play, seeds, chunksize=_CHUNK), strict=True):
            if wrong:
                failed += 1
                print(f"seed {seed}:", *wrong, sep="\n  ")  # noqa: T201
            if failed > _MAX_FAILURES:
                break
    print(f"{options.seeds} histories, {failed} with drift")  # noqa: T201
    return int(failed > 0)


def first_failing(fails: Callable[[int], object], first: Sequence[int], others: Iterable[int], name: str) -> int | None:
    """Return a seed that fails, or None if none does. Warns if it should replace those to try first."""
    found = next((seed for seed in dict.fromkeys((*first, *others)) if fails(seed)), None)
    if found is not None and found not in first:
        warn_of_stale_seed(name, found)
    return found


def warn_of_stale_seed(name: str, found: int) -> None:
    """Say which seed finds a broken safeguard: those to try first do not any more, and a search takes a minute."""
    warnings.warn(f"stale seed: {name} is found by {found}", stacklevel=3)


def endings(script: str) -> set[bytes]:
    """Return what a script prints in processes whose sets have different orders."""
    return {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
