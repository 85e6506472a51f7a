"""The lineage of each shard of the stream: determined once per shard and stored in a row of its own."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, field

from tailrace.aggregation.marks import SPLIT, Lineage, Shard, is_only_child, lineage_of, mark_attribute, orphaned_marks
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, map_aws_errors, translate
from tailrace.aws.runtime.pages import partition_rows
from tailrace.encoding.dynamodb import decode_item, encode_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

SHARDS = "~shards"
"""The partition of the aggregates table that holds a row for each shard."""

# A shard reads its parent's row for as long as the stream may still deliver records of either.
_RETENTION = timedelta(days=8)


class Lineages(Struct, frozen=True):
    """Finds the lineage of a shard: in this process's memory, in the shard's row, or from the stream's description.

    A shard's row never changes, because every delivery of the shard has to find the same mark.

    Attributes:
        client: a DynamoDB client.
        streams: makes a DynamoDB Streams client; called only for a new shard.
        table: the aggregates table.
        clock: the current time, in UTC.
    """

    client: "DynamoDBClient"
    streams: Callable[[], "DynamoDBStreamsClient"]
    table: str
    clock: Callable[[], datetime]
    cache: dict[str, Lineage] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)

    def parents_of(self, shard: str, stream: str) -> Mapping[str, str | None]:
        """Return the parent of each shard that this process has seen in the stream; raises like :meth:`find`."""
        if shard not in self.parents:
            self.parents.update({name: one.parent for name, one in self.describe_stream(stream).items()})
        return self.parents

    def find(self, shard: str, stream: str) -> Lineage:
        """Return the lineage of a shard of the stream with this ARN.

        Raises:
            Transient: the table or the stream cannot be read now.
            Permanent: they reject the request.
        """
        lineage = self.cache.get(shard) or self._load(shard) or self._save(shard, self._derive(shard, stream))
        self.cache[shard] = lineage
        return lineage

    def _load(self, shard: str) -> Lineage | None:
        row = self._read_row(shard)
        return _lineage(row) if row else None

    def _read_row(self, shard: str) -> Mapping[str, Any]:
        with map_aws_errors():
            answer = self.client.get_item(TableName=self.table, Key=encode_item(_key(shard)), ConsistentRead=True)
        return decode_item(answer.get("Item", {}))

    def _derive(self, shard: str, stream: str) -> Lineage:
        return self._derive_from_parent(shard, self.describe_stream(stream))

    def _derive_from_parent(self, shard: str, shards: Mapping[str, Shard]) -> Lineage:
        """Return the lineage of a shard without a row, after storing those of ancestors that had no changes."""
        parent = shards[shard].parent if shard in shards else None
        parent_lineage = None
        if parent is not None:
            parent_lineage = self._load(parent)
            if parent_lineage is None and parent in shards:
                parent_lineage = self._save(parent, self._derive_from_parent(parent, shards))
        now = self.clock()
        if parent is not None and parent_lineage is not None:
            return lineage_of(shard, parent_lineage, self._claim_successor(parent, shard, shards), now)
        # no known ancestor; a shard that the stream does not list (a handmade event) says nothing about the others
        ended = orphaned_marks(self._stored_lineages(), shards, now) if shard in shards else ()
        return Lineage(mark_attribute(shard), ended)

    def _claim_successor(self, parent: str, shard: str, shards: Mapping[str, Shard]) -> str:
        """Return the successor that continues a shard's mark; the first child to be seen decides, in the shard's row.

        Two parts of a split may be seen at the same time, each by a process whose stream description lacks the other.
        If one part continued a mark that the other considers ended, the mark would be dropped while in use.
        """
        claim = shard if is_only_child(shard, shards) else SPLIT
        try:
            self.client.update_item(
                TableName=self.table,
                Key=encode_item(_key(parent)),
                UpdateExpression="SET heir = :heir",
                ConditionExpression="attribute_exists(pk) AND attribute_not_exists(heir)",
                ExpressionAttributeValues=encode_item({":heir": claim}),
            )
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED):
                return str(self._read_row(parent).get("heir", SPLIT))
            raise translate(error) from error
        return claim

    def _stored_lineages(self) -> dict[str, Lineage]:
        """Return the lineages of all shards with a row: a few per day and partition, for eight days."""
        rows = partition_rows(self.client, self.table, SHARDS)
        return {row["sk"]: _lineage(row) for row in map(decode_item, rows)}

    def describe_stream(self, stream: str) -> Mapping[str, Shard]:
        """Return the shards of a stream; none if the stream does not exist, as in a handmade event.

        Raises like :meth:`find`.
        """
        shards: dict[str, Shard] = {}
        request: dict[str, Any] = {"StreamArn": stream}
        try:
            while True:
                description = self.streams().describe_stream(**request)["StreamDescription"]
                for entry in description.get("Shards", []):
                    numbers = entry.get("SequenceNumberRange", {})
                    last = numbers.get("EndingSequenceNumber")
                    first = int(numbers.get("StartingSequenceNumber", 0))
                    shards[entry["ShardId"]] = Shard(
                        entry.get("ParentShardId"), first, None if last is None else int(last)
                    )
                if "LastEvaluatedShardId" not in description:
                    return shards
                request["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]
        except (ClientError, BotoCoreError) as error:
            if has_code(error, *_NO_SUCH_STREAM):
                return {}
            raise translate(error) from error

    def _save(self, shard: str, lineage: Lineage) -> Lineage:
        row = _key(shard) | {
            "lineage": lineage.mark,
            "ended": [list(entry) for entry in lineage.ended],
            "expires_at": int((self.clock() + _RETENTION).timestamp()),
        }
        try:
            self.client.put_item(
                TableName=self.table, Item=encode_item(row), ConditionExpression="attribute_not_exists(pk)"
            )
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED):
                # another delivery of the same shard was faster; both must use the same lineage
                return self._load(shard) or lineage
            raise translate(error) from error
        return lineage


_NO_SUCH_STREAM = ("ResourceNotFoundException", "ValidationException")


def _key(shard: str) -> dict[str, Any]:
    return {"pk": SHARDS, "sk": shard}


def _lineage(row: Mapping[str, Any]) -> Lineage:
    return Lineage(row["lineage"], tuple((mark, ended_at) for mark, ended_at in row["ended"]))
