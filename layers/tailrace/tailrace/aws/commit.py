"""Folded rows into the aggregates table: one conditional write for each row, each change absorbed exactly once."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.clients import translate
from tailrace.changes import encode_value
from tailrace.definitions import ITEMS_IN_ROW
from tailrace.errors import Transient
from tailrace.fold import RowChange
from tailrace.marks import mark_attribute, pad

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_CONDITION_FAILED = "ConditionalCheckFailedException"

# Each failed condition shows a mark that is further on than the one before; more than a few in a row can only
# mean that another invocation works on the same shard at this moment, and then the mapping's retry is the better wait.
_MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Failed:
    """A row that could not be written; ``sequence`` is its first change that is not absorbed."""

    sequence: int
    error: Transient


@dataclass(frozen=True, slots=True)
class Committer:
    """Writes rows on a few threads.

    Attributes:
        client: a DynamoDB client; shared by the threads.
        table: the aggregates table.
        clock: the time now, in UTC; stamped on each row that is written.
        threads: how many writes are under way at once.
    """

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], datetime]
    threads: int = 8

    def commit(self, rows: Sequence[RowChange], shard: str | None) -> list[Failed]:
        """Write all rows and return those that could not be written now; the others are absorbed for good.

        Without a shard the rows are added to without marks: at least once.

        Raises:
            Permanent: a write was refused in a way that no retry can mend. All other rows were tried.
        """
        mark = None if shard is None else mark_attribute(shard)
        with ThreadPoolExecutor(max_workers=self.threads) as pool:
            pending = [pool.submit(self._commit_row, row, mark) for row in rows]
        results = [future.result() for future in pending]
        return [failed for failed in results if failed is not None]

    def _commit_row(self, row: RowChange, mark: str | None) -> Failed | None:
        for _ in range(_MOST_ATTEMPTS):
            try:
                self.client.update_item(**update(self.table, row, mark, self.clock()))
            except (ClientError, BotoCoreError) as error:
                absorbed = _mark_found(error, mark)
                if absorbed is None:
                    failure = translate(error)
                    if isinstance(failure, Transient):
                        return Failed(row.first, failure)
                    raise failure from error
                if absorbed >= row.last:
                    return None
                row = row.above(absorbed)
            else:
                return None
        return Failed(row.first, Transient(f"the mark of {row.key} keeps moving: another delivery is under way"))


def update(table: str, row: RowChange, mark: str | None, now: datetime) -> dict[str, Any]:
    """Return the UpdateItem that adds a row's deltas and moves its mark, or does nothing at all.

    The condition holds where the mark is missing or below the first change that touches the row.
    """
    aggregate = row.aggregate
    sets: dict[str, Any] = {"updated_at": now.isoformat(timespec="milliseconds")}
    sets |= {group.name: value for group, value in zip(aggregate.by, row.groups, strict=True)}
    expires_at = _expires_at(row)
    if expires_at is not None:
        sets["expires_at"] = expires_at
    if mark is not None:
        sets[mark] = pad(row.last)
    adds = dict(zip((ITEMS_IN_ROW, *aggregate.measure_attributes), row.deltas(), strict=True))
    names = {f"#{index}": name for index, name in enumerate((*sets, *adds))}
    values = {f":{index}": encode_value(value) for index, value in enumerate((*sets.values(), *adds.values()))}
    assignments = ", ".join(f"#{index} = :{index}" for index in range(len(sets)))
    additions = ", ".join(f"#{index} :{index}" for index in range(len(sets), len(names)))
    request: dict[str, Any] = {
        "TableName": table,
        "Key": {"pk": {"S": row.key[0]}, "sk": {"S": row.key[1]}},
        "UpdateExpression": f"SET {assignments} ADD {additions}",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }
    if mark is not None:
        position = f"#{list(sets).index(mark)}"
        request["ConditionExpression"] = f"attribute_not_exists({position}) OR {position} < :first"
        values[":first"] = {"S": pad(row.first)}
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return request


def _expires_at(row: RowChange) -> int | None:
    """Return the second at which a row may go: when its time bucket is over, and ``keep`` has passed."""
    aggregate = row.aggregate
    bucket = aggregate.bucket
    if aggregate.keep is None or bucket is None:
        return None
    label = row.groups[list(aggregate.by).index(bucket)]
    return int((bucket.end(label) + aggregate.keep).timestamp())


def _mark_found(error: Exception, mark: str | None) -> int | None:
    """Return the mark that made the condition fail; None where the error is another one."""
    if mark is None or not isinstance(error, ClientError) or error.response["Error"]["Code"] != _CONDITION_FAILED:
        return None
    found: Any = error.response.get("Item", {})
    return int(found[mark]["S"]) if mark in found else None


def checkpoint(failed: Iterable[Failed]) -> int | None:
    """Return the sequence number from which the shard has to be delivered again: the lowest of the failed rows."""
    return min((failure.sequence for failure in failed), default=None)
