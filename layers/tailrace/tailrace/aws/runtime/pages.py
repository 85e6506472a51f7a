"""Reads what comes in parts, to its end: pages of lists, and the answers to a batch of keys."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.encoding.dynamodb import encode_item
from tailrace.encoding.keys import RowKey
from tailrace.errors import Transient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

MAX_KEYS_PER_READ = 100
"""Rows that :func:`rows_by_key` reads at once: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""


def all_rows(call: Callable[..., Mapping[str, Any]], **request: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of all pages of a query or scan (``call``), in DynamoDB's JSON.

    Raises:
        Transient: the table cannot be read now.
        Permanent: the table rejects the request.
    """
    while True:
        with map_aws_errors():
            page = call(**request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def partition_rows(
    client: "DynamoDBClient", table: str, pk: str, *, start: str | None = None, **options: Any
) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a partition in the order of their sort keys, in DynamoDB's JSON, strongly consistent.

    ``start`` is the sort key at which to begin; ``options`` are further arguments of the query.

    Raises:
        Transient, Permanent: as :func:`all_rows`.
    """
    condition, values = "pk = :pk", {":pk": {"S": pk}}
    if start is not None:
        condition += " AND sk >= :start" if options.get("ScanIndexForward", True) else " AND sk <= :start"
        values[":start"] = {"S": start}
    return all_rows(
        client.query,
        TableName=table,
        KeyConditionExpression=condition,
        ExpressionAttributeValues=values,
        ConsistentRead=True,
        **options,
    )


def rows_by_key(
    client: "DynamoDBClient", table: str, keys: Iterable[RowKey], attributes: Iterable[str] = ()
) -> Iterator[Mapping[str, Any]]:
    """Yield those of up to 100 rows that exist, in DynamoDB's JSON, strongly consistent and in no order.

    ``attributes`` are those to read; all if there are none.

    Raises:
        Transient, Permanent: as :func:`all_rows`.
    """
    names = {f"#{number}": name for number, name in enumerate(attributes)}
    asked: Any = {"Keys": [encode_item({"pk": pk, "sk": sk}) for pk, sk in keys], "ConsistentRead": True}
    if names:
        asked |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
    request: Any = {table: asked}
    while request:
        with map_aws_errors():
            answer = client.batch_get_item(RequestItems=request)
        rows = answer.get("Responses", {}).get(table, [])
        yield from rows
        request = answer.get("UnprocessedKeys")
        if request and not rows:
            raise Transient("the table is too busy to read rows")


def all_objects(client: "S3Client", bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects under a prefix as S3 lists them, in the order of their keys.

    An object is among them if its page is listed after it was written.

    Raises:
        Transient: the bucket cannot be listed now.
        Permanent: the bucket rejects the request.
    """
    request: Any = {"Bucket": bucket, "Prefix": prefix}
    while True:
        with map_aws_errors():
            page = client.list_objects_v2(**request)
        yield from page.get("Contents", [])
        if not page.get("IsTruncated"):
            return
        request["ContinuationToken"] = page["NextContinuationToken"]
