"""Safeguards of delivery, each broken in turn: checkpoints, settings of the mappings, what is put back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from local.mapping import StreamSettings, shard_partition
from tailrace.aws.aggregates import commit
from tailrace.aws.runtime import objects
from tailrace.aws.runtime.stream_response import stream_response
from tailrace.aws.stages import aggregate as aggregating
from tailrace.aws.stages import archive as archiving
from tailrace.aws.stages import fanout as fanning_out
from tailrace.encoding.json_types import Json
from tests.simulation.world import template_settings, world
from tests.simulation.world.archive_queue import ArchiveQueue
from tests.simulation.world.steps import Reader

type Breakage = Callable[[], AbstractContextManager[Any]]


def _checkpoint(choose: Callable[[list[int]], int | None]) -> Breakage:
    def chosen(outcomes: Any) -> int | None:
        failed = sorted(outcome.sequence for outcome in outcomes if isinstance(outcome, commit.Failed))
        return choose(failed) if failed else None

    return lambda: patch.object(aggregating, "checkpoint", chosen)


def _next_record(module: Any) -> Breakage:
    """Report the record after the first that failed."""

    def late(event: Json, checkpoint: int | None) -> Json:
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]]
        after = [number for number in numbers if checkpoint is not None and number > checkpoint]
        return stream_response(event, after[0] if after else None)

    return lambda: patch.object(module, "stream_response", late)


def _failures_forgotten(module: Any) -> Breakage:
    return lambda: patch.object(module, "stream_response", lambda event, _checkpoint: stream_response(event, None))


def _unstored_forgotten() -> AbstractContextManager[Any]:
    def forgetful(*arguments: Any) -> list[int]:
        objects.put_objects(*arguments)
        return []

    return patch.object(archiving, "put_objects", forgetful)


@contextmanager
def _settings(**changes: Any) -> Iterator[None]:
    """Let the mapping of aggregate have other settings than the template's."""
    settings = template_settings.template_settings

    def changed(reader: Reader) -> StreamSettings:
        return replace(settings(reader), **changes) if reader == "aggregate" else settings(reader)

    with patch.object(world, "template_settings", changed):
        yield


@contextmanager
def _wrong_half_first() -> Iterator[None]:
    """Let a failed batch be split, and its second half be delivered first."""
    halves = shard_partition.halves
    with _settings(bisect=True), patch.object(shard_partition, "halves", lambda *arguments: halves(*arguments)[::-1]):
        yield


def _ahead_of_itself() -> AbstractContextManager[Any]:
    """Let a shard deliver what lies beyond a change that nobody has delivered yet."""
    redeliver = world.World._redeliver
    return patch.object(world.World, "_redeliver", lambda self, step: redeliver(self, replace(step, back=-1)))


BROKEN_DELIVERY: dict[str, Breakage] = {
    "a shard is read before its parent": lambda: patch.object(world.World, "_is_read", lambda *_arguments: True),
    "the checkpoint is the last failure": _checkpoint(lambda failed: failed[-1]),
    "the checkpoint is one too late": _next_record(aggregating),
    "failures are not reported": _failures_forgotten(aggregating),
    "partial failures are not read": lambda: _settings(report_failures=False),
    "the event names no shard": lambda: _settings(tumbling_window_s=0),
    "the mapping passes a failed batch": lambda: _settings(maximum_retry_attempts=0),
    "the mapping gives up after a second attempt": lambda: _settings(maximum_retry_attempts=1),
    "the mapping gives up what is a minute old": lambda: _settings(maximum_record_age_s=60),
    "the mapping has two lanes": lambda: _settings(parallelization=2),
    "the second half of a split comes first": _wrong_half_first,
    "what fanout gave up is not put back": lambda: patch.object(world.World, "_replay_failures", lambda _self: None),
    "the mapping runs ahead of itself": _ahead_of_itself,
    "fanout's checkpoint is one too late": _next_record(fanning_out),
    "fanout does not report failures": _failures_forgotten(fanning_out),
    "archive does not report failures": _unstored_forgotten,
    "the archive's dead letters are not put back": lambda: patch.object(
        ArchiveQueue, "redrive_dead_letters", lambda *_: None
    ),
}
