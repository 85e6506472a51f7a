"""Many items into the items table, 25 to a call."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.items import refusal
from tailrace.errors import InvalidItem, Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Row = Mapping[str, Any]

_MOST_ITEMS = 25
_TRIES = 8
_FIRST_PAUSE_S = 0.05
_THREADS = 8


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that the table finds invalid: its position, and what the table says."""

    position: int
    reason: str


def put_many(
    client: "DynamoDBClient",
    table: str,
    rows: Sequence[Row],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Refused]:
    """Store rows (in DynamoDB's JSON, no key twice, a few megabytes together), a few calls at a time.

    What a call leaves unprocessed, all of it where the table is too busy for the call, is sent again after a pause: a
    table that grows with its load needs a while for it. A call that the table finds invalid stores nothing, so
    its rows are sent one by one then; returned are those that the table takes on no account.

    Raises:
        Transient: the table did not take all of them in time; those that it took stay.
        Permanent: the table refuses.
    """
    calls = [range(start, min(start + _MOST_ITEMS, len(rows))) for start in range(0, len(rows), _MOST_ITEMS)]
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        pending = [pool.submit(_put, client, table, rows, positions, sleep) for positions in calls]
    return [refused for future in pending for refused in future.result()]


def _put(
    client: "DynamoDBClient", table: str, rows: Sequence[Row], positions: range, sleep: Callable[[float], None]
) -> list[Refused]:
    try:
        _put_call(client, table, [rows[position] for position in positions], sleep)
    except InvalidItem as error:
        if len(positions) == 1:
            return [Refused(positions[0], error.violations[0].message)]
        alone = (range(position, position + 1) for position in positions)
        return [refused for position in alone for refused in _put(client, table, rows, position, sleep)]
    return []


def _put_call(client: "DynamoDBClient", table: str, rows: Sequence[Row], sleep: Callable[[float], None]) -> None:
    requests: Any = {table: [{"PutRequest": {"Item": row}} for row in rows]}
    for attempt in range(_TRIES):
        if attempt:
            sleep(random.uniform(0, _FIRST_PAUSE_S * 2**attempt))  # noqa: S311 - spreads retries, hides nothing
        try:
            requests = client.batch_write_item(RequestItems=requests).get("UnprocessedItems")
        except ClientError as error:
            failure = refusal(error)
            if not isinstance(failure, Transient):
                raise failure from error
        except BotoCoreError as error:
            raise refusal(error) from error
        if not requests:
            return
    raise Transient(f"the table left {len(requests[table])} items unprocessed after {_TRIES} tries")
