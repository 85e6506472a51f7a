"""One shard of a stream, read for one function.

with-ddb: Lambda reads a shard's records in their order. With a ParallelizationFactor above 1 several batches of a shard
are under way at a time, and the order is kept for each item: so the items are shared out among as many lanes.
"""

import zlib
from collections import deque
from collections.abc import Iterable

from local.mapping.records import DiscardedRecords, StreamInvocation, StreamOutcome, StreamRecord
from local.mapping.results import InvocationResult
from local.mapping.retries import Backoff
from local.mapping.settings import StreamSettings
from local.mapping.shard_partition import ShardPartition


class StreamShard[C]:
    """The state of one shard. See the package for the pattern of its methods.

    `checkpoint` is the sequence number up to which everything is settled: acknowledged, given up or filtered out;
    `settled` counts these records.
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
        self._unsettled: deque[str] = deque()  # sequence numbers from the checkpoint on
        self._settled_ahead: set[str] = set()  # those of them that are settled already

    @property
    def pending(self) -> int:
        """Records that have been read and are not settled."""
        return len(self._unsettled) - len(self._settled_ahead)

    @property
    def pending_bytes(self) -> int:
        """Bytes of the records that wait for their first delivery."""
        return sum(partition.pending_bytes for partition in self._partitions)

    def add(self, records: Iterable[StreamRecord[C]], now: float) -> None:
        """Take what was read from the shard, in the order of the shard.

        invocation-eventfiltering: the stream's iterator advances past a record that does not pass the filter. It tells
        that nothing older is still to come, all the same.
        """
        for record in records:
            self._unsettled.append(record.sequence)
            if record.passes:
                self._partition_for(record).add(record, now)
            else:
                self._settle((record,))
                self.mark_caught_up(record.arrived)

    def mark_caught_up(self, now: float) -> None:
        """Take note that a read begun at `now` found the shard's tip: nothing older is still to come."""
        for partition in self._partitions:
            partition.mark_caught_up(now)

    def mark_ended(self) -> None:
        """Take note that the shard has ended and that all of it has been added: its children are other shards."""
        for partition in self._partitions:
            partition.mark_ended()

    def next_invocation(self, now: float) -> StreamInvocation[C] | DiscardedRecords[C] | None:
        """The call to make now, or what has become too old for one. Ask again until None."""
        for partition in self._partitions:
            step = partition.next_invocation(now)
            if isinstance(step, DiscardedRecords):
                self._settle(step.records)
            if step is not None:
                return step
        return None

    def next_time(self) -> float | None:
        """When `next_invocation` may have something; None while only an arrival or an answer changes that."""
        return min((at for partition in self._partitions if (at := partition.next_time()) is not None), default=None)

    def complete(self, invocation: StreamInvocation[C], result: InvocationResult, now: float) -> StreamOutcome[C]:
        """Take the function's answer to a call in flight."""
        partition = next((partition for partition in self._partitions if partition.in_flight is invocation), None)
        if partition is None:
            raise ValueError("the answer is to no call in flight")
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
