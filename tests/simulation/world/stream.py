"""The items table and its stream: shards that close, have children, and distribute the items."""

from msgspec import Struct, field

from local.in_memory import Database
from local.in_memory.values import Row
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.json_types import Item, Json
from tests.simulation.world.steps import Write

SOURCE = "arn:aws:dynamodb:us-east-1:123456789012:table/items/stream/2024-10-27T00:00:00.000"
_TABLE = "items"
_TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
_SLICES = 8  # of the key space, distributed over shards
_RETENTION_S = 24 * 3600
_SHARD_LIFE_S = 4 * 3600
_SPLIT_REPORT_DELAY_S = 60


class Shard(Struct, eq=False):
    """A shard: the records of some slices of the items, and its parent, which is read first."""

    id: str
    parent: "Shard | None"
    slices: frozenset[int]
    opened: float
    numbers: Json
    records: list[Json] = field(default_factory=list)
    closed: float | None = None
    is_second: bool = False

    def numbers_at(self, time: float) -> Json:
        """Return the first number, and the last one if the shard was closed at a time."""
        ended = self.closed is not None and self.closed <= time
        return self.numbers if ended else {name: one for name, one in self.numbers.items() if name[0] == "S"}

    def oldest(self, now: float) -> int:
        """Return the position of the oldest record that is still readable."""
        kept = (n for n, record in enumerate(self.records) if _arrived(record) > now - _RETENTION_S)
        return next(kept, len(self.records))


def _arrived(record: Json) -> float:
    arrived: float = record["dynamodb"]["ApproximateCreationDateTime"]
    return arrived


class ItemChange(Struct):
    """One change as written, for the final check."""

    event_id: str
    shard: str
    collection: str
    id: str
    old: Item | None
    new: Item | None
    expired: bool


class ItemsTable:
    """The items table. Each effective write becomes a record in the item's shard."""

    def __init__(self, shards: int, first_sequence: int, now: float) -> None:
        self.shards: list[Shard] = []
        self.log: list[ItemChange] = []
        self._items: dict[tuple[str, str], Item] = {}
        self._sequence = first_sequence
        self._database = Database()
        self._database.create(_TABLE, "pk", on_change=self._record)
        self._write: tuple[Write, float] = (Write("", "", None), 0)
        for index in range(shards):
            self._open(None, frozenset(range(index, _SLICES, shards)), now)

    @property
    def remaining_items(self) -> list[tuple[str, Item]]:
        """The current items, as ``(collection, item)``."""
        return [(collection, item) for (collection, _), item in self._items.items()]

    def write(self, write: Write, now: float) -> None:
        """Apply a write."""
        self._write = (write, now)
        key = {"pk": {"S": f"{write.collection}#{write.id}"}}
        if write.item is None:
            self._database.delete_item(TableName=_TABLE, Key=key)
        else:
            self._database.put_item(TableName=_TABLE, Item=key | encode_item(write.item))

    def close_shard(self, index: int, now: float, *, split: bool) -> None:
        """Close one of the open shards; one or two children take over its items."""
        open_now = [shard for shard in self.shards if shard.closed is None]
        self._close(open_now[index % len(open_now)], now, split=split)

    def age(self, now: float) -> None:
        """Close the shards that have been open for four hours, as DynamoDB does."""
        for shard in list(self.shards):
            if shard.closed is None and shard.opened <= now - _SHARD_LIFE_S:
                self._close(shard, now, split=False)

    def readable(self, shard_id: str, now: float) -> list[Json]:
        """Return the records that the stream still has of a shard."""
        shard = next(shard for shard in self.shards if shard.id == shard_id)
        return shard.records[shard.oldest(now) :]

    def write_anywhere(self, now: float) -> None:
        """Write an item that nothing counts to each open shard."""
        for shard in [one for one in self.shards if one.closed is None and one.slices]:
            self.write(Write("planes", str(min(shard.slices)), {"written": len(self.log)}), now)

    def describe_shards(self, now: float, as_of: float) -> list[Json]:
        """Return the shards as DescribeStream does, as they were at a time: those that may still hold a record.

        Of a shard that has split it tells the second part late: whoever reads the first part meanwhile takes it for
        the only one.
        """
        return [
            {"ShardId": shard.id, "SequenceNumberRange": shard.numbers_at(as_of)}
            | ({"ParentShardId": shard.parent.id} if shard.parent is not None else {})
            for shard in self.shards
            if (shard.closed is None or shard.closed > now - _RETENTION_S)
            and not (shard.is_second and now < shard.opened + _SPLIT_REPORT_DELAY_S)
            and (shard.parent is None or shard.opened <= as_of)
        ]

    def _close(self, shard: Shard, now: float, *, split: bool) -> None:
        shard.closed = now
        shard.numbers["EndingSequenceNumber"] = str(self._sequence)
        self._sequence += 1
        slices = sorted(shard.slices)
        halves = [slices[::2], slices[1::2]] if split and len(slices) > 1 else [slices]
        for place, half in enumerate(halves):
            self._open(shard, frozenset(half), now, is_second=place > 0)

    def _open(self, parent: Shard | None, slices: frozenset[int], now: float, *, is_second: bool = False) -> None:
        shard_id = f"shardId-{int(now * 1000):020d}-{len(self.shards):08x}"
        numbers = {"StartingSequenceNumber": str(self._sequence)}
        self.shards.append(Shard(shard_id, parent, slices, now, numbers, is_second=is_second))

    def _record(self, key: Row, old: Row | None, new: Row | None) -> None:
        write, now = self._write
        shard = self._shard_of(write.id)
        place = (write.collection, write.id)
        event_id = f"{len(self.log):032x}"
        self.log.append(
            ItemChange(event_id, shard.id, *place, self._items.get(place), write.item, expired=write.expired)
        )
        if write.item is None:
            self._items.pop(place, None)
        else:
            self._items[place] = write.item
        body = {"ApproximateCreationDateTime": float(int(now)), "Keys": key, "SequenceNumber": str(self._sequence)}
        self._sequence += 1 + len(self.log) % 3
        images = {"OldImage": old} if old is not None else {}
        images |= {"NewImage": new} if new is not None else {}
        record: Json = {
            "eventID": event_id,
            "eventName": "REMOVE" if new is None else "INSERT" if old is None else "MODIFY",
            "eventSource": "aws:dynamodb",
            "dynamodb": body | images,
            "eventSourceARN": SOURCE,
        }
        if write.expired:
            record["userIdentity"] = _TTL
        shard.records.append(record)

    def _shard_of(self, item_id: str) -> Shard:
        place = int(item_id) % _SLICES
        return next(shard for shard in self.shards if shard.closed is None and place in shard.slices)
