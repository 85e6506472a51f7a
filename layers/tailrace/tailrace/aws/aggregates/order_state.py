"""The order measures of a main row, read back from its value rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tailrace.aggregation.row_changes import RowChange
from tailrace.aws.aggregates.update_expressions import ORDER_VERSION, OrderState
from tailrace.aws.runtime.errors import map_aws_errors
from tailrace.aws.runtime.pages import partition_rows
from tailrace.definition.aggregate import ValueRows
from tailrace.definition.measures.value_rows import ValueCount, ValueRange
from tailrace.definition.row_attributes import ITEM_COUNT
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.encoding.keys import RowKey, value_rows_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# What is read is usually near the end of the range; rows before it are empty and not deleted yet.
_FIRST_PAGE_LIMIT = 10


@dataclass(frozen=True, slots=True)
class OrderReader:
    """Reads value rows and versions, strongly consistent.

    Raises (each method):
        Transient: the table cannot be read now.
        Permanent: the table rejects the request.
    """

    client: "DynamoDBClient"
    table: str

    def version(self, key: RowKey) -> int:
        """Return how often a main row's order measures were written; 0 for a row that does not exist."""
        with map_aws_errors():
            answer = self.client.get_item(
                TableName=self.table,
                Key=encode_item({"pk": key[0], "sk": key[1]}),
                ProjectionExpression="#v",
                ExpressionAttributeNames={"#v": ORDER_VERSION},
                ConsistentRead=True,
            )
        return version_of(answer.get("Item", {}))

    def state(self, row: RowChange, version: int) -> OrderState:
        """Return the order measures that are read back; ``version`` must have been read before this call."""
        state: dict[str, Any] = {}
        for kind in row.layout.aggregate.read_back:
            pk = value_rows_key(row.key, kind.name)
            counts = {end: self._counts(kind, pk, end, items) for end, items in kind.value_ranges.items()}
            state |= kind.state(counts)
        return OrderState(version, state)

    def _counts(self, kind: ValueRows, pk: str, value_range: ValueRange, items: int) -> list[ValueCount]:
        """Return the value rows with a positive count, in key order; of one end, those of its first ``items`` items."""
        labels, found = kind.values.labels, []
        for row in self._rows(kind, pk, value_range, items):
            if row[ITEM_COUNT] > 0:
                found.append(ValueCount(tuple(row[label] for label in labels), row[ITEM_COUNT]))
                items -= int(row[ITEM_COUNT])
                if value_range != "all" and items <= 0:
                    break
        return found[::-1] if value_range == "high" else found

    def _rows(self, kind: ValueRows, pk: str, value_range: ValueRange, items: int) -> Iterator[dict[str, Any]]:
        names = {f"#{number}": name for number, name in enumerate((*kind.values.labels, ITEM_COUNT))}
        options: dict[str, Any] = {} if value_range == "all" else {"Limit": _FIRST_PAGE_LIMIT + items - 1}
        rows = partition_rows(
            self.client,
            self.table,
            pk,
            ProjectionExpression=", ".join(names),
            ExpressionAttributeNames=names,
            ScanIndexForward=value_range != "high",
            **options,
        )
        return map(decode_item, rows)


def version_of(row: Any) -> int:
    """Return the version in a row (in DynamoDB's JSON); 0 if there is none."""
    return int(row[ORDER_VERSION]["N"]) if ORDER_VERSION in row else 0
