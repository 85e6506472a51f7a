"""What each shard has acknowledged and not committed: two attributes of the aggregate stage's progress rows.

``outstanding`` names the changes that are only in the state of the shard's window, ``committed`` the number up to which
what was carried is committed. They are in the progress row because every invocation reads it anyway. Each write is
conditional on what was read, so that an invocation that comes late changes nothing.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aggregation.carried.state import Outstanding
from tailrace.aggregation.marks import decode_sequence, encode_sequence
from tailrace.aws.backfill.progress_rows import AGGREGATE, ProgressRows, parse_through
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code, translate
from tailrace.aws.runtime.pages import partition_rows
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.errors import Transient
from tailrace.inputs.changes import StreamPosition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RETENTION = timedelta(days=2)
"""The same as for progress rows, once nothing waits; any earlier, what is lost would be forgotten with the row."""

_NAMES = {"#outstanding": "outstanding", "#missing": "missing_since", "#expires": "expires_at"}
_WAITS = "SET #outstanding = :after, #missing = :oldest REMOVE #expires"


class ShardRow(Struct, frozen=True):
    """A shard's progress row, as write-behind sees it.

    Attributes:
        exists: whether there is one; the first batch of a shard is committed at once and makes it.
        outstanding: the changes that are acknowledged and not committed, if any.
        committed: a number up to which everything is committed, at least; -1 if none is known.
    """

    exists: bool = False
    outstanding: Outstanding | None = None
    committed: int = -1

    @classmethod
    def parse(cls, image: Mapping[str, Any] | None) -> Self:
        """Read a row in DynamoDB's JSON."""
        row = decode_item(image or {})
        outstanding = Outstanding.parse(row["outstanding"]) if "outstanding" in row else None
        known = [decode_sequence(row["committed"])] if "committed" in row else []
        known += [parse_through(row["through"]).sequence] if "through" in row else []
        return cls("through" in row, outstanding, max(known, default=-1))


class OutstandingRows(Struct, frozen=True):
    """Reads and writes what is outstanding.

    Raises (each method):
        Transient: the table cannot be used now, or another invocation has written the row.
        Permanent: the table rejects the request.
    """

    client: "DynamoDBClient"
    progress: ProgressRows
    clock: Callable[[], datetime]

    def read_outstanding(self) -> dict[str, ShardRow]:
        """Return the rows of all shards that have something outstanding, strongly consistent."""
        rows = partition_rows(self.client, self.progress.table, AGGREGATE)
        # most have nothing, and each new shard asks
        return {row["sk"]["S"]: ShardRow.parse(row) for row in rows if "outstanding" in row}

    def carry(self, shard: str, before: Outstanding | None, after: Outstanding, oldest: str) -> None:
        """Record that more is outstanding, before it is acknowledged; ``oldest`` is when its first change was made."""
        names, values = dict(_NAMES), {":after": after.text(), ":oldest": oldest}
        if before is None:
            names |= {"#through": "through", "#committed": "committed"}
            values |= {":first": encode_sequence(after.start)}
            # what was committed meanwhile must not become outstanding again
            condition = (
                "#through < :first AND attribute_not_exists(#outstanding) "
                "AND (attribute_not_exists(#committed) OR #committed < :first)"
            )
        else:
            values |= {":before": before.text()}
            condition = "#outstanding = :before"
        if not self._update(shard, _WAITS, condition, names, values):
            raise Transient("another delivery of the shard is in progress")

    def advance(self, shard: str, before: Outstanding, committed: StreamPosition) -> Outstanding:
        """Record that the outstanding changes up to one are committed, and return what is left, never more."""
        after = Outstanding(committed.sequence, before.through, after=True)
        if after == before:
            return before
        values = {":before": before.text(), ":after": after.text(), ":oldest": committed.time}
        if not self._update(shard, _WAITS, "#outstanding = :before", _NAMES, values):
            raise Transient("another delivery of the shard is in progress")
        return after

    def settle(self, shard: str, before: Outstanding, committed: int) -> None:
        """Record that everything up to a number is committed, unless more has become outstanding meanwhile."""
        names = {**_NAMES, "#committed": "committed"}
        expires_at = int((self.clock() + _RETENTION).timestamp())
        through = encode_sequence(max(committed, before.through))
        values = {":before": before.text(), ":committed": through, ":expires": expires_at}
        change = "SET #committed = :committed, #expires = :expires REMOVE #outstanding, #missing"
        self._update(shard, change, "#outstanding = :before", names, values)

    def _update(
        self, shard: str, change: str, condition: str, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> bool:
        try:
            self.client.update_item(
                TableName=self.progress.table,
                Key=self.progress.key(shard),
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=encode_item(values),
            )
        except (ClientError, BotoCoreError) as error:
            if has_code(error, CONDITION_FAILED):
                return False
            raise translate(error) from error
        return True
