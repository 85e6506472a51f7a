"""Which shards of a stream are being read: a parent to its end before its children.

A shard closes after some hours, or when its partition splits, and its children take over
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html). A stream may have several at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from local.mapping import StreamShard
from local.mapping.settings import LATEST, TRIM_HORIZON

type Position = Mapping[str, Any]
"""How far a stream was delivered: `reading`, the parameters of GetShardIterator by shard, and the shards `done`.

`windows` holds the tumbling windows that are open, by virtual shard. Pollers add the `source`, the stream's ARN.
"""


class ReadShard(Struct):
    """A shard that is being read, and the virtual shards that its records are distributed over.

    `iterator` is None before the first page and after it has expired. `start` is where a shard without `last_sequence`,
    the number of the last record read, begins; `resume`, where an earlier poller was, goes before it.
    """

    id: str
    start: str
    parts: list[StreamShard[bytes]]
    iterator: str | None = None
    last_sequence: str | None = None
    ended: bool = False
    resume: dict[str, str] | None = None

    @property
    def position(self) -> dict[str, str]:
        """The parameters of GetShardIterator to continue reading."""
        if self.last_sequence is None:
            return self.resume or {"ShardIteratorType": self.start}
        return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self.last_sequence}

    def settled_position(self, held: Mapping[str, str]) -> dict[str, str]:
        """The parameters with which a later poller continues reading: everything before is settled.

        `held` is the first record, by virtual shard, of those that are settled but not yet sent to the destination.
        """
        unsettled = [first for part in self.parts for first in (part.first_unsettled, held.get(part.shard_id)) if first]
        if not unsettled:
            return self.position
        return {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": min(unsettled, key=int)}

    def restart(self) -> None:
        """Begin at the oldest record that the stream still has."""
        self.start, self.last_sequence, self.resume = TRIM_HORIZON, None, None

    def end(self) -> None:
        """Record that the shard is closed and has been read to its end."""
        self.ended = True
        for part in self.parts:
            part.mark_ended()


class StreamShards:
    """The shards that are being read, and those that are done. Nothing here does I/O."""

    def __init__(self, start: str, split: Callable[[str], list[StreamShard[bytes]]], position: Position | None) -> None:
        """`start` is the mapping's StartingPosition, `split` returns the virtual shards of a shard's id.

        `position` is that of an earlier poller.
        """
        self.reading: dict[str, ReadShard] = {}
        self._start = TRIM_HORIZON if position else start
        self._split = split
        self._resume: dict[str, dict[str, str]] = dict(position["reading"]) if position else {}
        self._done: set[str] = set(position["done"]) if position else set()
        self._windows: dict[str, Any] = dict(position.get("windows", {})) if position else {}

    @property
    def parts(self) -> list[StreamShard[bytes]]:
        """The virtual shards of all shards that are being read."""
        return [part for shard in self.reading.values() for part in shard.parts]

    def open(self, described: Sequence[Mapping[str, Any]]) -> None:
        """Begin to read the described shards whose parents are done or no longer in the stream.

        With LATEST, the shards that are closed at the first description hold nothing to read, and their open children
        are read from now on. Shards that are described later hold only later records, so they are read from the start.
        """
        listed = {shard["ShardId"] for shard in described}
        self._done &= listed
        if self._start == LATEST:
            self._done |= {shard["ShardId"] for shard in described if _is_closed(shard)}
        waiting = listed - self._done
        for shard in described:
            name, parent = shard["ShardId"], shard.get("ParentShardId")
            if name in waiting and name not in self.reading and parent not in waiting and parent not in self.reading:
                self.reading[name] = self._opened(name)
        if described:
            self._start = TRIM_HORIZON

    def close(self) -> bool:
        """Stop reading the shards that are done: read to the end, and every record settled. Returns whether any is."""
        done = [name for name, shard in self.reading.items() if all(part.is_done for part in shard.parts)]
        for name in done:
            del self.reading[name]
        self._done.update(done)
        return bool(done)

    def position(self, held: Mapping[str, str]) -> Position:
        """Return where a later poller continues reading: see `ReadShard.settled_position`."""
        reading = {name: shard.settled_position(held) for name, shard in self.reading.items()}
        found = {part.shard_id: part.window(held.get(part.shard_id)) for part in self.parts}
        windows = self._windows | {name: window for name, window in found.items() if window is not None}
        position = {"reading": {**self._resume, **reading}, "done": sorted(self._done)}
        return {**position, "windows": windows} if windows else position

    def _opened(self, name: str) -> ReadShard:
        parts = self._split(name)
        for part in parts:
            window = self._windows.pop(part.shard_id, None)
            if window is not None:
                part.resume(window)
        return ReadShard(name, self._start, parts, resume=self._resume.pop(name, None))


def _is_closed(shard: Mapping[str, Any]) -> bool:
    return "EndingSequenceNumber" in shard.get("SequenceNumberRange", {})
