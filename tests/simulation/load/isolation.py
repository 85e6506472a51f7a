"""Replaces what ``load`` must not use in a simulation, and lowers its limits, so that short files take long."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

from tailrace.aws.items import batch_writer
from tailrace.aws.runtime import object_reader, parallel
from tailrace.aws.stages import load
from tests.simulation.world.serial_executor import SerialExecutor


def _put_all(client: Any, *arguments: Any, **options: Any) -> Any:
    return batch_writer.put_all_or_raise(client, *arguments, sleep=client.sleep, **options)


@contextmanager
def isolated(flush_lines: int, chance: Random) -> Iterator[None]:
    """Isolate the stage within a context: virtual time, no output, sequential calls."""
    silent = logging.getLogger("simulation")
    silent.setLevel(logging.CRITICAL + 1)
    with ExitStack() as stack:
        for name, value in {
            "_FLUSH_LINES": flush_lines,
            "count_metrics": lambda **_counts: None,
            "logger": lambda: silent,
            "log_written": lambda _rows: None,
            "put_all_or_raise": _put_all,
        }.items():
            stack.enter_context(patch.object(load, name, value))
        stack.enter_context(patch.object(batch_writer, "_MAX_ITEMS", 2))
        stack.enter_context(patch.object(batch_writer, "random", chance))
        stack.enter_context(patch.object(object_reader, "RANGE_BYTES", 250))
        stack.enter_context(patch.object(parallel, "ThreadPoolExecutor", lambda _threads: SerialExecutor(0)))
        yield
