"""Run the benchmarks, all or some, and write their results."""

import argparse
import atexit
import gc
import importlib
import sys
from datetime import UTC, datetime

from rich.console import Console

from benchmarks.report import RESULTS, number, write

PARTS = {
    "a": ("handlers", "the handler against the tutorial's, and the writer"),
    "b": ("folds", "the fold against bytewax, DuckDB and Polars"),
    "c": ("writes", "writes and write units per touched row"),
    "d": ("cold", "cold start and layer size"),
    "e": ("growth", "cost per change at ten times the load"),
    "w": ("stages.behind", "write units with write-behind"),
    "f": ("dollars", "dollars per million items"),
    "g": ("history", "a rebuild of a million items, and the journal"),
    "h": ("stages.compare", "the other stages against hand-written ones and libraries"),
    "v": ("stages.values", "different values, ten and a million in a row"),
    "n": ("stages.ranks", "quantiles, ten values in a row and a million"),
    "l": ("stages.elements", "lines of an item against one item for each line"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the requested parts; return the exit status, which is 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    listed = "; ".join(f"{letter}: {text}" for letter, (_, text) in PARTS.items())
    parser.add_argument("--parts", default=",".join(PARTS), help=f"comma-separated list of parts ({listed})")
    wanted = [part for part in parser.parse_args(arguments).parts.split(",") if part]
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    console = Console()
    atexit.register(gc.unfreeze)  # else libraries report what parts keep out of garbage collections as leaks
    try:
        for part in wanted:
            module = importlib.import_module(f"benchmarks.{PARTS[part][0]}")
            with console.status(PARTS[part][1]) as status:
                found = module.run(status.update)
            for one in found:
                ratio = "" if one.ratio is None else f"   {number(one.ratio)}x {one.other}"
                console.print(
                    f"({part}) {one.what}: {number(one.value)} {one.unit}{ratio}", highlight=False, soft_wrap=True
                )
            write(
                found, datetime.now(UTC)
            )  # immediately: later parts may read it, and Ctrl-C loses only the current one
    except KeyboardInterrupt:
        console.print("interrupted; finished parts have been written")
        return 130
    console.print(f"written to {RESULTS.relative_to(RESULTS.parents[1])}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
