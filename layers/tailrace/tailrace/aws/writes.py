"""How a folded row is written: the two requests, built but not sent.

Both do the same thing under the same condition: add the row's deltas and move the shard's mark, if the mark is below
the first change that touches the row. UpdateItem also makes the row and the mark where there are none; the PartiQL
statement wants both to exist, and travels 25 to a call.
"""

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tailrace.changes import encode_value
from tailrace.definitions import INEXACT, ITEMS_IN_ROW
from tailrace.fold import RowChange
from tailrace.marks import pad

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import BatchStatementRequestTypeDef

type Json = dict[str, Any]

UPDATED_AT = "updated_at"


def update(table: str, row: RowChange, mark: str | None, now: datetime, *, inexact: bool = False) -> Json:
    """Return the UpdateItem for a row; without a mark it adds unconditionally.

    With ``inexact`` it counts the items, leaves the measures as they are, and marks the row as inexact.
    """
    aggregate = row.aggregate
    sets: Json = {UPDATED_AT: _stamp(now)}
    sets |= {group.name: value for group, value in zip(aggregate.by, row.groups, strict=True)}
    expires_at = _expires_at(row)
    if expires_at is not None:
        sets["expires_at"] = expires_at
    if mark is not None:
        sets[mark] = pad(row.last)
    adds = dict(zip((ITEMS_IN_ROW, *aggregate.measure_attributes), row.deltas(), strict=True))
    if inexact:
        adds = {ITEMS_IN_ROW: adds[ITEMS_IN_ROW], INEXACT: 1}
    names = {f"#{index}": name for index, name in enumerate((*sets, *adds))}
    values = {f":{index}": encode_value(value) for index, value in enumerate((*sets.values(), *adds.values()))}
    assignments = ", ".join(f"#{index} = :{index}" for index in range(len(sets)))
    additions = ", ".join(f"#{index} :{index}" for index in range(len(sets), len(names)))
    request: Json = {
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


def statement(table: str, row: RowChange, mark: str, now: datetime) -> "BatchStatementRequestTypeDef":
    """Return the conditional PartiQL update of a row that exists and carries the mark."""
    numbers = [{"N": str(delta)} for delta in row.deltas()]
    texts = [{"S": text} for text in (_stamp(now), pad(row.last), *row.key, pad(row.first))]
    text = _statement_text(table, (ITEMS_IN_ROW, *row.aggregate.measure_attributes), mark)
    return {"Statement": text, "Parameters": [*numbers, *texts]}


@lru_cache(maxsize=1024)
def _statement_text(table: str, added: tuple[str, ...], mark: str) -> str:
    additions = " ".join(f"SET {_quoted(name)} = {_quoted(name)} + ?" for name in added)
    moves = f"SET {_quoted(UPDATED_AT)} = ? SET {_quoted(mark)} = ?"
    return f'UPDATE {_quoted(table)} {additions} {moves} WHERE "pk" = ? AND "sk" = ? AND {_quoted(mark)} < ?'


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _stamp(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds")


def _expires_at(row: RowChange) -> int | None:
    """Return the second at which a row may go: when its time bucket is over, and ``keep`` has passed."""
    aggregate = row.aggregate
    bucket = aggregate.bucket
    if aggregate.keep is None or bucket is None:
        return None
    label = row.groups[list(aggregate.by).index(bucket)]
    return int((bucket.end(label) + aggregate.keep).timestamp())
