"""A row that its order measures make larger than DynamoDB's 400 KB loses them; neither it nor its neighbors stop."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.in_memory import Database
from tailrace import Aggregate, Collection, Pipeline, count, distinct, field, largest, top, total
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.outcomes import Outcome, RowTooLarge, SumOverflow
from tailrace.encoding.dynamodb import decode_item
from tailrace.testing import record
from tests.simulation.world.serial_executor import SerialExecutor

MOST_BYTES = 3_000  # instead of 400 KB

orders = Collection("orders", schema={"type": "object"})
MEASURES: Any = {
    "n": count(),
    "sum": total("amount"),
    "best": top("text", 2),
    "most": largest("text", 2),
    "kinds": distinct("text"),
}
pipeline = Pipeline([orders], [Aggregate("shops", of=orders, by=[field("shop")], measures=MEASURES, listed=False)])


class Small(Database):
    """A table whose rows have few bytes."""

    def update_item(self, **request: Any) -> Any:
        place = {"TableName": "rows", "Key": request["Key"]}
        before = self.get_item(**place).get("Item")
        answer = super().update_item(**request)
        if len(str(self.get_item(**place)["Item"])) > MOST_BYTES:
            if before is None:
                self.delete_item(**place)
            else:
                self.put_item(TableName="rows", Item=before)
            message = "Item size to update has exceeded the maximum allowed size"
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "UpdateItem")
        return answer


class Shops:
    """The rows of shops, which one process or two write."""

    def __init__(self) -> None:
        self.table = Small()
        self.table.create("rows", "pk", "sk")
        self.sequence = 0
        self.committers = [self._committer() for _ in range(2)]

    def _committer(self) -> Committer:
        client: Any = self.table
        now = datetime(2026, 1, 1, tzinfo=UTC)
        return Committer(client, "rows", lambda: now, executor=lambda _threads: SerialExecutor(0))

    def absorb(self, *changes: tuple[Any, Any], process: int = 0) -> list[Outcome]:
        """Commit changes of orders, each given as the old and the new item, of several shops."""
        records = []
        for old, new in changes:
            self.sequence += 1
            records.append(record(self.sequence, "orders", ("1", old, new)))
        return self.committers[process].commit(fold_records(records, pipeline).rows, Lineage("~1"))

    def row(self, shop: str) -> dict[str, Any]:
        """Return a main row."""
        key = {"pk": {"S": f"shops@1#{shop}"}, "sk": {"S": "-"}}
        return decode_item(self.table.get_item(TableName="rows", Key=key).get("Item", {}))


def order(shop: str, text: str, amount: Any = 1) -> dict[str, Any]:
    return {"shop": shop, "text": text, "amount": amount}


@pytest.mark.parametrize("process", [0, 1])
def test_a_row_that_becomes_too_large_loses_what_lists_values_and_goes_on(process: int) -> None:
    shops, long = Shops(), [order("a", letter * 900, 5) for letter in "xyz"]
    assert shops.absorb((None, long[0])) == []
    (outcome,) = shops.absorb((None, order("b", "short")), (None, long[1]), (None, order("c", "short")))
    assert isinstance(outcome, RowTooLarge)
    row = shops.row("a")
    assert (row["~n"], row["n"], row["sum"], row["kinds"], row["~inexact"]) == (2, 2, 10, 2, 1)
    assert not row.keys() & {"best", "most", "~r"}
    for shop in "bc":
        neighbor = shops.row(shop)
        assert (neighbor["sum"], neighbor["best"], "~inexact" in neighbor) == (
            1,
            [{"value": "short", "count": 1}],
            False,
        )
    (again,) = shops.absorb((None, long[2]), process=process)
    assert isinstance(again, RowTooLarge)
    assert (shops.row("a")["sum"], shops.row("a")["kinds"], shops.row("a")["~inexact"]) == (15, 3, 2)
    # its sums continue, and it stays flagged until a verification repairs it
    assert shops.absorb(*((one, None) for one in long[:2]), process=process) == []
    row = shops.row("a")
    assert (row["sum"], row["kinds"], row["~inexact"]) == (5, 1, 2)


def test_a_sum_that_the_table_cannot_hold_is_told_apart() -> None:
    shops = Shops()
    outcomes = shops.absorb((None, order("a", "x", 10**37)), (None, order("a", "y", Decimal("1E-17"))))
    assert [type(one) for one in outcomes] == [SumOverflow]
    row = shops.row("a")
    assert (row["~n"], row["sum"], row["~inexact"], len(row["best"])) == (2, 10**37, 1, 2)


def test_a_row_that_is_too_large_and_cannot_hold_a_sum_goes_on() -> None:
    """Otherwise its shard would stop there."""
    shops, long = Shops(), [order("a", "x" * 900, 10**37), order("a", "y" * 900, Decimal("1E-17"))]
    assert shops.absorb((None, long[0])) == []
    outcomes = shops.absorb((None, order("b", "short")), (None, long[1]))
    assert {type(one) for one in outcomes} == {RowTooLarge, SumOverflow}
    row = shops.row("a")
    assert (row["~n"], row["n"], row["sum"], "best" in row) == (2, 1, 10**37, False)
    assert row["~inexact"] > 0
    assert shops.row("b")["sum"] == 1
