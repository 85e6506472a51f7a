"""The poller of the items table's stream."""

import logging
import time
from collections import deque
from functools import partial
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
from local.mapping.windows import TumblingWindow
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import CallFailed, EmulatorClient
from local.pollers.events import payload, stream_record, virtual_shard, virtual_shard_ids
from local.pollers.source_poller import SourcePoller

logger = logging.getLogger(__name__)

READ_AHEAD_BYTES = 24 * 1024 * 1024
"""Reading pauses while more than this awaits its first delivery."""

type Position = dict[str, str]
"""Where to read on, as parameters of GetShardIterator."""

type Call = tuple[StreamShard[bytes], StreamInvocation[bytes]]


class StreamPoller(SourcePoller[Call]):
    """Reads the emulator's stream, which has one shard, as several virtual shards split by item."""

    def __init__(
        self,
        mapping: EventSourceMapping,
        settings: StreamSettings,
        emulator: EmulatorClient,
        destination: FailureDestination,
        *,
        shards: int,
    ) -> None:
        super().__init__(mapping, emulator, calls=shards * settings.parallelization)
        arn = mapping.source_arn
        self._settings = settings
        self._destination = destination
        self._undelivered: deque[DiscardedRecords[bytes]] = deque()  # not yet sent to the destination
        now = time.time()
        self._shards: list[StreamShard[bytes]] = [
            StreamShard(settings, shard_id=shard_id, source_arn=arn, now=now)
            for shard_id in virtual_shard_ids(arn, shards)
        ]
        self._iterator: str | None = None
        start = mapping.properties.get("StartingPosition", "TRIM_HORIZON")
        self._read_from: Position = {"ShardIteratorType": str(start)}
        self.position: Position = self._read_from
        """Where the next poller of this mapping may read on: everything before it is settled."""

    def read_from(self, position: Position) -> None:
        """Continue at the position of an earlier poller; to be called before the start."""
        self._read_from = self.position = position

    def poll(self) -> bool:
        """Read a page and distribute it over the virtual shards."""
        self._send_undelivered()
        if sum(shard.pending_bytes for shard in self._shards) > READ_AHEAD_BYTES:
            return False
        began = time.time()
        page = self._page()
        records_by_shard: list[list[StreamRecord[bytes]]] = [[] for _ in self._shards]
        for record in page:
            read = stream_record(record, self.mapping.source_arn, self._settings.filter)
            records_by_shard[virtual_shard(record, len(self._shards))].append(read)
        for shard, records in zip(self._shards, records_by_shard, strict=True):
            if records:
                shard.add(records, began)
            if not page:
                shard.mark_caught_up(began)
        if page:
            change = page[-1]["dynamodb"]
            self._read_from = _after(change["SequenceNumber"])
            filtered = sum(not record.passes for records in records_by_shard for record in records)
            self.update_statistics(
                read=self.statistics.read + len(page),
                filtered=self.statistics.filtered + filtered,
                lag_s=max(0.0, began - change["ApproximateCreationDateTime"]),
            )
        self._note_position()
        return bool(page)

    def due_invocations(self, now: float) -> list[tuple[Call, bytes]]:
        """At most one invocation for each virtual shard, or as many as its ParallelizationFactor."""
        calls = []
        for shard in self._shards:
            while (step := shard.next_invocation(now)) is not None:
                if isinstance(step, DiscardedRecords):
                    self._discard(step)
                else:
                    body = payload((record.content for record in step.records), step.fields)
                    calls.append(((shard, step), body))
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
        if not self._shards[0].settings.tumbling_window_s:
            return {}
        window = TumblingWindow.containing(time.time(), self._shards[0].settings.tumbling_window_s)
        return window.fields(shard_id=self._shards[0].shard_id, source_arn=self.mapping.source_arn, is_final=True)

    def pending(self) -> int:
        """Records not settled in all virtual shards, plus the batches not yet sent to the destination."""
        return sum(shard.pending for shard in self._shards) + len(self._undelivered)

    def next_time(self) -> float | None:
        """The earliest time of all virtual shards."""
        return min((at for shard in self._shards if (at := shard.next_time()) is not None), default=None)

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
        unsettled = [sequence for shard in self._shards if (sequence := shard.first_unsettled) is not None]
        unsettled += [record.sequence for discarded in self._undelivered for record in discarded.records]
        self.position = _at(min(unsettled, key=int)) if unsettled else self._read_from

    def _page(self) -> list[dict[str, Any]]:
        """The next records of the emulator's shard, up to 1,000."""
        try:
            iterator = self._iterator or self._new_iterator()
            response = self._emulator.call("dynamodb", "GetRecords", ShardIterator=iterator, Limit=1000)
        except CallFailed as error:
            if error.code == "ExpiredIteratorException":
                self._iterator = None
            raise
        self._iterator = cast("str | None", response.get("NextShardIterator"))
        return cast("list[dict[str, Any]]", response["Records"])

    def _new_iterator(self) -> str:
        arn = self.mapping.source_arn
        stream = cast("dict[str, Any]", self._emulator.call("dynamodb", "DescribeStream", StreamArn=arn))
        shard = stream["StreamDescription"]["Shards"][0]["ShardId"]
        get = partial(self._emulator.call, "dynamodb", "GetShardIterator", StreamArn=arn, ShardId=shard)
        try:
            response = get(**self._read_from)
        except CallFailed as error:
            if error.code != "TrimmedDataAccessException":
                raise
            response = get(ShardIteratorType="TRIM_HORIZON")  # the stack was stopped for longer than records are kept
        return cast("str", response["ShardIterator"])


def _at(sequence: str) -> Position:
    return {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": sequence}


def _after(sequence: str) -> Position:
    return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": sequence}
