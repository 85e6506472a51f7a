"""Replaces what the stages must not use in a simulation: threads, pauses, logs and metrics.

Also lowers their limits, so that the few rows and events of a simulated batch need several calls.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

from tailrace.aggregation.values import frequent_values
from tailrace.aws.aggregates import commit
from tailrace.aws.monitoring import progress
from tailrace.aws.runtime import parallel, queues
from tailrace.aws.stages import aggregate as aggregating
from tailrace.aws.stages import archive as archiving
from tailrace.aws.stages import fanout as fanning_out
from tailrace.aws.stages import write_behind
from tailrace.outputs import packing
from tests.simulation.world.serial_executor import SerialExecutor

_MOST_STATE_BYTES = 1200  # of a window: the rows of some batches
_MOST_BYTES = 540  # of a message: most events fit, some do not


def _in_turn(max_workers: int) -> SerialExecutor:
    return SerialExecutor(max_workers)


@contextmanager
def isolated() -> Iterator[None]:
    """Isolate the stages within a context: no sleeping, no output, and sequential calls."""
    silent = logging.getLogger("simulation")
    silent.setLevel(logging.CRITICAL + 1)
    with ExitStack() as stack:
        for module in (aggregating, fanning_out, archiving):
            stack.enter_context(patch.object(module, "count_metrics", lambda **_counts: None))
            stack.enter_context(patch.object(module, "logger", lambda: silent))
        for other in (progress, write_behind):
            stack.enter_context(patch.object(other, "logger", lambda: silent))
        stack.enter_context(patch.object(write_behind, "MAX_STATE_BYTES", _MOST_STATE_BYTES))
        stack.enter_context(patch.object(parallel, "ThreadPoolExecutor", _in_turn))
        stack.enter_context(patch.object(commit, "_MAX_STATEMENTS", 2))
        stack.enter_context(patch.object(frequent_values, "reserve_size", lambda _shown: 0))
        stack.enter_context(patch.object(queues, "_MAX_ENTRIES", 2))
        stack.enter_context(patch.object(packing, "MAX_MESSAGE_BYTES", _MOST_BYTES))
        stack.enter_context(
            patch.object(fanning_out, "send_messages", partial(queues.send_messages, sleep=lambda _seconds: None))
        )
        yield
