"""Variants that do the same work in turn, round by round."""

import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from benchmarks.report import Show

type Variant = Callable[[], float]
"""Does the work of a round; returns the microseconds of CPU time that it took."""


def timed(work: Callable[[], object]) -> float:
    """Return the microseconds of CPU time that work takes in this process."""
    begin = time.process_time()
    work()
    return (time.process_time() - begin) * 1e6


def alternate(show: Show, title: str, rounds: Iterable[Sequence[Variant]], units: int) -> list[float]:
    """Return each variant's median of microseconds per unit; each round does ``units`` of work."""
    found: list[list[float]] = []
    for number, variants in enumerate(rounds, 1):
        show(f"{title}: round {number}")
        found.append([variant() / units for variant in variants])
    return [median(times) for times in zip(*found, strict=True)]
