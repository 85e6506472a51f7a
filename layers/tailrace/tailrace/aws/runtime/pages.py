"""Reads lists that come in pages, to their end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tailrace.aws.runtime.errors import map_aws_errors

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


def all_pages(
    call: Callable[..., Mapping[str, Any]], **request: Any
) -> Iterator[tuple[Sequence[Mapping[str, Any]], Mapping[str, Any] | None]]:
    """Yield the pages of a query or scan (``call``): rows in DynamoDB's JSON, and the key after which the next begins.

    The key of the last page is None.

    Raises:
        Transient: the table cannot be read now.
        Permanent: the table rejects the request.
    """
    while True:
        with map_aws_errors():
            page = call(**request)
        after = page.get("LastEvaluatedKey")
        yield page["Items"], after
        if after is None:
            return
        request["ExclusiveStartKey"] = after


def all_rows(call: Callable[..., Mapping[str, Any]], **request: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of all pages of a query or scan (``call``), in DynamoDB's JSON; raises like :func:`all_pages`."""
    for rows, _ in all_pages(call, **request):
        yield from rows


def segment_pages(
    client: "DynamoDBClient",
    table: str,
    segment: tuple[int, int],
    after: Mapping[str, Any] | None = None,
    **options: Any,
) -> Iterator[tuple[Sequence[Mapping[str, Any]], Mapping[str, Any] | None]]:
    """Yield the pages of a segment (number, of how many) of a table after a key, strongly consistent.

    ``options`` are further arguments of the scan. Pages and errors are those of :func:`all_pages`.
    """
    number, segments = segment
    request: Any = {"TableName": table, "ConsistentRead": True} | options
    if segments > 1:
        request |= {"Segment": number, "TotalSegments": segments}
    if after:
        request["ExclusiveStartKey"] = after
    return all_pages(client.scan, **request)


def partition_rows(
    client: "DynamoDBClient", table: str, pk: str, *, condition: tuple[str, str] | None = None, **options: Any
) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a partition in the order of their sort keys, in DynamoDB's JSON, strongly consistent.

    ``condition`` selects sort keys: an expression of ``sk`` and ``:sk``, and the value of the latter. ``options`` are
    further arguments of the query.

    Raises:
        Transient, Permanent: as :func:`all_pages`.
    """
    expression, values = "pk = :pk", {":pk": {"S": pk}}
    if condition is not None:
        expression += f" AND {condition[0]}"
        values[":sk"] = {"S": condition[1]}
    return all_rows(
        client.query,
        TableName=table,
        KeyConditionExpression=expression,
        ExpressionAttributeValues=values,
        ConsistentRead=True,
        **options,
    )


def all_objects(client: "S3Client", bucket: str, prefix: str, after: str = "") -> Iterator[Mapping[str, Any]]:
    """Yield the objects under a prefix as S3 lists them, in the order of their keys; if a key is given, those after it.

    An object is among them if its page is listed after it was written.

    Raises:
        Transient: the bucket cannot be listed now.
        Permanent: the bucket rejects the request.
    """
    start = {"StartAfter": after} if after else {}
    for page in _listed(client, Bucket=bucket, Prefix=prefix, **start):
        yield from page.get("Contents", [])


def all_folders(client: "S3Client", bucket: str, prefix: str) -> Iterator[str]:
    """Yield the names of the folders under a prefix that ends with a slash; raises like :func:`all_objects`."""
    for page in _listed(client, Bucket=bucket, Prefix=prefix, Delimiter="/"):
        for folder in page.get("CommonPrefixes", []):
            yield folder["Prefix"].removeprefix(prefix).rstrip("/")


def _listed(client: "S3Client", **request: Any) -> Iterator[Mapping[str, Any]]:
    while True:
        with map_aws_errors():
            page: Mapping[str, Any] = client.list_objects_v2(**request)
        yield page
        if not page.get("IsTruncated"):
            return
        request["ContinuationToken"] = page["NextContinuationToken"]
