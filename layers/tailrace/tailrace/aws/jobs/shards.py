"""The shards of the items table's stream, as jobs have to know them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.runtime.errors import has_code, map_aws_errors, translate
from tailrace.backfill.boundaries import Position
from tailrace.backfill.coverage import ListedShard

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TRIMMED = "TrimmedDataAccessException"
_EXPIRED = ("ExpiredIteratorException", _TRIMMED)
_NO_SUCH_SHARD = "ResourceNotFoundException"


class Page(Struct, frozen=True):
    """A page of a shard: its records in order, and the iterator of the next one; None at the end of a closed shard."""

    records: tuple[Position, ...]
    following: str | None


class StreamShards(Struct, frozen=True):
    """Lists the shards.

    Attributes:
        client: a DynamoDB client.
        table: the items table.
        lineages: describes the stream.
        virtual: the shards into which one machine's pollers split the emulator's stream; empty on AWS.
    """

    client: "DynamoDBClient"
    table: str
    lineages: Lineages
    virtual: Callable[[], tuple[str, ...]] = tuple

    def listed(self) -> Mapping[str, ListedShard]:
        """Return the shards as the stream's description has them now.

        Raises:
            Transient: the stream cannot be described now.
            Permanent: the service rejects the request.
        """
        virtual = self.virtual()
        if virtual:
            return {shard: ListedShard(None, closed=False) for shard in virtual}
        described = self.lineages.describe_stream(self.stream())
        return {name: ListedShard(one.parent, one.last is not None) for name, one in described.items()}

    def stream(self) -> str:
        """Return the ARN of the table's stream; empty without one. Raises like :meth:`listed`."""
        with map_aws_errors():
            return self.client.describe_table(TableName=self.table)["Table"].get("LatestStreamArn", "")

    def open_after(self, stream: str, shard: str, mark: int | None) -> str | None:
        """Return an iterator after a sequence number, or from the oldest record that the shard still has.

        None means that the stream has no such shard any more. Raises like :meth:`listed`.
        """
        oldest: Any = {"ShardIteratorType": "TRIM_HORIZON"}
        after: Any = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": f"{mark:021}"} if mark else oldest
        for start in (after, oldest):
            try:
                found = self.lineages.streams().get_shard_iterator(StreamArn=stream, ShardId=shard, **start)
            except (ClientError, BotoCoreError) as error:
                if has_code(error, _NO_SUCH_SHARD):
                    return None
                if not has_code(error, _TRIMMED):
                    raise translate(error) from error
            else:
                return found["ShardIterator"]
        return None

    def page(self, iterator: str) -> Page | None:
        """Return the page at an iterator; None if the iterator can no longer be used. Raises like :meth:`listed`."""
        try:
            answer = self.lineages.streams().get_records(ShardIterator=iterator)
        except (ClientError, BotoCoreError) as error:
            if has_code(error, *_EXPIRED):
                return None
            raise translate(error) from error
        records = tuple(
            Position(int(one["SequenceNumber"]), int(one["ApproximateCreationDateTime"].timestamp()))
            for one in (record["dynamodb"] for record in answer["Records"])
        )
        return Page(records, answer.get("NextShardIterator"))

    def size(self) -> tuple[int, int]:
        """Return the number of items, and of their bytes, by the table's own count, which is up to six hours old."""
        with map_aws_errors():
            table = self.client.describe_table(TableName=self.table)["Table"]
        return int(table.get("ItemCount", 0)), int(table.get("TableSizeBytes", 0))
