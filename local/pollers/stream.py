"""The poller of a DynamoDB stream."""

import logging
import math
import time
from collections import deque
from copy import replace
from typing import Any, cast

from local.deployment.mappings import EventSourceMapping
from local.mapping import (
    DiscardedRecords,
    InvocationResult,
    StreamInvocation,
    StreamRecord,
    StreamSettings,
    StreamShard,
)
from local.mapping.settings import LATEST
from local.mapping.windows import TumblingWindow
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import CallFailed, EmulatorClient
from local.pollers.events import payload, virtual_shard, virtual_shard_ids
from local.pollers.shards import Position, ReadShard, StreamShards
from local.pollers.source_poller import MAX_CONCURRENT_INVOCATIONS, SourcePoller
from local.pollers.stream_pages import StreamPages, newest_position

logger = logging.getLogger(__name__)

READ_AHEAD_BYTES = 24 * 1024 * 1024
"""Reading pauses while more than this awaits its first delivery."""

DESCRIBE_INTERVAL_S = 10.0
"""How often the stream is described while no shard ends: a split may be listed late."""

NO_SHARD = "shardId-00000000000000000000-00000000"
"""The shard that an event without records names."""

type Call = tuple[StreamShard[bytes], StreamInvocation[bytes]]


class StreamPoller(SourcePoller[Call]):
    """Reads all shards of the emulator's stream, each as several virtual shards split by item."""

    def __init__(
        self,
        mapping: EventSourceMapping,
        settings: StreamSettings,
        emulator: EmulatorClient,
        destination: FailureDestination,
        *,
        shards: int,
    ) -> None:
        calls = min(shards * settings.parallelization, MAX_CONCURRENT_INVOCATIONS)
        super().__init__(mapping, emulator, calls=calls, warm_calls=calls)
        self._settings = settings
        self._destination = destination
        self._undelivered: deque[DiscardedRecords[bytes]] = deque()  # not yet sent to the destination
        self._virtual_shards = shards
        self._turn = 0
        self._shards = StreamShards(settings.starting_position, self._split, None)
        self._described_at = -math.inf
        self.pages = StreamPages(emulator)
        """May be shared with the pollers of other mappings."""
        self.position: Position | None = None
        """Where a later poller of this mapping may continue reading; None before the stream was described."""

    def read_from(self, position: Position | None) -> None:
        """Continue where an earlier poller was; to be called before the start."""
        self._shards = StreamShards(self._settings.starting_position, self._split, position)
        self.position = position

    def poll(self) -> bool:
        """Read a page of each shard. One that cannot be read does not hold up the others."""
        self._send_undelivered()
        self._open_shards()
        if sum(part.pending_bytes for part in self._shards.parts) > READ_AHEAD_BYTES:
            return False
        received = 0
        failure: CallFailed | None = None
        for shard in self._shards.reading.values():
            try:
                received += self._read(shard)
            except CallFailed as error:
                failure = error
        self._note_position()
        if failure is not None:
            raise failure
        return received > 0

    def _open_shards(self) -> None:
        """Describe the stream at the start, when a shard is done, and once in a while; open what may be read."""
        if self._shards.close() or not self._shards.reading:
            self._described_at = -math.inf
        if time.monotonic() >= self._described_at + DESCRIBE_INTERVAL_S:
            self._shards.open(self._described_shards())
            self._described_at = time.monotonic()

    def _split(self, shard_id: str) -> list[StreamShard[bytes]]:
        arn, now = self.mapping.source_arn, self.clock.now()
        return [
            StreamShard(self._settings, shard_id=part, source_arn=arn, now=now)
            for part in virtual_shard_ids(shard_id, self._virtual_shards)
        ]

    def _read(self, shard: ReadShard) -> int:
        """Read a page and distribute it over the virtual shards. Returns the number of its records."""
        if shard.ended:
            return 0
        began = self.clock.now()
        page = self._page(shard)
        parts = shard.parts
        filtered = 0
        for record in page:
            passes = self._settings.filter.passes(record.content)
            part = parts[virtual_shard(record.key, len(parts))]
            arrived = record.arrived + self.clock.ahead  # by this clock, as windows end by it
            part.add((replace(record, passes=passes, arrived=arrived),), began)
            filtered += not passes
        if shard.iterator is None:
            shard.end()
        elif not page:
            for part in parts:
                part.mark_caught_up(began)
        if not page:
            return 0
        shard.last_sequence = page[-1].sequence
        self.update_statistics(read=self.statistics.read + len(page), filtered=self.statistics.filtered + filtered)
        return len(page)

    def due_invocations(self, now: float) -> list[tuple[Call, bytes]]:
        """As many invocations as may run, the virtual shards taking turns.

        The records of a shard that waits for its turn go into one batch.
        """
        calls: list[tuple[Call, bytes]] = []
        parts = deque(self._shards.parts)
        parts.rotate(-self._turn)
        for turn, shard in enumerate(parts, self._turn + 1):
            while (
                self._in_flight + len(calls) < MAX_CONCURRENT_INVOCATIONS
                and (step := shard.next_invocation(now)) is not None
            ):
                if isinstance(step, DiscardedRecords):
                    self._discard(step)
                else:
                    body = payload((record.content for record in step.records), step.fields)
                    calls.append(((shard, step), body))
                    self._turn = turn
        return calls

    def handle_result(self, call: Call, result: InvocationResult, now: float) -> int:
        """Advance the shard's checkpoint."""
        shard, invocation = call
        outcome = shard.complete(invocation, result, now)
        if outcome.discarded is not None:
            self._discard(outcome.discarded)
        self._note_position()
        return outcome.acknowledged

    def empty_fields(self) -> dict[str, object]:
        """The fields of a tumbling window, if the mapping has one. The function's response is ignored."""
        if not self._settings.tumbling_window_s:
            return {}
        window = TumblingWindow.containing(self.clock.now(), self._settings.tumbling_window_s)
        return window.fields(shard_id=NO_SHARD, source_arn=self.mapping.source_arn, is_final=True)

    def pending(self) -> int:
        """Records that are not settled, batches not yet sent to the destination, and ended shards with open calls."""
        ended = sum(shard.ended for shard in self._shards.reading.values())
        return sum(part.pending for part in self._shards.parts) + len(self._undelivered) + ended

    def next_time(self) -> float | None:
        """The earliest time of all virtual shards."""
        return min((at for part in self._shards.parts if (at := part.next_time()) is not None), default=None)

    def _discard(self, discarded: DiscardedRecords[bytes]) -> None:
        self._undelivered.append(discarded)
        count = len(discarded.records)
        self.update_statistics(discarded=self.statistics.discarded + count)
        logger.warning("%s discarded %d records: %s", self.mapping.name, count, discarded.condition)

    def _send_undelivered(self) -> None:
        """Send discarded records to the destination. While this fails, reading stops, so that no record is lost."""
        while self._undelivered:
            self._destination.send(self._undelivered[0], time.time())
            self._undelivered.popleft()

    def _note_position(self) -> None:
        held: dict[str, str] = {}
        for discarded in self._undelivered:
            for record in discarded.records[:1]:  # a final call has none
                # not in the order of the stream: the partitions of a shard discard independently
                held[discarded.shard_id] = min(held.get(discarded.shard_id, record.sequence), record.sequence, key=int)
        self.position = self._shards.position(held)

    def _page(self, shard: ReadShard) -> tuple[StreamRecord[bytes], ...]:
        """The next records of a shard, up to 1,000. At the end of the shard, its iterator is None afterwards."""
        arn = self.mapping.source_arn
        if shard.iterator is None and shard.position["ShardIteratorType"] == LATEST:
            shard.resume = newest_position(self._emulator, arn, shard.id)
        try:
            if shard.iterator is None:
                found = self._emulator.call(
                    "dynamodb", "GetShardIterator", StreamArn=arn, ShardId=shard.id, **shard.position
                )
                shard.iterator = cast("str", found["ShardIterator"])
            page = self.pages.read(arn, shard.id, shard.iterator, shard.last_sequence)
        except CallFailed as error:
            if error.code in {"ExpiredIteratorException", "TrimmedDataAccessException"}:
                shard.iterator = None
            if error.code == "TrimmedDataAccessException":  # the stream has deleted what was to be read next
                shard.restart()
            raise
        shard.iterator = page.next_iterator
        return page.records

    def _described_shards(self) -> list[dict[str, Any]]:
        """All shards of the stream, from as many pages as there are."""
        found: list[dict[str, Any]] = []
        start: dict[str, object] = {}
        while True:
            response = self._emulator.call("dynamodb", "DescribeStream", StreamArn=self.mapping.source_arn, **start)
            description = cast("dict[str, Any]", response["StreamDescription"])
            found += description["Shards"]
            if "LastEvaluatedShardId" not in description:
                return found
            start = {"ExclusiveStartShardId": description["LastEvaluatedShardId"]}
