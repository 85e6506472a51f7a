"""Makes calls that do not depend on each other, several at a time."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor


def run_all[Result](
    calls: Sequence[Callable[[], Result]], threads: int, executor: Callable[[int], Executor] | None = None
) -> list[Result]:
    """Make all calls, at most ``threads`` at a time, and return their results in the order of the calls.

    A single call is made in the caller's thread: starting another one would take longer than most calls' own work.

    Raises:
        Exception: what a call raises, the first in order, after all have ended.
    """
    if not calls:
        return []
    first, *others = calls
    if not others:
        return [first()]
    with (executor or ThreadPoolExecutor)(min(threads, len(calls))) as pool:
        pending = [pool.submit(call) for call in calls]
    return [one.result() for one in pending]
