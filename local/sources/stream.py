"""The poller of the items table's stream."""

import time
from typing import Any, cast

from local.deployed import DeployedMapping
from local.mapping import Answer, StreamInvocation, StreamRecord, StreamSettings, StreamShard
from local.mapping.windows import Window
from local.sources.events import payload, stream_record, virtual_shard, virtual_shard_ids
from local.sources.reader import Reader
from local.sources.wire import CallFailed, Wire

READ_AHEAD_BYTES = 24 * 1024 * 1024
"""Nothing more is read while so much waits for its first delivery."""

type Call = tuple[StreamShard[bytes], StreamInvocation[bytes]]


class StreamReader(Reader[Call]):
    """Reads the one physical shard of the emulator's stream as several virtual ones, split by item."""

    def __init__(self, mapping: DeployedMapping, wire: Wire, *, shards: int) -> None:
        super().__init__(mapping, wire, calls=shards)
        arn = mapping.source_arn
        settings = StreamSettings.parse(mapping.properties)
        now = time.time()
        self._shards: list[StreamShard[bytes]] = [
            StreamShard(settings, shard_id=shard_id, source_arn=arn, now=now)
            for shard_id in virtual_shard_ids(arn, shards)
        ]
        self._iterator: str | None = None
        self._last_sequence: str | None = None

    def poll(self) -> bool:
        """Read a page, and share it out among the virtual shards."""
        if sum(shard.pending_bytes for shard in self._shards) > READ_AHEAD_BYTES:
            return False
        began = time.time()
        page = self._page()
        sorted_out: list[list[StreamRecord[bytes]]] = [[] for _ in self._shards]
        for record in page:
            sorted_out[virtual_shard(record, len(self._shards))].append(stream_record(record, self.mapping.source_arn))
        for shard, records in zip(self._shards, sorted_out, strict=True):
            if records:
                shard.add(records, began)
            if not page:
                shard.caught_up(began)
        if page:
            change = page[-1]["dynamodb"]
            self._last_sequence = change["SequenceNumber"]
            self.figures(
                read=self.statistics.read + len(page), lag_s=max(0.0, began - change["ApproximateCreationDateTime"])
            )
        return bool(page)

    def due(self, now: float) -> list[tuple[Call, bytes]]:
        """At most one call for each virtual shard."""
        calls = []
        for shard in self._shards:
            call = shard.next_invocation(now)
            if call is not None:
                body = payload((record.content for record in call.records), call.fields)
                calls.append(((shard, call), body))
        return calls

    def take(self, call: Call, answer: Answer, now: float) -> int:
        """Move the shard's checkpoint."""
        shard, invocation = call
        return shard.answer(invocation, answer, now)

    def empty_fields(self) -> dict[str, object]:
        """Those of a tumbling window, if the mapping has one: the function's answer is not looked at."""
        if not self._shards[0].settings.tumbling_window_s:
            return {}
        window = Window.holding(time.time(), self._shards[0].settings.tumbling_window_s)
        return window.fields(shard_id=self._shards[0].shard_id, source_arn=self.mapping.source_arn, final=True)

    def pending(self) -> int:
        """Records in hand, over all virtual shards."""
        return sum(shard.pending for shard in self._shards)

    def next_time(self) -> float | None:
        """The earliest time that one of the shards names."""
        return min((at for shard in self._shards if (at := shard.next_time()) is not None), default=None)

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
