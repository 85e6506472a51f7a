"""Counts the different values of main rows: each value that has appeared or disappeared is moved in a transaction."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aggregation.marks import REDELIVERY_HORIZON
from tailrace.aggregation.row_changes import RowChange
from tailrace.aggregation.values.counted_values import NO_ROW, ValueState, moves, to_be_moved
from tailrace.aws.aggregates.batch_reads import MAX_KEYS_PER_READ, rows_by_key
from tailrace.aws.aggregates.expiry import EmptyRowExpiry, may_be_empty
from tailrace.aws.aggregates.update_expressions import (
    COUNTED,
    count_value_request,
    discount_value_request,
    move_counts_request,
)
from tailrace.aws.runtime.errors import has_code, translate
from tailrace.aws.runtime.pages import partition_rows
from tailrace.definition.row_attributes import ITEM_COUNT
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.json_types import Json
from tailrace.encoding.keys import RowKey, value_rows_key
from tailrace.errors import Permanent, Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type States = dict[RowKey, ValueState]

_MAX_VALUES_PER_TRANSACTION = 99  # of 100 actions; one is the main row's
_MAX_ATTEMPTS = 8
_CANCELED = "TransactionCanceledException"
_WORTH_ANOTHER_TRY = {"None", "ConditionalCheckFailed", "TransactionConflict"}
_BUSY = {"ThrottlingError", "ProvisionedThroughputExceeded"}


class ValueCounter(Struct, frozen=True):
    """Moves value rows into the counts of their main rows, and out of them.

    Raises (each method):
        Transient: it could not be done now.
        Permanent: the table rejects the request.
    """

    client: "DynamoDBClient"
    table: str
    clock: Callable[[], datetime]

    def read(self, values: Sequence[RowChange]) -> States:
        """Read up to 100 value rows, strongly consistent."""
        found: States = {value.key: NO_ROW for value in values}
        for row in map(decode_item, rows_by_key(self.client, self.table, found, ("pk", "sk", ITEM_COUNT, COUNTED))):
            found[row["pk"], row["sk"]] = value_state(row)
        return found

    def read_all(self, row: RowChange) -> tuple[list[RowChange], States]:
        """Read all value rows of a main row that are counted or should be."""
        values: list[RowChange] = []
        states: States = {}
        for kind in row.layout.aggregate.value_rows:
            if kind.layout in row.layout.aggregate.counted:
                for found in self._partition(value_rows_key(row.key, kind.name)):
                    value = RowChange(kind.layout, (found["pk"], found["sk"]), (), row.expires_at)
                    values.append(value)
                    states[value.key] = value_state(found)
        return values, states

    def _partition(self, pk: str) -> Iterator[Json]:
        names = {"#0": "pk", "#1": "sk", "#2": ITEM_COUNT, "#3": COUNTED}
        return map(
            decode_item,
            partition_rows(
                self.client,
                self.table,
                pk,
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
            ),
        )

    def count(self, row: RowChange, values: Sequence[RowChange], states: States, *, expire_empty: bool) -> int:
        """Move the values of one main row that have appeared or disappeared; return the number of transactions.

        ``states`` were read after the items of the value rows had changed. Values that end up empty get their expiry.
        """
        transactions = 0
        states = dict(states)
        expiring: set[RowKey] = set()
        for _ in range(_MAX_ATTEMPTS):
            waiting = to_be_moved(values, states)
            if not waiting:
                break
            for part in batched(waiting, _MAX_VALUES_PER_TRANSACTION, strict=False):
                if self._move(row, part, states, expire_empty=expire_empty):
                    transactions += 1
                    expiring |= {one.key for one in part if states[one.key].counted}
                    states |= {one.key: ValueState(states[one.key].items, not states[one.key].counted) for one in part}
                else:
                    for some in batched(part, MAX_KEYS_PER_READ, strict=False):
                        states |= self.read(some)
        else:
            raise Transient("the values of a row keep changing: other deliveries are in progress")
        if expire_empty:
            expiry = EmptyRowExpiry(self.client, self.table)
            gone = [value for value in values if may_be_empty(value) and not states[value.key].items]
            rest = [value for value in gone if value.key not in expiring]
            for some in batched(rest, MAX_KEYS_PER_READ, strict=False):
                expiry.expire_empty_rows(some, self.clock())
        return transactions

    def _move(self, row: RowChange, values: Sequence[RowChange], states: States, *, expire_empty: bool) -> bool:
        """Move some values in one transaction; False if one of them is not as it was read, or the rows are busy."""
        now = self.clock()
        requests = [move_counts_request(self.table, row, moves(row, values, states), now)]
        for value in values:
            if states[value.key].counted:
                expires_at = _expiry(value, now) if expire_empty and not states[value.key].items else None
                requests.append(discount_value_request(self.table, value, expires_at))
            else:
                requests.append(count_value_request(self.table, value))
        actions: Any = [{"Update": request} for request in requests]
        try:
            self.client.transact_write_items(TransactItems=actions)
        except (ClientError, BotoCoreError) as error:
            if not has_code(error, _CANCELED):
                raise translate(error) from error
            _check_reasons(error)
            return False
        return True


def _check_reasons(error: ClientError | BotoCoreError) -> None:
    """Return if other writers have canceled a transaction: rows are not as they were read, or in another transaction.

    Raises:
        Transient: the table is too busy.
        Permanent: it can never succeed.
    """
    response: Any = error.response if isinstance(error, ClientError) else {}
    codes = {reason.get("Code", "") for reason in response.get("CancellationReasons", [])}
    if codes and codes <= _WORTH_ANOTHER_TRY:
        return
    text = f"TransactWriteItems: canceled because of {', '.join(sorted(codes - {'None'})) or 'an unknown reason'}"
    if codes and codes <= _WORTH_ANOTHER_TRY | _BUSY:
        raise Transient(text) from error
    raise Permanent(text) from error


def _expiry(value: RowChange, now: datetime) -> int:
    expires_at = int((now + REDELIVERY_HORIZON).timestamp())
    return expires_at if value.expires_at is None else min(expires_at, value.expires_at)


def value_state(row: Json) -> ValueState:
    """Return the state of a value row."""
    return ValueState(row.get(ITEM_COUNT, 0), COUNTED in row)
