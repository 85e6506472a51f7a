"""The stream of a table that jobs may only read, and what is awkward about reading it."""

from datetime import UTC, datetime
from random import Random
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct, field

from tailrace.backfill.coverage import LISTING_DELAY_S
from tests.simulation.jobs.stack.stream import Shard, Stream

_KEEPS_S = 24 * 3600
_EXPIRES_S = 15 * 60
_MOST_EMPTY = 3
_PAGE = 4


class Written(AssertionError):
    """A job has written to a table that it may only read."""


class ReadOnly(Struct, frozen=True):
    """A client of DynamoDB that may not write to one table."""

    client: Any
    table: str

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.client, name)
        if name.startswith(("get_", "batch_get_", "query", "scan", "describe_")):
            return call

        def checked(**request: Any) -> Any:
            if self.table in (request.get("TableName"), *request.get("RequestItems", ())):
                raise Written(f"{name} {request}")
            return call(**request)

        return checked


class Iterator(Struct):
    """Where a reader is in a shard: before which record, and how many empty pages come first."""

    shard: Shard
    index: int
    empty: int
    made_at: float


class StreamOfAttached(Struct):
    """A client of the stream.

    Attributes:
        world: the stream as it truly is.
        breaks_bounds: whether records and shards may stay unseen for longer than jobs expect. Then rows may be wrong;
            but they must not be said to be exact.
    """

    world: Stream
    breaks_bounds: bool = False
    random: Random = field(default_factory=Random)
    iterators: dict[str, Iterator] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(self.world.random.getrandbits(32))  # noqa: S311 - not a secret
        self.breaks_bounds = self.random.random() < 0.3

    # --- what the world asks -------------------------------------------------------------------------------

    def hide(self, shard: Shard) -> None:
        """Let the next record of a shard be met later than it was written."""
        if self.random.random() < 0.1:
            longest = 1500 if self.breaks_bounds and self.random.random() < 0.3 else 50
            shard.visible_at[len(shard.records)] = self.world.now + self.random.randrange(longest)

    def halves(self, shard: Shard) -> list[int | None]:
        """Return the parts that follow a shard: it may split once."""
        return [0, 1] if shard.half is None and self.random.random() < 0.5 else [shard.half]

    def listed_at(self) -> float:
        """Return when the second part of a split is first listed."""
        longest = 3000 if self.breaks_bounds else LISTING_DELAY_S
        return self.world.now + self.random.choice((0, self.random.randrange(longest)))

    # --- what jobs ask -------------------------------------------------------------------------------------

    def describe_stream(self, **request: Any) -> Any:
        """Describe the stream."""
        return self.world.describe_stream(**request)

    def get_shard_iterator(
        self,
        *,
        StreamArn: str,  # noqa: N803
        ShardId: str,  # noqa: N803
        ShardIteratorType: str,  # noqa: N803
        SequenceNumber: str = "",  # noqa: N803
    ) -> Any:
        """Return an iterator after a record, or before the oldest."""
        assert StreamArn == "stream"
        shard = next(one for one in self.world.shards if one.name == ShardId)
        if self._is_gone(shard):
            raise _error("ResourceNotFoundException", "GetShardIterator")
        index = self._oldest(shard)
        if ShardIteratorType == "AFTER_SEQUENCE_NUMBER":
            number = int(SequenceNumber)
            index = next((at for at, one in enumerate(shard.records) if number_of(one) > number), len(shard.records))
            if index <= self._oldest(shard) and self._oldest(shard):
                raise _error("TrimmedDataAccessException", "GetShardIterator")
        return {"ShardIterator": self._iterator(shard, index)}

    def get_records(self, *, ShardIterator: str) -> Any:  # noqa: N803
        """Return a page: an empty one now and then, before the records."""
        at = self.iterators[ShardIterator]
        if self.world.now > at.made_at + _EXPIRES_S:
            raise _error("ExpiredIteratorException", "GetRecords")
        if at.index < self._oldest(at.shard):
            raise _error("TrimmedDataAccessException", "GetRecords")
        visible = self.world.visible(at.shard)
        if at.empty:
            return {"Records": [], "NextShardIterator": self._iterator(at.shard, at.index, at.empty - 1)}
        page = visible[at.index : at.index + _PAGE]
        following = at.index + len(page)
        is_end = at.shard.closed and following == len(at.shard.records)
        token = {} if is_end else {"NextShardIterator": self._iterator(at.shard, following)}
        return {"Records": [_as_read(one) for one in page], **token}

    def _iterator(self, shard: Shard, index: int, empty: int | None = None) -> str:
        if empty is None:
            empty = self.random.choice((0, 0, self.random.randrange(_MOST_EMPTY + 1)))
        name = f"{shard.name}|{index}|{len(self.iterators)}"
        self.iterators[name] = Iterator(shard, index, empty, self.world.now)
        return name

    def _oldest(self, shard: Shard) -> int:
        oldest = self.world.now - _KEEPS_S
        return sum(one["dynamodb"]["ApproximateCreationDateTime"] < oldest for one in shard.records)

    def _is_gone(self, shard: Shard) -> bool:
        return shard.closed and bool(shard.records) and self._oldest(shard) == len(shard.records)


def _as_read(record: Any) -> Any:
    body = record["dynamodb"]
    return {
        "dynamodb": body
        | {"ApproximateCreationDateTime": datetime.fromtimestamp(body["ApproximateCreationDateTime"], UTC)}
    }


def number_of(record: Any) -> int:
    """Return a record's sequence number."""
    return int(record["dynamodb"]["SequenceNumber"])


def _error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, operation)
