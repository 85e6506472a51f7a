"""A stream whose shards close, are succeeded and split, with the actions of DynamoDB Streams that the poller calls."""

from dataclasses import dataclass, field
from typing import Any, cast

from local.deployment.mappings import EventSourceMapping
from local.mapping import StreamSettings
from local.pollers.destinations import FailureDestination
from local.pollers.emulator_client import CallFailed, EmulatorClient
from local.pollers.stream import StreamPoller

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/items/stream/2026-11-23T16:44:08.249Z"
START = 1795452248


@dataclass(slots=True)
class Shard:
    id: str
    parent: str | None
    items: frozenset[int]
    records: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False
    trimmed: int = 0


class RollingStream:
    """Starts with one shard for the items 0 to 7. `page` is how many shards a page of the description lists."""

    def __init__(self, *, page: int = 1, most: int = 1000) -> None:
        self.shards: dict[str, Shard] = {}
        self.unreadable: set[str] = set()
        self._page, self._most = page, most
        self._sequence = 0
        self._open(None, frozenset(range(8)))

    # --- what happens to the table ------------------------------------------------------------------------------

    def write(self, item: int) -> int:
        """Change an item; returns the change's number."""
        self._sequence += 1
        shard = next(shard for shard in self.shards.values() if not shard.closed and item in shard.items)
        change = {
            "Keys": {"pk": {"S": str(item)}},
            "SequenceNumber": f"{self._sequence:021d}",
            "ApproximateCreationDateTime": START,
        }
        shard.records.append({"eventID": str(self._sequence), "dynamodb": change})
        return self._sequence

    def roll(self, name: str, *, parts: int = 1) -> list[str]:
        """Close a shard; returns its successors."""
        shard = self.shards[name]
        shard.closed = True
        items = sorted(shard.items)
        return [self._open(name, frozenset(items[part::parts])) for part in range(parts)]

    def trim(self, name: str, count: int) -> None:
        """Delete a shard's oldest records."""
        self.shards[name].trimmed = count

    def _open(self, parent: str | None, items: frozenset[int]) -> str:
        name = f"shardId-{START * 1000:020d}-{len(self.shards):08x}"
        self.shards[name] = Shard(name, parent, items)
        return name

    # --- what the poller calls ----------------------------------------------------------------------------------

    def invoke(self, *_: object) -> object:
        raise CallFailed("unreachable", "no function here")

    def call(self, _service: str, action: str, **parameters: Any) -> dict[str, Any]:
        match action:
            case "DescribeStream":
                return {"StreamDescription": self._description(parameters.get("ExclusiveStartShardId"))}
            case "GetShardIterator":
                return {"ShardIterator": self._iterator(**parameters)}
        return self._records(**parameters)

    def _description(self, after: str | None) -> dict[str, Any]:
        names = list(self.shards)
        first = names.index(after) + 1 if after else 0
        listed = names[first : first + self._page]
        shards: list[dict[str, Any]] = []
        for shard in (self.shards[name] for name in listed):
            numbers = {"StartingSequenceNumber": "1"} | ({"EndingSequenceNumber": "2"} if shard.closed else {})
            parent = {} if shard.parent is None else {"ParentShardId": shard.parent}
            shards.append({"ShardId": shard.id, "SequenceNumberRange": numbers} | parent)
        more = {"LastEvaluatedShardId": listed[-1]} if first + self._page < len(names) else {}
        return {"Shards": shards} | more

    def _iterator(self, *, ShardId: str, ShardIteratorType: str, SequenceNumber: str = "", **_: object) -> str:  # noqa: N803
        shard = self.shards[ShardId]
        match ShardIteratorType:
            case "TRIM_HORIZON":
                place = shard.trimmed
            case "LATEST":
                place = len(shard.records)
            case _:
                numbers = [record["dynamodb"]["SequenceNumber"] for record in shard.records]
                place = numbers.index(SequenceNumber) + (ShardIteratorType == "AFTER_SEQUENCE_NUMBER")
        return f"{ShardId}/{place}"

    def _records(self, *, ShardIterator: str, **_: object) -> dict[str, Any]:  # noqa: N803
        name, place = ShardIterator.split("/")
        shard, first = self.shards[name], int(place)
        if name in self.unreadable:
            raise CallFailed("InternalServerError", "try again")
        if first < shard.trimmed:
            raise CallFailed("TrimmedDataAccessException", "gone")
        page = shard.records[first : first + self._most]
        last = first + len(page)
        at_end = shard.closed and last == len(shard.records)
        return {"Records": page} | ({} if at_end else {"NextShardIterator": f"{name}/{last}"})


def poller(stream: RollingStream, *, shards: int = 1, **properties: object) -> StreamPoller:
    given = {"StartingPosition": "TRIM_HORIZON", **properties}
    mapping = EventSourceMapping("Mapping", "uuid", "function", "arn:function", STREAM, 60, given)
    settings = StreamSettings.parse(given)
    destination = FailureDestination(mapping, None, lambda _: None)
    return StreamPoller(mapping, settings, cast("EmulatorClient", stream), destination, shards=shards)
