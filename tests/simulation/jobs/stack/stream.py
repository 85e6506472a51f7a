"""The stream of the items table: shards that close and split, and what their readers meet at a time."""

import zlib
from datetime import UTC, datetime
from random import Random
from typing import Any

from msgspec import Struct, field

START = 1_800_000_000.0


class Shard(Struct):
    """A shard of the stream: its records, how many were delivered, and whether it is closed."""

    name: str
    parent: "Shard | None"
    root: int
    records: list[Any] = field(default_factory=list)
    done: int = 0
    closed: bool = False
    half: int | None = None
    """Of the items of its root: the shard is a part of one that has split."""
    listed_at: float = 0
    visible_at: dict[int, float] = field(default_factory=dict)
    """Records, by their index, that no reader meets before a time; nor those after them."""

    @property
    def is_read(self) -> bool:
        before = self.parent is None or self.parent.is_read
        return before and self.closed and self.done == len(self.records)


class Stream:
    """The stream under the true time. Everything random follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - not a secret
        self.now = START
        self.roots = 0
        self.shards: list[Shard] = []
        self.sequence = 10**21

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def open_shard(self, key: str) -> Shard:
        """Return the shard that takes the changes of an item."""
        root = sum(key.encode()) % self.roots
        half = zlib.crc32(key.encode()) % 2
        return next(
            shard for shard in self.shards if shard.root == root and not shard.closed and shard.half in (None, half)
        )

    def readable(self) -> list[Shard]:
        """Return the shards whose parents were read to their ends."""
        return [shard for shard in self.shards if shard.parent is None or shard.parent.is_read]

    def visible(self, shard: Shard) -> list[Any]:
        """Return the records of a shard that readers meet now."""
        hidden = [index for index, time in shard.visible_at.items() if time > self.now]
        return shard.records[: min(hidden, default=len(shard.records))]

    def describe_stream(self, **_request: Any) -> Any:
        """Describe the stream."""
        shards = []
        for shard in (one for one in self.shards if one.listed_at <= self.now):
            numbers = {"StartingSequenceNumber": str(self._first(shard))}
            if shard.closed:
                numbers["EndingSequenceNumber"] = str(self._first(shard) + len(shard.records) * 50)
                if shard.records:
                    numbers["EndingSequenceNumber"] = shard.records[-1]["dynamodb"]["SequenceNumber"]
            parent = {} if shard.parent is None else {"ParentShardId": shard.parent.name}
            shards.append({"ShardId": shard.name, "SequenceNumberRange": numbers, **parent})
        return {"StreamDescription": {"Shards": shards}}

    def _first(self, shard: Shard) -> int:
        if shard.records:
            return int(shard.records[0]["dynamodb"]["SequenceNumber"])
        return self.sequence + 1
