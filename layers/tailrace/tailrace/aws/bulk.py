"""Many items into the items table, 25 to a call."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.aws.clients import translate
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MOST_ITEMS = 25
_TRIES = 8
_FIRST_PAUSE_S = 0.05
_THREADS = 4


def put_many(
    client: "DynamoDBClient",
    table: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Store rows (in DynamoDB's JSON, no key twice), a few calls at a time.

    What a call leaves unprocessed is sent again after a pause.

    Raises:
        Transient: the table did not take all of them in time; those that it took stay.
        Permanent: the table refuses.
    """
    calls = [rows[start : start + _MOST_ITEMS] for start in range(0, len(rows), _MOST_ITEMS)]
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        pending = [pool.submit(_put, client, table, call, sleep) for call in calls]
    for future in pending:
        future.result()


def _put(
    client: "DynamoDBClient", table: str, rows: Sequence[Mapping[str, Any]], sleep: Callable[[float], None]
) -> None:
    requests: Any = {table: [{"PutRequest": {"Item": row}} for row in rows]}
    for attempt in range(_TRIES):
        if attempt:
            sleep(random.uniform(0, _FIRST_PAUSE_S * 2**attempt))  # noqa: S311 - spreads retries, hides nothing
        try:
            requests = client.batch_write_item(RequestItems=requests).get("UnprocessedItems")
        except (ClientError, BotoCoreError) as error:
            raise translate(error) from error
        if not requests:
            return
    raise Transient(f"the table left {len(requests[table])} items unprocessed after {_TRIES} tries")
