"""Several who do something at the same time."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

WRITERS = 6


def run_concurrently[T](work: Callable[[int], T], writers: int = WRITERS) -> list[T]:
    """Let writers work at the same time, and return what each says."""
    ready = threading.Barrier(writers)

    def begin(writer: int) -> T:
        ready.wait()
        return work(writer)

    with ThreadPoolExecutor(writers) as pool:
        return list(pool.map(begin, range(writers)))
