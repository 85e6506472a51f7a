"""Where the estimate's figures come from: list prices next to this module, and the results of `make bench`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cli.errors import CommandError

PRICES = Path(__file__).with_name("prices.json")
FIGURES = Path(__file__).parents[2] / "benchmarks" / "results" / "figures.json"

HANDLER = ("a", "handler, CPU time per change, batch of 1,000")
_WRITER = ("a", "writer, CPU time per touched known row")
_ROWS = ("c", "rows touched per 1,000 changes, batches of 1,000")
_FANOUT = ("h", "fanout, CPU time per change, batch of 1,000")
_ARCHIVE = ("h", "archive, CPU time per change, batch of 1,000")


class Prices(Struct, frozen=True):
    """List prices in dollars, by name, and when they were looked up."""

    region: str
    checked: str
    dollars: Mapping[str, float]


class Figures(Struct, frozen=True):
    """CPU time in seconds on one core at full speed: of a change in each stage, and of a row that is written.

    ``taken`` names each measurement that they come from, with its value and date.
    """

    aggregate_s: float
    row_s: float
    fanout_s: float
    archive_s: float
    taken: tuple[str, ...] = ()


def read_prices(path: Path = PRICES) -> Prices:
    """Return the list prices."""
    found = _read(path)
    dollars = {name: float(one["dollars"]) for name, one in found["prices"].items()}
    return Prices(found["region"], found["checked"], dollars)


def read_figures(path: Path = FIGURES) -> Figures:
    """Return the figures of the last `make bench`.

    Raises:
        CommandError: they are missing; the message says which.
    """
    parts = _read(path)["parts"]
    taken: list[str] = []

    def value(part: str, what: str) -> float:
        for one in parts.get(part, {}).get("results", ()):
            if one["what"] == what:
                taken.append(f"{what}: {one['value']:,.4g} {one['unit']}".rstrip() + f" ({parts[part]['measured']})")
                return float(one["value"])
        raise CommandError(f"{path} has no figure {what!r}: run `make bench PARTS={part}`.")

    handler, row, rows = value(*HANDLER) / 1e6, value(*_WRITER) / 1e6, value(*_ROWS) / 1_000
    fanout, archive = value(*_FANOUT) / 1e6, value(*_ARCHIVE) / 1e6
    return Figures(max(handler - rows * row, 0), row, fanout, archive, tuple(taken))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read ({error}): restore it from the repository.") from error
