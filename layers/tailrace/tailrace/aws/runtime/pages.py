"""Reads lists that come in pages, to their end."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tailrace.aws.runtime.errors import map_aws_errors

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


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
