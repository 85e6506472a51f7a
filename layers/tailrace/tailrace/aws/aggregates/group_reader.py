"""Lists of groups out of the aggregates table: one partition each, read page by page."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.definition.aggregate import ITEM_COUNT
from tailrace.encoding.dynamodb import decode_item, encode_value
from tailrace.errors import QueryTooLarge
from tailrace.queries.groups import GroupQuery

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Of 1 MB each, which holds some thousands of values: about 50,000 can be ranked within a second or two.
_MAX_READS = 20


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Values of a group with the number of their items, and the cursor for more; None when there are no more."""

    groups: tuple[dict[str, Any], ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class GroupReader:
    """Reads lists of groups, strongly consistent."""

    client: "DynamoDBClient"
    table: str

    def read(self, query: GroupQuery) -> GroupPage:
        """Return the values that a query asks for; those that have no items any more are left out.

        Raises:
            QueryTooLarge: there are more values than can be ranked in one request.
            Transient: the table cannot be read now.
            Permanent: the table refuses for good.
        """
        rows = (row for row in self._rows(query) if row[ITEM_COUNT])
        if not query.by_key:
            most = heapq.nlargest(query.limit, rows, key=lambda row: row[ITEM_COUNT])
            return GroupPage(tuple(_rendered(query, row) for row in most))
        found = list(islice(rows, query.limit + 1))
        cursor = query.cursor(found[query.limit - 1]["sk"]) if len(found) > query.limit else None
        return GroupPage(tuple(_rendered(query, row) for row in found[: query.limit]), cursor)

    def _rows(self, query: GroupQuery) -> Iterator[dict[str, Any]]:
        start = (
            None if query.after is None else {"pk": encode_value(query.group_list.pk), "sk": encode_value(query.after)}
        )
        for _ in range(_MAX_READS):
            answer = self._page(query, start)
            yield from map(decode_item, answer["Items"])
            start = answer.get("LastEvaluatedKey")
            if start is None:
                return
        raise QueryTooLarge(
            "there are too many values to be ranked: list them with order=key, or ask for one by its name"
        )

    def _page(self, query: GroupQuery, start: dict[str, Any] | None) -> Any:
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
