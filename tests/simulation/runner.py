"""Play thousands of histories in several processes, and shrink a failing one."""

import gc
import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.broken_safeguards.safeguards import BROKEN_SAFEGUARDS
from tests.simulation.describe import describe
from tests.simulation.invariants import find_violations
from tests.simulation.shrink import shrink
from tests.simulation.world.generator import generate_history
from tests.simulation.world.isolation import isolated
from tests.simulation.world.steps import History

_CHUNK = 100
_LINE_INTERVAL_S = 10.0  # without a terminal for a progress bar
# spawn, since forking a process with threads, such as a test's, can hang
_PROCESSES = multiprocessing.get_context("spawn")


class Chunk(Struct, frozen=True):
    """Consecutive seeds, the name of a safeguard to break ("" for none), and whether aggregate carries changes."""

    seeds: range
    broken: str
    carries: bool = False


def failing(chunk: Chunk) -> int | None:
    """Play the histories of a chunk and return the first failing seed."""
    with ExitStack() as stack:
        stack.enter_context(isolated())
        stack.enter_context(broken_safeguard(chunk.broken))
        return next(
            (seed for seed in chunk.seeds if find_violations(generate_history(seed, carries=chunk.carries))), None
        )


def broken_safeguard(name: str) -> AbstractContextManager[Any]:
    """Break a safeguard within a context; "" breaks none."""
    return BROKEN_SAFEGUARDS[name]() if name else nullcontext()


def report(seed: int, broken: str = "", *, carries: bool = False) -> str:
    """Return the shortest failing history found for a failing seed, and its violations."""
    with ExitStack() as stack:
        stack.enter_context(isolated())
        stack.enter_context(broken_safeguard(broken))
        history = generate_history(seed, carries=carries)
        short = shrink(history, lambda candidate: bool(find_violations(candidate)))
        violations = describe_violations(short)
        return f"{describe(short)}\n{violations}\n({len(short.steps)} of {len(history.steps)} steps left)"


def describe_violations(history: History) -> str:
    """Play a history and return its violations as lines."""
    return "\n".join(f"  wrong: {fault}" for fault in find_violations(history)) or "  no violations"


def _chunks(seeds: range, broken: str, *, carries: bool) -> Iterator[Chunk]:
    for start in range(0, len(seeds), _CHUNK):
        yield Chunk(seeds[start : start + _CHUNK], broken, carries)


def run(seeds: range, broken: str, processes: int, console: Console, *, carries: bool = False) -> int | None:
    """Play the histories of all seeds with a progress bar; return the first failing seed, or None."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]:.0f} seeds/s"), TimeRemainingColumn())
    began = reported_at = time.monotonic()
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        _PROCESSES.Pool(processes, initializer=_prepare) as pool,
    ):
        task = progress.add_task("", total=len(seeds), speed=0.0)
        for number, found in enumerate(pool.imap(failing, _chunks(seeds, broken, carries=carries)), start=1):
            if found is not None:
                return found
            now, done = time.monotonic(), min(number * _CHUNK, len(seeds))
            progress.update(task, completed=done, speed=done / (now - began))
            if not console.is_terminal and now - reported_at > _LINE_INTERVAL_S:
                reported_at = now
                console.print(f"{done} of {len(seeds)}, {done / (now - began):.0f} seeds/s")
    return None


def _prepare() -> None:
    # Ctrl-C is handled by the main process, which stops these
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # a history leaves few cycles, and searching for them takes a tenth of the time
    gc.freeze()
    gc.set_threshold(10_000)
