"""Reads rows by their keys, many to a call."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_KEYS_PER_READ = 100
"""Rows that :func:`rows_by_key` reads at once: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""


def rows_by_key(
    client: "DynamoDBClient", table: str, keys: Iterable[RowKey], attributes: Iterable[str] = ()
) -> Iterator[Mapping[str, Any]]:
    """Yield those of up to 100 rows that exist, in DynamoDB's JSON, strongly consistent and in no order.

    ``attributes`` are those to read; all if there are none.

    Raises:
        Transient: the table cannot be read now.
        Permanent: the table rejects the request.
    """
    names = {f"#{number}": name for number, name in enumerate(attributes)}
    wanted: Any = {"Keys": [encode_item({"pk": pk, "sk": sk}) for pk, sk in keys], "ConsistentRead": True}
    if names:
        wanted |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
    request: Any = {table: wanted}
    while request:
        with map_aws_errors():
            answer = client.batch_get_item(RequestItems=request)
        yield from answer.get("Responses", {}).get(table, [])
        # by what is left, not by what was found: reading a missing row takes as long as any other
        asked, left = len(request[table]["Keys"]), answer.get("UnprocessedKeys")
        if left and len(left[table]["Keys"]) >= asked:
            raise Transient("the table is too busy to read rows")
        request = left
