"""The expiry of empty rows, within the limits of DynamoDB's expressions, which the table in memory does not have."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from local.in_memory import Database
from tailrace import Aggregate, Collection, Pipeline, field, total
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aws.aggregates.commit import Committer
from tailrace.encoding.dynamodb import decode_item
from tailrace.testing import history
from tests.simulation.world.serial_executor import SerialExecutor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
orders = Collection("orders", schema={})


class LimitedTable:
    """A table in memory that checks the limits of expressions: 4 KB, and 300 operators and functions."""

    def __init__(self) -> None:
        self.database = Database()
        self.database.create("rows", "pk", "sk")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)

    def update_item(self, **request: Any) -> Any:
        """Write a row."""
        condition = request.get("ConditionExpression", "")
        assert len(condition) <= 4096
        assert len(re.findall(r"[=<>]|AND|OR|attribute_", condition)) <= 300
        return self.database.update_item(**request)

    def batch_get_item(self, **request: Any) -> Any:
        """Read rows."""
        for asked in request["RequestItems"].values():
            assert len(asked.get("ProjectionExpression", "")) <= 4096
        return self.database.batch_get_item(**request)


@pytest.mark.parametrize(("aggregates", "sums", "expire"), [(1, 147, True), (1, 148, False), (6, 140, True)])
def test_empty_lanes_of_any_width_are_told_within_the_limits(aggregates: int, sums: int, *, expire: bool) -> None:
    wide = [
        Aggregate(
            f"wide{number}",
            of=orders,
            by=[field("shop")],
            measures={f"{number}m{sum_}": total(f"x{sum_}") for sum_ in range(sums)},
            lanes=2,
            listed=False,
        )
        for number in range(aggregates)
    ]
    table: Any = LimitedTable()
    committer = Committer(table, "rows", clock=lambda: NOW, executor=lambda _threads: SerialExecutor(0))
    for record in history("orders", [("1", {"shop": "a", "x1": 5}), ("1", None)]):
        assert not committer.commit(fold_records([record], Pipeline([orders], wide)).rows, Lineage("~1"))
    rows = [decode_item(row) for row in table.rows("rows")]
    assert [("expires_at" in row, row["~n"]) for row in rows] == [(expire, 0)] * aggregates
