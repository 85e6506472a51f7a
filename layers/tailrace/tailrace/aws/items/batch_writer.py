"""Writes many items to the items table, 25 to a call."""

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from tailrace.aws.items.conditions import OF_ANOTHER, Condition, not_of_another
from tailrace.aws.items.rows import PLAIN
from tailrace.aws.items.store import translate_item_error
from tailrace.aws.runtime.errors import CONDITION_FAILED, has_code
from tailrace.aws.runtime.parallel import run_all
from tailrace.definition.item_keys import CollectionKey
from tailrace.encoding.json_types import Row
from tailrace.errors import InvalidItem, Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


_MAX_ITEMS = 25
_MAX_ATTEMPTS = 8
_FIRST_BACKOFF_S = 0.05
_THREADS = 8


class RefusedItem(Struct, frozen=True):
    """A row that the table rejects as invalid: its position, and the table's message."""

    position: int
    reason: str


class Unprocessed(Struct, frozen=True):
    """A row that the table did not process in time: its position."""

    position: int


def put_all_or_raise(  # noqa: PLR0913 - a table, its rows, and how to go about it
    client: "DynamoDBClient",
    table: str,
    rows: Sequence[Row],
    *,
    keys: CollectionKey = PLAIN,
    sleep: Callable[[float], None] = time.sleep,
    before_call: Callable[[], None] = lambda: None,
    has_time: Callable[[], bool] = lambda: True,
) -> list[RefusedItem]:
    """Store all rows except invalid ones, which are returned, as long as the table stores some; see :func:`write_all`.

    Raises:
        Transient: the table did not process all rows in time; the processed ones are stored.
        Permanent: the table rejects the call.
    """
    outcomes = write_all(
        client, table, rows, keys=keys, sleep=sleep, before_call=before_call, has_time=has_time, is_patient=True
    )
    unprocessed = [outcome for outcome in outcomes if isinstance(outcome, Unprocessed)]
    if unprocessed:
        raise Transient(
            f"the table left {len(unprocessed)} items unprocessed, after {_MAX_ATTEMPTS} attempts or too long"
        )
    return [outcome for outcome in outcomes if isinstance(outcome, RefusedItem)]


def write_all(  # noqa: PLR0913 - a table, its rows, and how to go about it
    client: "DynamoDBClient",
    table: str,
    rows: Sequence[Row],
    *,
    keys: CollectionKey = PLAIN,
    sleep: Callable[[float], None] = time.sleep,
    max_attempts: int = _MAX_ATTEMPTS,
    before_call: Callable[[], None] = lambda: None,
    has_time: Callable[[], bool] = lambda: True,
    is_patient: bool = False,
) -> list[RefusedItem | Unprocessed]:
    """Store rows (in DynamoDB's JSON, without duplicate keys, a few megabytes in total), several calls at a time.

    ``keys`` are those of the rows' collection. Rows whose key another collection may use, too, are written one by one,
    on condition that it does not. ``before_call`` is called before each call, by any thread; it may raise. After
    ``has_time`` has returned false, no call is begun, and the rows that are left count as unprocessed.

    Unprocessed rows are retried with back-off (all rows of a call that is throttled), because an on-demand table takes
    a while to scale up. With ``is_patient``, an attempt that stores some row does not count. A call with an invalid row
    stores nothing, so its rows are then sent one by one. Returns the rows that are not stored.

    Raises:
        Permanent: the table rejects the call.
    """
    batches = [range(start, min(start + _MAX_ITEMS, len(rows))) for start in range(0, len(rows), _MAX_ITEMS)]
    condition = not_of_another(keys)
    writer = _BatchWriter(client, table, keys, condition, sleep, max_attempts, before_call, has_time, is_patient)
    return list(chain.from_iterable(run_all([partial(writer.put, rows, one) for one in batches], _THREADS)))


class _BatchWriter(Struct, frozen=True):
    client: "DynamoDBClient"
    table: str
    keys: CollectionKey
    condition: Condition | None
    sleep: Callable[[float], None]
    max_attempts: int
    before_call: Callable[[], None]
    has_time: Callable[[], bool]
    is_patient: bool

    def put(self, rows: Sequence[Row], positions: range) -> list[RefusedItem | Unprocessed]:
        if self.condition is not None:
            outcomes = (self._put_own(rows[position], position, self.condition) for position in positions)
            return [outcome for outcome in outcomes if outcome is not None]
        try:
            unprocessed = self._write([rows[position] for position in positions])
        except InvalidItem as error:
            if len(positions) == 1:
                return [RefusedItem(positions[0], error.violations[0].message)]
            singles = (range(position, position + 1) for position in positions)
            return [outcome for position in singles for outcome in self.put(rows, position)]
        names = list(self.keys.attributes)
        keys = [[row[name] for name in names] for row in unprocessed]
        return [Unprocessed(one) for one in positions if [rows[one][name] for name in names] in keys]

    def _put_own(self, row: Row, position: int, condition: Condition) -> RefusedItem | Unprocessed | None:
        """Store a row unless its key is that of another collection's item; the SDK retries, as do patient writers."""
        for attempt in range(self.max_attempts if self.is_patient else 1):
            self._pause(attempt)
            if not self.has_time():
                break
            self.before_call()
            try:
                self.client.put_item(TableName=self.table, Item=row, **condition.parameters())
            except (ClientError, BotoCoreError) as error:
                if has_code(error, CONDITION_FAILED):
                    return RefusedItem(position, OF_ANOTHER)
                failure = translate_item_error(error)
                if isinstance(failure, InvalidItem):
                    return RefusedItem(position, failure.violations[0].message)
                if not isinstance(failure, Transient):
                    raise failure from error
                if isinstance(error, BotoCoreError):
                    break  # no response, and the SDK has already retried
            else:
                return None
        return Unprocessed(position)

    def _pause(self, attempt: int) -> None:
        if attempt:
            self.sleep(random.uniform(0, _FIRST_BACKOFF_S * 2**attempt))  # noqa: S311 - jitter, not cryptography

    def _write(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Store rows in one call and its retries; return those that are not stored."""
        requests: Any = {self.table: [{"PutRequest": {"Item": row}} for row in rows]}
        attempt = 0
        while attempt < self.max_attempts:
            self._pause(attempt)
            if not self.has_time():
                break
            self.before_call()
            left, attempt = len(requests[self.table]), attempt + 1
            try:
                requests = self.client.batch_write_item(RequestItems=requests).get("UnprocessedItems")
            except (ClientError, BotoCoreError) as error:
                failure = translate_item_error(error)
                if not isinstance(failure, Transient):
                    raise failure from error
                if isinstance(error, BotoCoreError):
                    break  # no response, and the SDK has already retried
            if not requests:
                return []
            if self.is_patient and len(requests[self.table]) < left:
                attempt = 1
        return [request["PutRequest"]["Item"] for request in requests[self.table]]
