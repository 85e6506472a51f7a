"""Reads lists of groups from the aggregates table: one partition each, page by page."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tailrace.aws.aggregates.row_reader import MAX_BYTES, response_size
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.definition.row_attributes import ITEM_COUNT
from tailrace.encoding.dynamodb import decode_item, encode_value
from tailrace.encoding.tagged_json import dumps
from tailrace.errors import QueryTooLarge
from tailrace.queries.groups import GroupQuery

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# 1 MB each, with some thousands of values: about 50,000 can be ranked within a second or two.
_MAX_READS = 20


class GroupPage(Struct, frozen=True):
    """Values of a group with their number of items, and the cursor for the next page; None on the last page."""

    groups: tuple[dict[str, Any], ...]
    cursor: str | None = None


class GroupReader(Struct, frozen=True):
    """Reads lists of groups, strongly consistent."""

    client: "DynamoDBClient"
    table: str

    def read(self, query: GroupQuery) -> GroupPage:
        """Return the values that a query selects, without those that have no items any more.

        Raises:
            QueryTooLarge: there are more values than one request can rank, or their text is too long for a response;
                never in the order of the key.
            Transient: the table cannot be read now.
            Permanent: the table rejects the request.
        """
        if query.by_key:
            return self._in_order(query)
        largest: list[dict[str, Any]] = []
        after: str | None = ""
        for page in self._pages(query):
            rows, after = page
            largest = heapq.nlargest(query.limit, chain(largest, rows), key=lambda row: row[ITEM_COUNT])
        if after is not None:
            raise QueryTooLarge("there are too many values to rank: list them with order=key, or name one of them")
        shown = _fitting(query, largest)
        if len(shown) < len(largest):
            raise QueryTooLarge(
                f"the values have more than {MAX_BYTES:,} bytes: request fewer with n, or use order=key"
            )
        return GroupPage(shown)

    def _in_order(self, query: GroupQuery) -> GroupPage:
        """Return values in the order of the key; fewer than the limit if very many between them have no items."""
        found: list[dict[str, Any]] = []
        after = query.after
        for page in self._pages(query):
            rows, after = page
            found += rows
            if len(found) > query.limit:
                break
        shown = _fitting(query, found[: query.limit])
        if len(shown) < len(found):
            after = found[len(shown) - 1]["sk"]
        return GroupPage(shown, None if after is None else query.cursor(after))

    def _pages(self, query: GroupQuery) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
        """Yield the values that have items, page by page, each with the sort key after which there are more, if any."""
        start = (
            None if query.after is None else {"pk": encode_value(query.group_list.pk), "sk": encode_value(query.after)}
        )
        for _ in range(_MAX_READS):
            response = self._query_page(query, start)
            start = response.get("LastEvaluatedKey")
            rows = [row for row in map(decode_item, response["Items"]) if row[ITEM_COUNT] > 0]
            yield rows, None if start is None else start["sk"]["S"]
            if start is None:
                return

    def _query_page(self, query: GroupQuery, start: dict[str, Any] | None) -> Any:
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "#pk = :pk",
            "ProjectionExpression": "#sk, #group, #n",
            "ExpressionAttributeNames": {
                "#pk": "pk",
                "#sk": "sk",
                "#group": query.group_list.layout.labels[0],
                "#n": ITEM_COUNT,
            },
            "ExpressionAttributeValues": {":pk": encode_value(query.group_list.pk)},
            "ConsistentRead": True,
        }
        if start is not None:
            request["ExclusiveStartKey"] = start
        with map_aws_errors():
            return self.client.query(**request)


def _fitting(query: GroupQuery, rows: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return the first values, as many as a response can hold."""
    rendered = [_rendered(query, row) for row in rows]
    sizes = accumulate(response_size(dumps(one)) for one in rendered)
    return tuple(one for one, size in zip(rendered, sizes, strict=True) if size <= MAX_BYTES)


def _rendered(query: GroupQuery, row: dict[str, Any]) -> dict[str, Any]:
    return {"value": row[query.group_list.layout.labels[0]], "items": row[ITEM_COUNT]}
