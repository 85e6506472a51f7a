"""The poller of the items table's stream."""

import logging
import time
from collections import deque
from typing import Any, cast

from local.deployment.deployed import DeployedMapping
from local.mapping import Answer, GivenUp, StreamInvocation, StreamRecord, StreamSettings, StreamShard
from local.mapping.windows import Window
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import CallFailed, Wire
from local.pollers.events import payload, stream_record, virtual_shard, virtual_shard_ids
from local.pollers.reader import Reader

logger = logging.getLogger(__name__)

READ_AHEAD_BYTES = 24 * 1024 * 1024
"""Nothing more is read while so much waits for its first delivery."""

type Call = tuple[StreamShard[bytes], StreamInvocation[bytes]]


class StreamReader(Reader[Call]):
    """Reads the one physical shard of the emulator's stream as several virtual ones, split by item."""

    def __init__(
        self,
        mapping: DeployedMapping,
        settings: StreamSettings,
        wire: Wire,
        destination: FailureDestination,
        *,
        shards: int,
    ) -> None:
        super().__init__(mapping, wire, calls=shards * settings.parallelization)
        arn = mapping.source_arn
        self._settings = settings
        self._destination = destination
        self._given_up: deque[GivenUp[bytes]] = deque()  # what the destination does not have yet
        now = time.time()
        self._shards: list[StreamShard[bytes]] = [
            StreamShard(settings, shard_id=shard_id, source_arn=arn, now=now)
            for shard_id in virtual_shard_ids(arn, shards)
        ]
        self._iterator: str | None = None
        self._last_sequence: str | None = None

    def poll(self) -> bool:
        """Read a page, and share it out among the virtual shards."""
        self._hand_over()
        if sum(shard.pending_bytes for shard in self._shards) > READ_AHEAD_BYTES:
            return False
        began = time.time()
        page = self._page()
        sorted_out: list[list[StreamRecord[bytes]]] = [[] for _ in self._shards]
        for record in page:
            read = stream_record(record, self.mapping.source_arn, self._settings.filter)
            sorted_out[virtual_shard(record, len(self._shards))].append(read)
        for shard, records in zip(self._shards, sorted_out, strict=True):
            if records:
                shard.add(records, began)
            if not page:
                shard.caught_up(began)
        if page:
            change = page[-1]["dynamodb"]
            self._last_sequence = change["SequenceNumber"]
            filtered = sum(not record.passes for records in sorted_out for record in records)
            self.figures(
                read=self.statistics.read + len(page),
                filtered=self.statistics.filtered + filtered,
                lag_s=max(0.0, began - change["ApproximateCreationDateTime"]),
            )
        return bool(page)

    def due(self, now: float) -> list[tuple[Call, bytes]]:
        """At most one call for each virtual shard, or as many as its ParallelizationFactor says."""
        calls = []
        for shard in self._shards:
            while (step := shard.next_invocation(now)) is not None:
                if isinstance(step, GivenUp):
                    self._give_up(step)
                else:
                    body = payload((record.content for record in step.records), step.fields)
                    calls.append(((shard, step), body))
        return calls

    def take(self, call: Call, answer: Answer, now: float) -> int:
        """Move the shard's checkpoint."""
        shard, invocation = call
        outcome = shard.answer(invocation, answer, now)
        if outcome.given_up is not None:
            self._give_up(outcome.given_up)
        return outcome.done

    def empty_fields(self) -> dict[str, object]:
        """Those of a tumbling window, if the mapping has one: the function's answer is not looked at."""
        if not self._shards[0].settings.tumbling_window_s:
            return {}
        window = Window.holding(time.time(), self._shards[0].settings.tumbling_window_s)
        return window.fields(shard_id=self._shards[0].shard_id, source_arn=self.mapping.source_arn, final=True)

    def pending(self) -> int:
        """Records in hand, over all virtual shards, and what its destination does not have yet."""
        return sum(shard.pending for shard in self._shards) + len(self._given_up)

    def next_time(self) -> float | None:
        """The earliest time that one of the shards names."""
        return min((at for shard in self._shards if (at := shard.next_time()) is not None), default=None)

    def _give_up(self, given_up: GivenUp[bytes]) -> None:
        self._given_up.append(given_up)
        count = len(given_up.records)
        self.figures(given_up=self.statistics.given_up + count)
        logger.warning("%s has given up %d records: %s", self.mapping.name, count, given_up.condition)

    def _hand_over(self) -> None:
        """Send what was given up to its destination; while that fails, nothing more is read and nothing is lost."""
        while self._given_up:
            self._destination.send(self._given_up[0], time.time())
            self._given_up.popleft()

    def _page(self) -> list[dict[str, Any]]:
        """The next records of the physical shard, as many as one call gives."""
        try:
            iterator = self._iterator or self._new_iterator()
            answer = self._wire.call("dynamodb", "GetRecords", ShardIterator=iterator, Limit=1000)
        except CallFailed as error:
            if error.code == "ExpiredIteratorException":
                self._iterator = None
            raise
        self._iterator = cast("str | None", answer.get("NextShardIterator"))
        return cast("list[dict[str, Any]]", answer["Records"])

    def _new_iterator(self) -> str:
        arn = self.mapping.source_arn
        stream = cast("dict[str, Any]", self._wire.call("dynamodb", "DescribeStream", StreamArn=arn))
        position = (
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self._last_sequence}
            if self._last_sequence
            else {"ShardIteratorType": self.mapping.properties.get("StartingPosition", "TRIM_HORIZON")}
        )
        shard = stream["StreamDescription"]["Shards"][0]["ShardId"]
        answer = self._wire.call("dynamodb", "GetShardIterator", StreamArn=arn, ShardId=shard, **position)
        return cast("str", answer["ShardIterator"])
