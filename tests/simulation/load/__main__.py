"""Plays histories of files that are loaded: ``python -m tests.simulation.load --seeds 10000``."""

import argparse
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.load.history import History


def play(seed: int) -> list[str]:
    """Play one history; return what is wrong, and how it came."""
    history = History(seed)
    wrong = history.play()
    return [*wrong, *history.trace] if wrong else []


def main() -> int:
    """Play many histories on all cores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    failed = 0
    with ProcessPoolExecutor() as pool:
        for seed, wrong in zip(seeds, pool.map(play, seeds, chunksize=8), strict=True):
            if wrong:
                failed += 1
                print(f"seed {seed}:", *wrong, sep="\n  ")  # noqa: T201
            if failed > 3:
                break
    print(f"{options.seeds} histories, {failed} with drift")  # noqa: T201
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
