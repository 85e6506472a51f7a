"""The items table of the model, and its stream: shards that close, go on and split, each with a clock of its own."""

import hashlib
from typing import Any

from msgspec import Struct, field

from tailrace.backfill.boundaries import Position
from tailrace.backfill.coverage import ListedShard
from tailrace.encoding.keys import SENTINELS
from tailrace.inputs.changes import Change
from tests.simulation.job_model.actors.table import Lineage

type Item = dict[str, Any]

_MAX_DEPTH = 3


class Record(Struct, frozen=True):
    """One change in the stream; ``at`` is the true time, ``created`` the second that the stream tells."""

    shard: str
    sequence: int
    created: int
    at: float
    key: str
    old: Item | None
    new: Item | None
    expired: bool

    @property
    def position(self) -> Position:
        return Position(self.sequence, self.created)

    @property
    def is_sentinel(self) -> bool:
        return self.key.startswith(SENTINELS)

    @property
    def change(self) -> Change:
        collection, _, item_id = self.key.partition("#")
        return Change("e", "", self.shard, self.sequence, "", collection, item_id, self.old, self.new, self.expired)


class Shard(Struct):
    """A shard: its records, and how far aggregate has been fed (``done``)."""

    id: str
    parent: "Shard | None"
    root: int
    bits: tuple[int, ...]
    skew_s: float
    lineage: Lineage
    hidden_until: float = 0.0
    records: list[Record] = field(default_factory=list)
    closed_at: float | None = None
    done: int = 0
    busy: bool = False

    @property
    def is_read(self) -> bool:
        """Whether it and those before it were read to their ends, so that those after it may be read."""
        before = self.parent is None or self.parent.is_read
        return before and self.closed_at is not None and self.done == len(self.records)


class Stream(Struct):
    """Items, and the shards that tell of them."""

    roots: int
    skews: tuple[float, ...]
    items: dict[str, Item] = field(default_factory=dict)
    log: list[Record] = field(default_factory=list)
    shards: list[Shard] = field(default_factory=list)
    sequence: int = 0

    def __post_init__(self) -> None:
        for root in range(self.roots):
            name = f"s{root}"
            self.shards.append(Shard(name, None, root, (), self.skews[root], Lineage(f"~{name}")))

    def open_shard(self, key: str) -> Shard:
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
        for shard in self.shards:
            path = tuple((number >> (8 + level)) & 1 for level in range(len(shard.bits)))
            matches = all(bit in (-1, taken) for bit, taken in zip(shard.bits, path, strict=True))
            if shard.closed_at is None and number % self.roots == shard.root and matches:
                return shard
        raise AssertionError(key)

    def write(self, key: str, item: Item | None, now: float, *, expired: bool = False) -> None:
        """Put or delete an item; what changes nothing makes no record."""
        old = self.items.get(key)
        if old == item:
            return
        shard = self.open_shard(key)
        self.sequence += 10
        created = int(now + shard.skew_s)
        record = Record(shard.id, self.sequence, created, now, key, old, item, expired)
        shard.records.append(record)
        self.log.append(record)
        if item is None:
            del self.items[key]
        else:
            self.items[key] = item

    def roll(self, index: int, now: float, *, split: bool, hidden_s: float, skew_s: float) -> None:
        """Close an open shard; one or two others go on. Of two, the stream may list the second one later."""
        open_ones = [shard for shard in self.shards if shard.closed_at is None]
        shard = open_ones[index % len(open_ones)]
        split = split and len(shard.bits) < _MAX_DEPTH
        shard.closed_at = now
        for part in (0, 1) if split else (-1,):
            name = f"s{len(self.shards)}"
            lineage = shard.lineage
            if split:
                lineage = Lineage(f"~{name}", (*lineage.ended, (lineage.mark, now)))
            child = Shard(name, shard, shard.root, (*shard.bits, part), skew_s, lineage)
            child.hidden_until = now + hidden_s if part == 1 else 0.0
            self.shards.append(child)

    def listed(self, now: float) -> dict[str, ListedShard]:
        return {
            shard.id: ListedShard(None if shard.parent is None else shard.parent.id, shard.closed_at is not None)
            for shard in self.shards
            if shard.hidden_until <= now
        }

    @property
    def parents(self) -> dict[str, str | None]:
        return {shard.id: None if shard.parent is None else shard.parent.id for shard in self.shards}

    def by_id(self, name: str) -> Shard:
        return self.shards[int(name[1:])]
