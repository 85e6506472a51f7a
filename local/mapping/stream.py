"""One shard of a stream, read for one function.

with-ddb: Lambda reads a shard's records in order. With a ParallelizationFactor above 1, it processes several batches of
a shard at a time and keeps the order of each item's records: the items are distributed over as many partitions.
"""

import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import convert, to_builtins

from local.mapping.records import DiscardedRecords, StreamInvocation, StreamOutcome, StreamRecord
from local.mapping.results import InvocationResult
from local.mapping.retries import Backoff
from local.mapping.settings import StreamSettings
from local.mapping.shard_partition import ShardPartition
from local.mapping.windows import TumblingWindow

type OpenWindow = Mapping[str, Any]
"""A window's fields, and `after`, the number of the last record that its state has counted: values of JSON."""


class StreamShard[C]:
    """The state of one shard. See the package's docstring for the pattern of its methods.

    Attributes:
        checkpoint: the sequence number up to which all records are settled: acknowledged, discarded or filtered out.
        settled: the number of records up to the checkpoint.
    """

    def __init__(
        self,
        settings: StreamSettings,
        *,
        shard_id: str,
        source_arn: str,
        now: float,
        backoff: Backoff | None = None,
    ) -> None:
        self.settings = settings
        self.shard_id = shard_id
        self.checkpoint: str | None = None
        self.settled = 0
        self._partitions: list[ShardPartition[C]] = [
            ShardPartition(settings, shard_id=shard_id, source_arn=source_arn, now=now, backoff=backoff or Backoff())
            for _ in range(settings.parallelization)
        ]
        self._unsettled: deque[str] = deque()  # sequence numbers after the checkpoint
        self._settled_ahead: set[str] = set()  # the settled ones among them
        self._resumed_after = -1  # records up to this number are in the state of the window that was resumed

    @property
    def pending(self) -> int:
        """Number of records that have been read but not settled."""
        return len(self._unsettled) - len(self._settled_ahead)

    @property
    def first_unsettled(self) -> str | None:
        """The first record that is not settled: reading again from here on misses nothing."""
        return self._unsettled[0] if self._unsettled else None

    def window(self, held: str | None) -> OpenWindow | None:
        """The open window, for a later poller; None without one.

        `held` is the first record that is settled and yet to be read again, if any.
        """
        window = self._partitions[0].window
        if window is None:
            return None
        settled = max(int(self.checkpoint or -1), self._resumed_after)
        after = settled if held is None else min(settled, int(held) - 1)
        return {**to_builtins(window), "after": str(after)}

    def resume(self, window: OpenWindow) -> None:
        """Continue an open window. Records that it has counted are passed over when they are read again."""
        if self.settings.tumbling_window_s:
            self._partitions[0].resume(convert(window, TumblingWindow))
            self._resumed_after = int(window["after"])

    @property
    def pending_bytes(self) -> int:
        """Bytes of the records that await their first delivery."""
        return sum(partition.pending_bytes for partition in self._partitions)

    @property
    def is_done(self) -> bool:
        """Whether the shard is closed, every record is settled, and every window has had its final call."""
        return all(partition.is_done for partition in self._partitions)

    def add(self, records: Iterable[StreamRecord[C]], now: float) -> None:
        """Add records read from the shard, in the shard's order.

        invocation-eventfiltering: the iterator advances past a record that does not pass the filter.
        """
        for record in records:
            self._unsettled.append(record.sequence)
            if record.passes and int(record.sequence) > self._resumed_after:
                self._partition_for(record).add(record, now)
            else:
                self._settle((record,))

    def mark_caught_up(self, now: float) -> None:
        """Record that a read begun at `now` reached the shard's tip: no older record will follow."""
        for partition in self._partitions:
            partition.mark_caught_up(now)

    def mark_ended(self) -> None:
        """Record that the shard is closed and all its records have been added. Its children are separate shards."""
        for partition in self._partitions:
            partition.mark_ended()

    def next_invocation(self, now: float) -> StreamInvocation[C] | DiscardedRecords[C] | None:
        """The invocation to make now, or records that have expired. Call again until it returns None."""
        for partition in self._partitions:
            step = partition.next_invocation(now)
            if isinstance(step, DiscardedRecords):
                self._settle(step.records)
            if step is not None:
                return step
        return None

    def next_time(self) -> float | None:
        """When to call `next_invocation` again; None if only an arrival or a result changes the state."""
        return min((at for partition in self._partitions if (at := partition.next_time()) is not None), default=None)

    def complete(self, invocation: StreamInvocation[C], result: InvocationResult, now: float) -> StreamOutcome[C]:
        """Apply the function's result to an invocation in flight. Raises ValueError if it is not in flight."""
        partition = next((partition for partition in self._partitions if partition.in_flight is invocation), None)
        if partition is None:
            raise ValueError("the invocation is not in flight")
        outcome = partition.complete(result, now)
        self._settle(invocation.records[: outcome.acknowledged])
        if outcome.discarded is not None:
            self._settle(outcome.discarded.records)
        return outcome

    def _partition_for(self, record: StreamRecord[C]) -> ShardPartition[C]:
        if len(self._partitions) == 1:
            return self._partitions[0]
        return self._partitions[zlib.crc32(record.key.encode()) * len(self._partitions) >> 32]

    def _settle(self, records: Iterable[StreamRecord[C]]) -> None:
        self._settled_ahead.update(record.sequence for record in records)
        while self._unsettled and self._unsettled[0] in self._settled_ahead:
            self.checkpoint = self._unsettled.popleft()
            self._settled_ahead.remove(self.checkpoint)
            self.settled += 1
