"""What outlives a process: tables, buckets, and the stream of the items, in memory and under one clock."""

from typing import Any

from local.in_memory import Database
from tailrace.encoding.dynamodb import decode_item, encode_item
from tests.simulation.jobs.attached import StreamOfAttached
from tests.simulation.jobs.clients import Buckets, DynamoDB, Functions
from tests.simulation.jobs.stack.stream import START, Shard, Stream


class Tables(Stream):
    """The tables and the buckets of a stack, and the stream that each change of an item goes into."""

    def __init__(self, seed: int, *, attached: bool = False) -> None:
        super().__init__(seed)
        self.attached = StreamOfAttached(self) if attached else None
        self.database = Database()
        for name, *keys in (("items", "pk"), ("aggregates", "pk", "sk"), ("progress", "pk", "sk")):
            self.database.create(name, *keys, on_change=self._on_change if name == "items" else None)
        self.dynamodb: Any = DynamoDB(self.database)
        self.buckets: Any = Buckets(lambda: self.now)
        self.functions: Any = Functions(self.now)
        self.roots = self.random.choice((1, 2, 3))
        self.shards = [Shard(f"s{root}", None, root) for root in range(self.roots)]
        self.expiring = False
        self.trace: list[str] = []

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now - START:9.0f} s  {text}")

    def write(self, key: str, item: dict[str, Any] | None, *, expired: bool = False) -> None:
        """Put or delete an item."""
        self.expiring = expired
        if item is None:
            self.database.delete_item(TableName="items", Key=encode_item({"pk": key}))
        else:
            self.database.put_item(TableName="items", Item=encode_item({"pk": key, **item}))
        self.expiring = False

    def items(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return the items: collection, key and fields."""
        found = []
        for row in map(decode_item, self.database.rows("items")):
            key = row.pop("pk")
            found.append((key.partition("#")[0], key, row))
        return found

    def _on_change(self, _key: Any, old: Any, new: Any) -> None:
        if old == new:
            return
        key = (new or old)["pk"]["S"]
        shard = self.open_shard(key)
        self.sequence += self.random.randrange(1, 50)
        body: dict[str, Any] = {"Keys": {"pk": {"S": key}}, "SequenceNumber": str(self.sequence)}
        body["ApproximateCreationDateTime"] = int(self.now)
        body |= ({"OldImage": old} if old else {}) | ({"NewImage": new} if new else {})
        record = {"eventID": str(self.sequence), "eventName": "REMOVE" if new is None else "MODIFY", "dynamodb": body}
        if self.expiring:
            record["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        if self.attached:
            self.attached.hide(shard)
        shard.records.append(record)

    def roll(self) -> None:
        """Close an open shard; another one goes on."""
        shard = self.random.choice([shard for shard in self.shards if not shard.closed])
        shard.closed = True
        halves = self.attached.halves(shard) if self.attached else [shard.half]
        for half in halves:
            following = Shard(f"s{len(self.shards)}", shard, shard.root, half=half)
            if self.attached and half != halves[0]:
                following.listed_at = self.attached.listed_at()
            self.shards.append(following)

    def expire_rows(self, share: float = 1) -> None:
        """Remove rows whose time is over, or some of them, as TTL does."""
        for row in self.database.rows("aggregates"):
            is_over = "expires_at" in row and int(row["expires_at"]["N"]) < self.now
            if is_over and self.random.random() < share:
                self.database.delete_item(TableName="aggregates", Key={"pk": row["pk"], "sk": row["sk"]})
