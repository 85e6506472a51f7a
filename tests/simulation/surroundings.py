"""What the stages reach for by themselves and a simulation cannot let them have: threads, pauses, logs and metrics."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

from tailrace.aws import aggregating, archiving, fanning_out, objects, queues
from tests.simulation.serial import Serial


def _in_turn(max_workers: int) -> Serial:
    return Serial(max_workers)


@contextmanager
def alone() -> Iterator[None]:
    """Take them away for a while: nothing sleeps, nothing is printed, and calls run one after the other."""
    silent = logging.getLogger("simulation")
    silent.setLevel(logging.CRITICAL + 1)
    with ExitStack() as stack:
        for module in (aggregating, fanning_out, archiving):
            stack.enter_context(patch.object(module, "count_metrics", lambda **_counts: None))
            stack.enter_context(patch.object(module, "logger", lambda: silent))
        stack.enter_context(patch.object(objects, "ThreadPoolExecutor", _in_turn))
        stack.enter_context(patch.object(fanning_out, "send", partial(queues.send, sleep=lambda _seconds: None)))
        yield
