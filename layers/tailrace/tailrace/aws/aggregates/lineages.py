"""Which lineage each shard of the stream belongs to: found out once for each shard, and kept in a row of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aggregation.marks import SPLIT, Lineage, Shard, is_only_child, lineage_of, mark_attribute, orphaned_marks
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, map_aws_errors, translate
from tailrace.encoding.dynamodb import decode_item, encode_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

SHARDS = "~shards"
"""The partition of the aggregates table that holds a row for each shard."""

# The next shard asks for its parent's row for as long as the stream may still deliver of either.
_RETENTION = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Lineages:
    """Finds the lineage of a shard: from this process's memory, the shard's row, or the stream's own description.

    What a shard's row says never changes, since every delivery of the shard has to find the same mark.

    Attributes:
        client: a DynamoDB client.
        streams: makes a client of DynamoDB Streams; asked for only when a shard is new.
        table: the aggregates table.
        clock: the time now, in UTC.
    """

    client: "DynamoDBClient"
    streams: Callable[[], "DynamoDBStreamsClient"]
    table: str
    clock: Callable[[], datetime]
    known: dict[str, Lineage] = field(default_factory=dict)

    def of(self, shard: str, stream: str) -> Lineage:
        """Return the lineage of a shard of the stream with this ARN.

        Raises:
            Transient: the table or the stream cannot be read now.
            Permanent: they refuse for good.
        """
        lineage = self.known.get(shard) or self._stored(shard) or self._store(shard, self._derive(shard, stream))
        self.known[shard] = lineage
        return lineage

    def _stored(self, shard: str) -> Lineage | None:
        row = self._row(shard)
        return _lineage(row) if row else None

    def _row(self, shard: str) -> Mapping[str, Any]:
        with map_aws_errors():
            answer = self.client.get_item(TableName=self.table, Key=encode_item(_key(shard)), ConsistentRead=True)
        return decode_item(answer.get("Item", {}))

    def _derive(self, shard: str, stream: str) -> Lineage:
        return self._after(shard, self._describe(stream))

    def _after(self, shard: str, shards: Mapping[str, Shard]) -> Lineage:
        """Return the lineage of a shard without a row, once its ancestors have theirs: some may have had no changes."""
        parent = shards[shard].parent if shard in shards else None
        parent_lineage = None
        if parent is not None:
            parent_lineage = self._stored(parent)
            if parent_lineage is None and parent in shards:
                parent_lineage = self._store(parent, self._after(parent, shards))
        now = self.clock()
        if parent is not None and parent_lineage is not None:
            return lineage_of(shard, parent_lineage, self._claim_successor(parent, shard, shards), now)
        # nothing tells where it comes from; what the stream does not list (a hand-made event) tells nothing of others
        ended = orphaned_marks(self._stored_lineages(), shards, now) if shard in shards else ()
        return Lineage(mark_attribute(shard), ended)

    def _claim_successor(self, parent: str, shard: str, shards: Mapping[str, Shard]) -> str:
        """Return who goes on with a shard's mark. The first heir that is seen decides that, in the shard's row.

        Two parts of a shard may be seen at once, each by a process to which the stream does not show the other yet.
        Did one go on with the mark that the other holds for ended, it would be dropped under it.
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
                return str(self._row(parent).get("heir", SPLIT))
            raise translate(error) from error
        return claim

    def _stored_lineages(self) -> dict[str, Lineage]:
        """Return the lineages of all shards that have a row: of each partition of the items a few a day, for a week."""
        request: Any = {
            "TableName": self.table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": encode_item({":pk": SHARDS}),
            "ConsistentRead": True,
        }
        found: dict[str, Lineage] = {}
        while True:
            with map_aws_errors():
                page = self.client.query(**request)
            found |= {row["sk"]: _lineage(row) for row in map(decode_item, page["Items"])}
            if "LastEvaluatedKey" not in page:
                return found
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _describe(self, stream: str) -> Mapping[str, Shard]:
        """Return the shards of a stream; none where there is no such stream, as in a hand-made event."""
        shards: dict[str, Shard] = {}
        request: dict[str, Any] = {"StreamArn": stream}
        try:
            while True:
                described = self.streams().describe_stream(**request)["StreamDescription"]
                for one in described.get("Shards", []):
                    numbers = one.get("SequenceNumberRange", {})
                    last = numbers.get("EndingSequenceNumber")
                    first = int(numbers.get("StartingSequenceNumber", 0))
                    shards[one["ShardId"]] = Shard(one.get("ParentShardId"), first, None if last is None else int(last))
                if "LastEvaluatedShardId" not in described:
                    return shards
                request["ExclusiveStartShardId"] = described["LastEvaluatedShardId"]
        except (ClientError, BotoCoreError) as error:
            if has_code(error, *_NO_SUCH_STREAM):
                return {}
            raise translate(error) from error

    def _store(self, shard: str, lineage: Lineage) -> Lineage:
        row = _key(shard) | {
            "lineage": lineage.mark,
            "ended": [list(one) for one in lineage.ended],
            "expires_at": int((self.clock() + _RETENTION).timestamp()),
        }
        try:
            self.client.put_item(
                TableName=self.table, Item=encode_item(row), ConditionExpression="attribute_not_exists(pk)"
            )
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED):
                # another delivery of the same shard was faster, and both have to agree
                return self._stored(shard) or lineage
            raise translate(error) from error
        return lineage


_NO_SUCH_STREAM = ("ResourceNotFoundException", "ValidationException")


def _key(shard: str) -> dict[str, Any]:
    return {"pk": SHARDS, "sk": shard}


def _lineage(row: Mapping[str, Any]) -> Lineage:
    return Lineage(row["lineage"], tuple((mark, ended_at) for mark, ended_at in row["ended"]))
