"""Shrink a failing history while it still fails."""

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from tests.simulation.world.steps import Archive, Deliver, Fault, History, Redeliver, Run, Step

type Fails = Callable[[History], bool]

_MAX_ATTEMPTS = 5000


def shrink(history: History, fails: Fails) -> History:
    """Return a history that still fails, and none of whose simpler variants does (within the attempts allowed).

    Removes runs of steps, then single steps, then their faults, then simplifies the settings; starts over after every
    success.
    """
    tries = 0
    while True:
        for simpler in _simpler(history):
            tries += 1
            if fails(simpler):
                history = simpler
                break
            if tries >= _MAX_ATTEMPTS:
                return history
        else:
            return history


def _simpler(history: History) -> Iterator[History]:
    """Yield simpler variants of a history, the simplest first."""
    steps = history.steps
    length = len(steps)
    size = length // 2
    while size:
        for start in range(0, length, size):
            yield replace(history, steps=steps[:start] + steps[start + size :])
        size //= 2
    for index, step in enumerate(steps):
        for simpler in _simpler_steps(step):
            yield replace(history, steps=(*steps[:index], simpler, *steps[index + 1 :]))
    plainer = (
        replace(history, batches=False),
        replace(history, readers=history.readers[:1]),
        replace(history, shards=1),
        replace(history, batching_window_s=0),
        replace(history, fanout_retries=-1),
        replace(history, fanout_age_s=-1),
        replace(history, archive_receives=5),
        replace(history, state_limit=2**20),
    )
    yield from (plain for plain in plainer if plain != history)


def _simpler_steps(step: Step) -> Iterator[Step]:
    if not isinstance(step, Deliver | Redeliver | Archive):
        return
    if step.run != Run():
        yield replace(step, run=Run())
    for run in _simpler_runs(step.run):
        yield replace(step, run=run)


def _simpler_runs(run: Run) -> Iterator[Run]:
    if run.order:
        yield replace(run, order=0)
    if run.handed is not None:
        yield replace(run, handed=None)
    if run.final:
        yield replace(run, final=False)
    if run.outcome != "runs":
        yield replace(run, outcome="runs")
    for index, fault in enumerate(run.faults):
        others = (run.faults[:index], run.faults[index + 1 :])
        yield replace(run, faults=others[0] + others[1])
        for simpler in _simpler_faults(fault):
            yield replace(run, faults=(*others[0], simpler, *others[1]))


def _simpler_faults(fault: Fault) -> Iterator[Fault]:
    if fault.meanwhile is not None:
        for step in _simpler_steps(fault.meanwhile):
            yield replace(fault, meanwhile=step)
