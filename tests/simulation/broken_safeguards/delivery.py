"""Safeguards of delivery, each broken in turn: checkpoints, mapping settings, replays."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import replace
from typing import Any
from unittest.mock import patch

from local.mapping import StreamSettings, shard_partition
from tailrace.aws.aggregates.outcomes import Failed
from tailrace.aws.runtime import objects
from tailrace.aws.stages import aggregate as aggregating
from tailrace.aws.stages import archive as archiving
from tailrace.aws.stages import fanout as fanning_out
from tailrace.aws.stages.stream_response import stream_response
from tailrace.encoding.json_types import Json
from tailrace.inputs.changes import RawBatch
from tests.simulation.world import readers, template_settings, world
from tests.simulation.world.archive_queue import ArchiveQueue
from tests.simulation.world.steps import Reader

type Breakage = Callable[[], AbstractContextManager[Any]]


def _checkpoint(choose: Callable[[list[int]], int | None]) -> Breakage:
    def chosen(outcomes: Any) -> int | None:
        failed = sorted(outcome.sequence for outcome in outcomes if isinstance(outcome, Failed))
        return choose(failed) if failed else None

    return lambda: patch.object(aggregating, "checkpoint", chosen)


def _next_record(module: Any) -> Breakage:
    """Report the record after the first failed one."""

    def late(event: Json, checkpoint: int | None, *state: Any) -> Json:
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]]
        after = [number for number in numbers if checkpoint is not None and number > checkpoint]
        return stream_response(event, after[0] if after else None, *state)

    return lambda: patch.object(module, "stream_response", late)


def _failures_ignored(module: Any) -> Breakage:
    return lambda: patch.object(
        module, "stream_response", lambda event, _checkpoint, *state: stream_response(event, None, *state)
    )


def _rest_left_out() -> AbstractContextManager[Any]:
    """Take a batch to be done when its first part is."""
    return patch.object(RawBatch, "divided", lambda self, _records: (self, RawBatch(self.stream, self.shard, (), ())))


def _unstored_ignored() -> AbstractContextManager[Any]:
    def careless(*arguments: Any, **options: Any) -> list[int]:
        objects.put_objects(*arguments, **options)
        return []

    return patch.object(archiving, "put_objects", careless)


@contextmanager
def _settings(**changes: Any) -> Iterator[None]:
    """Change settings of the mapping of aggregate."""
    settings = template_settings.template_settings

    def changed(reader: Reader) -> StreamSettings:
        return replace(settings(reader), **changes) if reader == "aggregate" else settings(reader)

    with patch.object(readers, "template_settings", changed):
        yield


@contextmanager
def _wrong_half_first() -> Iterator[None]:
    """Split a failed batch, and deliver its second half first."""
    halves = shard_partition.halves
    with _settings(bisect=True), patch.object(shard_partition, "halves", lambda *arguments: halves(*arguments)[::-1]):
        yield


def _ahead_of_itself() -> AbstractContextManager[Any]:
    """Let a shard deliver changes beyond one that was never delivered."""
    redeliver = world.World._redeliver
    return patch.object(world.World, "_redeliver", lambda self, step: redeliver(self, replace(step, back=-1)))


BROKEN_DELIVERY: dict[str, Breakage] = {
    "a shard is read before its parent": lambda: patch.object(readers.Readers, "_is_read", lambda *_arguments: True),
    "the checkpoint is the last failure": _checkpoint(lambda failed: failed[-1]),
    "the checkpoint is one too late": _next_record(aggregating),
    "failures are not reported": _failures_ignored(aggregating),
    "partial failures are not read": lambda: _settings(report_failures=False),
    "the rest of a batch is left out": _rest_left_out,
    "the event names no shard": lambda: _settings(tumbling_window_s=0),
    "the mapping skips a failed batch": lambda: _settings(maximum_retry_attempts=0),
    "the mapping gives up after a second attempt": lambda: _settings(maximum_retry_attempts=1),
    "the mapping gives up on records older than a minute": lambda: _settings(maximum_record_age_s=60),
    "the mapping has two lanes": lambda: _settings(parallelization=2),
    "the second half of a split is delivered first": _wrong_half_first,
    "discarded batches of fanout are not replayed": lambda: patch.object(
        world.World, "_replay_failures", lambda _self: None
    ),
    "the mapping runs ahead of itself": _ahead_of_itself,
    "fanout's checkpoint is one too late": _next_record(fanning_out),
    "fanout does not report failures": _failures_ignored(fanning_out),
    "archive does not report failures": _unstored_ignored,
    "the archive's dead letters are not redriven": lambda: patch.object(
        ArchiveQueue, "redrive_dead_letters", lambda *_: None
    ),
}
