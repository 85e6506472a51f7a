"""Histories by the thousand: played on several processes, and what a failing one comes down to."""

import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.broken_safeguards.safeguards import BROKEN_SAFEGUARDS
from tests.simulation.describe import describe
from tests.simulation.invariants import find_violations
from tests.simulation.shrink import shrink
from tests.simulation.world.isolation import isolated
from tests.simulation.world.steps import History, generate_history

_CHUNK = 100
_LINE_INTERVAL_S = 10.0  # where there is no terminal to show a bar on
# a fresh interpreter each: a fork of a process with threads, as a test's may be, can hang
_PROCESSES = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some seeds in a row, with one thing broken on purpose or nothing (``broken`` is "")."""

    seeds: range
    broken: str


def failing(chunk: Chunk) -> int | None:
    """Play the histories of some seeds and return the first seed whose history goes wrong."""
    with ExitStack() as stack:
        stack.enter_context(isolated())
        stack.enter_context(broken_safeguard(chunk.broken))
        return next((seed for seed in chunk.seeds if find_violations(generate_history(seed))), None)


def broken_safeguard(name: str) -> AbstractContextManager[Any]:
    """Break a safeguard for a while; none if there is no name."""
    return BROKEN_SAFEGUARDS[name]() if name else nullcontext()


def report(seed: int, broken: str = "") -> str:
    """Return what there is to know of a seed that fails: the shortest history found, and what is wrong at its end."""
    with ExitStack() as stack:
        stack.enter_context(isolated())
        stack.enter_context(broken_safeguard(broken))
        history = generate_history(seed)
        short = shrink(history, lambda candidate: bool(find_violations(candidate)))
        violations = describe_violations(short)
        return f"{describe(short)}\n{violations}\n(of {len(history.steps)} steps, {len(short.steps)} are left)"


def describe_violations(history: History) -> str:
    """Play a history and return what is wrong at its end, as lines."""
    return "\n".join(f"  wrong: {fault}" for fault in find_violations(history)) or "  all is well"


def _chunks(seeds: range, broken: str) -> Iterator[Chunk]:
    for start in range(0, len(seeds), _CHUNK):
        yield Chunk(seeds[start : start + _CHUNK], broken)


def run(seeds: range, broken: str, processes: int, console: Console) -> int | None:
    """Play the histories of all seeds, showing how far it is; return a seed that fails, if there is one."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]:.0f} seeds/s"), TimeRemainingColumn())
    began = reported_at = time.monotonic()
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        _PROCESSES.Pool(processes, initializer=_leave_interrupts) as pool,
    ):
        task = progress.add_task("", total=len(seeds), speed=0.0)
        for number, found in enumerate(pool.imap(failing, _chunks(seeds, broken)), start=1):
            if found is not None:
                return found
            now, done = time.monotonic(), min(number * _CHUNK, len(seeds))
            progress.update(task, completed=done, speed=done / (now - began))
            if not console.is_terminal and now - reported_at > _LINE_INTERVAL_S:
                reported_at = now
                console.print(f"{done} of {len(seeds)}, {done / (now - began):.0f} seeds/s")
    return None


def _leave_interrupts() -> None:
    # Ctrl-C is for the process that shows the bar; it ends these
    signal.signal(signal.SIGINT, signal.SIG_IGN)
