"""Reads lists of groups from the aggregates table: one partition each, page by page."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.definition.row_attributes import ITEM_COUNT
from tailrace.encoding.dynamodb import decode_item, encode_value
from tailrace.errors import QueryTooLarge
from tailrace.queries.groups import GroupQuery

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# 1 MB each, with some thousands of values: about 50,000 can be ranked within a second or two.
_MAX_READS = 20


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Values of a group with their number of items, and the cursor for the next page; None on the last page."""

    groups: tuple[dict[str, Any], ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class GroupReader:
    """Reads lists of groups, strongly consistent."""

    client: "DynamoDBClient"
    table: str

    def read(self, query: GroupQuery) -> GroupPage:
        """Return the values that a query selects, without those that have no items any more.

        Raises:
            QueryTooLarge: there are more values than one request can rank.
            Transient: the table cannot be read now.
            Permanent: the table rejects the request.
        """
        rows = (row for row in self._rows(query) if row[ITEM_COUNT] > 0)
        if not query.by_key:
            largest = heapq.nlargest(query.limit, rows, key=lambda row: row[ITEM_COUNT])
            return GroupPage(tuple(_rendered(query, row) for row in largest))
        found = list(islice(rows, query.limit + 1))
        cursor = query.cursor(found[query.limit - 1]["sk"]) if len(found) > query.limit else None
        return GroupPage(tuple(_rendered(query, row) for row in found[: query.limit]), cursor)

    def _rows(self, query: GroupQuery) -> Iterator[dict[str, Any]]:
        start = (
            None if query.after is None else {"pk": encode_value(query.group_list.pk), "sk": encode_value(query.after)}
        )
        for _ in range(_MAX_READS):
            response = self._query_page(query, start)
            yield from map(decode_item, response["Items"])
            start = response.get("LastEvaluatedKey")
            if start is None:
                return
        raise QueryTooLarge("there are too many values to rank: list them with order=key, or name one of them")

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


def _rendered(query: GroupQuery, row: dict[str, Any]) -> dict[str, Any]:
    return {"value": row[query.group_list.layout.labels[0]], "items": row[ITEM_COUNT]}
