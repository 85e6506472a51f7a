"""Describe a history in words."""

from tests.simulation.world.steps import (
    AdvanceHours,
    AdvanceSeconds,
    Archive,
    CloseShard,
    CompleteDelayedCall,
    Deliver,
    Fault,
    History,
    Redeliver,
    Restart,
    Run,
    Step,
    Write,
)


def describe(history: History) -> str:
    """Return a history as numbered lines."""
    surroundings = (
        f"seed {history.seed}: {history.shards} shard(s), batches of {history.batch_size}, window "
        f"{history.batching_window_s} s, sequence numbers from {history.first_sequence}"
        f"{', existing rows in batches' if history.batches else ''}, read by {' and '.join(history.readers)}"
    )
    if history.carries_s:
        surroundings += f", with write-behind of {history.carries_s} s and states of {history.state_limit} bytes"
    if "fanout" in history.readers:
        surroundings += f", with {history.fanout_retries} retries and a maximum age of {history.fanout_age_s} s"
        surroundings += f"; the archive's queue delivers a message up to {history.archive_receives} times"
    lines = [f"{number:4}. {_step(step)}" for number, step in enumerate(history.steps, start=1)]
    return "\n".join([surroundings, *lines, "      then everything is delivered, delayed calls included"])


def _step(step: Step) -> str:  # noqa: C901 - one case for each kind of step
    match step:
        case Write(collection, item_id, None, expired):
            return f"{collection}#{item_id} {'expires' if expired else 'is deleted'}"
        case Write(collection, item_id, item):
            fields = ", ".join(f"{name}={value}" for name, value in (item or {}).items())
            return f"{collection}#{item_id} is put: {fields}"
        case Deliver(reader, shard, run):
            return f"shard {shard} delivers its next batch to {reader}{_run(run)}"
        case Redeliver(reader, shard, back, length, run):
            beside = f"{length} changes, starting {back} before the checkpoint,"
            return f"shard {shard} delivers {beside} to {reader}, outside the mapping{_run(run)}"
        case Archive(run, again):
            old = "" if again is None else f", after a duplicate of old message {again}"
            return f"the archive's queue delivers its next messages{old}{_run(run)}"
        case Restart(reader, shard, back, batch_size):
            return (
                f"the poller of shard {shard} for {reader} restarts {back} changes back, with batches of {batch_size}"
            )
        case CloseShard(shard, split):
            return f"shard {shard} closes{' and splits' if split else ''}"
        case CompleteDelayedCall(which):
            return f"delayed call {which} arrives"
        case AdvanceSeconds(seconds):
            return f"{seconds} s pass"
        case AdvanceHours(hours):
            return f"everything settles, and {hours} h pass"


def _run(run: Run) -> str:
    parts: list[str] = [] if run.outcome == "runs" else [run.outcome]
    parts += [_fault(fault) for fault in run.faults]
    if run.order:
        parts.append(f"calls in order {run.order}")
    if run.handed is not None:
        parts.append("handed no state" if not run.handed else f"handed the state of {run.handed} invocations before")
    if run.final:
        parts.append("ends the window")
    if run.environment:
        parts.append(f"in process {run.environment}")
    return f" ({'; '.join(parts)})" if parts else ""


def _fault(fault: Fault) -> str:
    calls = f"call {fault.call}" if fault.times == 1 else f"calls {fault.call} to {fault.call + fault.times - 1}"
    if fault.meanwhile is not None:
        return f"before {calls}, meanwhile: {_step(fault.meanwhile)}"
    return f"{calls}: {fault.kind}{f' {fault.which:b}' if fault.kind == 'partly' else ''}"
