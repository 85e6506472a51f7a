"""One shard of a stream, read for one function.

with-ddb: Lambda reads a shard's records in their order. With a ParallelizationFactor above 1 several batches of a shard
are under way at a time, and the order is kept for each item: so the items are shared out among as many lanes.
"""

import zlib
from collections import deque
from collections.abc import Iterable

from local.mapping.answers import Answer
from local.mapping.lane import Lane
from local.mapping.records import GivenUp, Outcome, StreamInvocation, StreamRecord
from local.mapping.retries import Backoff
from local.mapping.settings import StreamSettings


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
        self._lanes: list[Lane[C]] = [
            Lane(settings, shard_id=shard_id, source_arn=source_arn, now=now, backoff=backoff or Backoff())
            for _ in range(settings.parallelization)
        ]
        self._open: deque[str] = deque()  # sequence numbers from the checkpoint on
        self._ahead: set[str] = set()  # those of them that are settled already

    @property
    def pending(self) -> int:
        """Records that have been read and are not settled."""
        return len(self._open) - len(self._ahead)

    @property
    def pending_bytes(self) -> int:
        """Bytes of the records that wait for their first delivery."""
        return sum(lane.pending_bytes for lane in self._lanes)

    def add(self, records: Iterable[StreamRecord[C]], now: float) -> None:
        """Take what was read from the shard, in the order of the shard.

        invocation-eventfiltering: the stream's iterator advances past a record that does not pass the filter. It tells
        that nothing older is still to come, all the same.
        """
        for record in records:
            self._open.append(record.sequence)
            if record.passes:
                self._lane_of(record).add(record, now)
            else:
                self._settle((record,))
                self.caught_up(record.arrived)

    def caught_up(self, now: float) -> None:
        """Take note that a read begun at `now` found the shard's tip: nothing older is still to come."""
        for lane in self._lanes:
            lane.caught_up(now)

    def ended(self) -> None:
        """Take note that the shard has ended and that all of it has been added: its children are other shards."""
        for lane in self._lanes:
            lane.ended()

    def next_invocation(self, now: float) -> StreamInvocation[C] | GivenUp[C] | None:
        """The call to make now, or what has become too old for one. Ask again until None."""
        for lane in self._lanes:
            step = lane.next_invocation(now)
            if isinstance(step, GivenUp):
                self._settle(step.records)
            if step is not None:
                return step
        return None

    def next_time(self) -> float | None:
        """When `next_invocation` may have something; None while only an arrival or an answer changes that."""
        return min((at for lane in self._lanes if (at := lane.next_time()) is not None), default=None)

    def answer(self, invocation: StreamInvocation[C], answer: Answer, now: float) -> Outcome[C]:
        """Take the function's answer to a call in flight."""
        lane = next((lane for lane in self._lanes if lane.in_flight is invocation), None)
        if lane is None:
            raise ValueError("the answer is to no call in flight")
        outcome = lane.answer(answer, now)
        self._settle(invocation.records[: outcome.done])
        if outcome.given_up is not None:
            self._settle(outcome.given_up.records)
        return outcome

    def _lane_of(self, record: StreamRecord[C]) -> Lane[C]:
        if len(self._lanes) == 1:
            return self._lanes[0]
        return self._lanes[zlib.crc32(record.key.encode()) * len(self._lanes) >> 32]

    def _settle(self, records: Iterable[StreamRecord[C]]) -> None:
        self._ahead.update(record.sequence for record in records)
        while self._open and self._open[0] in self._ahead:
            self.checkpoint = self._open.popleft()
            self._ahead.remove(self.checkpoint)
            self.settled += 1
