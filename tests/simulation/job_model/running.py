"""Seeds played one after another, and what a failing history comes down to."""

from copy import replace

from tests.simulation.job_model.sabotage import breaking
from tests.simulation.job_model.steps import History, history_of
from tests.simulation.job_model.verdict import faults_of


def failing(chunk: tuple[range, str]) -> int | None:
    """Play some seeds, with a safeguard broken or none, and return the first whose history goes wrong."""
    seeds, broken = chunk
    with breaking(broken):
        return next((seed for seed in seeds if faults_of(history_of(seed), broken)), None)


def shrunk(history: History, broken: str) -> History:
    """Return a history that still fails, and does not without any stretch of its steps that was tried."""
    size = len(history.steps) // 2
    while size:
        start = 0
        while start < len(history.steps):
            shorter = replace(history, steps=history.steps[:start] + history.steps[start + size :])
            if faults_of(shorter, broken):
                history = shorter
            else:
                start += size
        size //= 2
    return history
