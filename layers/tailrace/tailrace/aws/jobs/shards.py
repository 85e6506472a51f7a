"""The shards of the items table's stream, as jobs have to know them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tailrace.aws.aggregates.lineages import Lineages
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.backfill.coverage import ListedShard

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class StreamShards:
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
        with map_aws_errors():
            stream = self.client.describe_table(TableName=self.table)["Table"].get("LatestStreamArn", "")
        described = self.lineages.describe_stream(stream)
        return {name: ListedShard(one.parent, one.last is not None) for name, one in described.items()}

    def items(self) -> int:
        """Return the number of items by the table's own count, which is up to six hours old."""
        with map_aws_errors():
            return int(self.client.describe_table(TableName=self.table)["Table"].get("ItemCount", 0))
