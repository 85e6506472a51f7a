"""A table in memory that answers a row reader's queries."""

from collections.abc import Mapping
from typing import Any

from tailrace.encoding.dynamodb import decode_item, encode_item


class Table:
    """Answers queries from rows in memory, two rows at a time."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = sorted(rows, key=lambda row: row["sk"])

    def query(self, **request: Any) -> Mapping[str, Any]:
        given = decode_item(request["ExpressionAttributeValues"])
        found = [
            row
            for row in self._rows
            if row["pk"] == given[":pk"]
            and row["sk"].startswith(given.get(":prefix", ""))
            and given.get(":low", "") <= row["sk"] <= given.get(":high", "\U0010ffff")
        ]
        if not request["ScanIndexForward"]:
            found.reverse()
        if "ExclusiveStartKey" in request:
            after = decode_item(request["ExclusiveStartKey"])["sk"]
            assert any(row["sk"] == after for row in found), "DynamoDB refuses a start outside of the range"
            found = found[[row["sk"] for row in found].index(after) + 1 :]
        more = {"LastEvaluatedKey": encode_item({name: found[1][name] for name in ("pk", "sk")})} if found[2:] else {}
        return {"Items": [encode_item(row) for row in found[:2]]} | more
