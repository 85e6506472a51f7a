"""A table that is too busy: what a delivery has written, the next ones leave alone."""

from copy import replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from local.in_memory import Database
from local.in_memory.errors import client_error
from tailrace import Aggregate, Collection, Pipeline, count, distinct, field, maximum, total
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.outcomes import checkpoint
from tailrace.encoding.dynamodb import decode_item
from tailrace.errors import Permanent
from tailrace.testing import record
from tests.simulation.world.serial_executor import SerialExecutor

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = Collection("orders", schema={"type": "object"})
LINEAR = {"amount": total("amount")}
ORDERED = {"orders": count(), "most": maximum("amount"), "amounts": distinct("amount")}
CHANGES = 60
FEW = 12
"""Deliveries: each leaves half of the rows. If it wrote all of them anew, it would get a change or two further."""


class BusyTable:
    """A table in memory that refuses every second write."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.database = Database()
        self.database.create("rows", "pk", "sk")
        self.random = Random(0)  # noqa: S311 - not a secret

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)

    def update_item(self, **request: Any) -> Any:
        """Write a row, or refuse to."""
        if self.random.random() < 0.5:
            raise client_error("UpdateItem", self.code)
        return self.database.update_item(**request)


@pytest.mark.parametrize(("code", "most"), [("ThrottlingException", FEW), ("TransactionConflictException", 2)])
@pytest.mark.parametrize("measures", [LINEAR, ORDERED])
def test_a_table_that_refuses_every_second_write_is_written_in_a_few_deliveries(
    measures: Any, code: str, most: int
) -> None:
    """Where another writer's transaction is in the way, the next attempt may find the row free."""
    pipeline = Pipeline([ORDERS], [Aggregate("shops", of=ORDERS, by=[field("shop")], measures=measures, listed=False)])
    table: Any = BusyTable(code)
    committer = Committer(table, "rows", clock=lambda: NOW, executor=lambda _threads: SerialExecutor(0))
    records = [record(n, "orders", (str(n), None, {"shop": str(n), "amount": n})) for n in range(1, CHANGES + 1)]
    first, deliveries = 1, 0
    while first <= CHANGES:
        outcomes = committer.commit(fold_records(records[first - 1 :], pipeline).rows, Lineage("~mark"))
        first, deliveries = checkpoint(outcomes) or CHANGES + 1, deliveries + 1
    rows = [row for row in map(decode_item, table.rows("rows")) if row["pk"].startswith("shops@")]
    assert [row["~n"] for row in rows] == [1] * CHANGES
    assert deliveries <= most


@pytest.mark.parametrize("measures", [LINEAR, ORDERED])
def test_rows_that_are_emptied_get_their_expiry_in_a_few_deliveries_as_well(measures: Any) -> None:
    """Those that have it are not written again, or all would have to succeed in one delivery."""
    pipeline = Pipeline([ORDERS], [Aggregate("shops", of=ORDERS, by=[field("shop")], measures=measures, listed=False)])
    table: Any = BusyTable("ThrottlingException")
    committer = Committer(table, "rows", clock=lambda: NOW, executor=lambda _threads: SerialExecutor(0))
    orders = [{"shop": str(n), "amount": n} for n in range(1, CHANGES + 1)]
    came = [record(n, "orders", (str(n), None, order)) for n, order in enumerate(orders, 1)]
    went = [record(CHANGES + n, "orders", (str(n), order, None)) for n, order in enumerate(orders, 1)]
    records, first, deliveries = [*came, *went], 1, 0
    while first <= len(records):
        outcomes = committer.commit(fold_records(records[first - 1 :], pipeline).rows, Lineage("~mark"))
        first, deliveries = checkpoint(outcomes) or len(records) + 1, deliveries + 1
        assert deliveries <= 2 * FEW
    assert all(row["~n"] == 0 and "expires_at" in row for row in map(decode_item, table.rows("rows")))


@pytest.mark.parametrize("measures", [LINEAR, ORDERED])
def test_a_row_of_which_the_table_refuses_the_count_as_well_is_an_error(measures: Any) -> None:
    pipeline = Pipeline([ORDERS], [Aggregate("shops", of=ORDERS, by=[field("shop")], measures=measures, listed=False)])
    table: Any = BusyTable("ValidationException")
    table.random = SimpleNamespace(random=lambda: 0)
    committer = Committer(table, "rows", clock=lambda: NOW, executor=lambda _threads: SerialExecutor(0))
    rows = fold_records([record(1, "orders", ("1", None, {"shop": "a", "amount": 5}))], pipeline).rows
    with pytest.raises(Permanent):
        committer.commit(rows, Lineage("~mark"))


@pytest.mark.parametrize("measures", [LINEAR, ORDERED])
def test_a_row_that_is_known_absorbs_what_is_new_and_what_another_shard_brings(measures: Any) -> None:
    pipeline = Pipeline([ORDERS], [Aggregate("shops", of=ORDERS, by=[field("shop")], measures=measures, listed=False)])
    table: Any = Database()
    table.create("rows", "pk", "sk")
    committer = Committer(table, "rows", clock=lambda: NOW, executor=lambda _threads: SerialExecutor(0))
    records = [record(n, "orders", (str(n), None, {"shop": "a", "amount": 7})) for n in (1, 2, 3, 4)]
    one, other = "~one", "~other"
    for batch, mark in ((records[1:2], one), (records[1:3], one), (records[3:], one), (records[:1], other)):
        rows = fold_records(batch, pipeline).rows
        assert committer.commit(rows, Lineage(mark)) == []
        no_table: Any = None
        assert replace(committer, client=no_table).commit(rows, Lineage(mark)) == []
    (row,) = [row for row in map(decode_item, table.rows("rows")) if row["pk"] == "shops@1#a"]
    assert row["~n"] == 4


@pytest.mark.parametrize("measures", [LINEAR, ORDERED])
@pytest.mark.parametrize("told", [False, True])
def test_a_row_that_another_process_has_written_meanwhile_is_left_alone(measures: Any, told: bool) -> None:
    """Whether or not the table tells, with a statement that it rejects, what it has found."""
    pipeline = Pipeline([ORDERS], [Aggregate("shops", of=ORDERS, by=[field("shop")], measures=measures, listed=False)])
    table: Any = Database(returns_rejected_item=told)
    table.create("rows", "pk", "sk")
    one, other = (
        Committer(table, "rows", clock=lambda: NOW, executor=lambda _threads: SerialExecutor(0)) for _ in range(2)
    )
    for process, number in ((one, 1), (other, 2), (one, 2), (one, 3), (other, 3)):
        written = record(number, "orders", (str(number), None, {"shop": "a", "amount": 7}))
        assert process.commit(fold_records([written], pipeline).rows, Lineage("~mark")) == []
    (row,) = [row for row in map(decode_item, table.rows("rows")) if row["pk"] == "shops@1#a"]
    assert row["~n"] == 3


@pytest.mark.parametrize(
    ("by", "measures", "listed", "folded"),
    [(["shop"], LINEAR, False, 7), (["kind", "shop"], LINEAR, True, 6), (["kind"], ORDERED, False, 6)],
)
def test_a_fold_ends_with_the_record_that_touches_the_last_row_of_a_part(
    by: list[str], measures: Any, listed: bool, folded: int
) -> None:
    """Rows of values count, and those of the list of groups."""
    groups = list(map(field, by))
    pipeline = Pipeline([ORDERS], [Aggregate("shops", of=ORDERS, by=groups, measures=measures, listed=listed)])
    records = [
        record(n, "orders", (str(n), None, {"kind": "k", "shop": str(n), "amount": n})) for n in range(1, CHANGES)
    ]
    assert fold_records(records, pipeline, enough_rows=7).records == folded


class Rate(Decimal, Enum):
    """A number with a name, which is its text as well."""

    HALF = "0.5"


@pytest.mark.parametrize("measures", [LINEAR, ORDERED])
def test_a_number_with_a_name_is_stored_as_the_number(measures: Any) -> None:
    rated = Collection("orders", schema={"type": "object"}, transform=lambda order: order | {"amount": Rate.HALF})
    pipeline = Pipeline([rated], [Aggregate("shops", of=rated, by=[field("shop")], measures=measures, listed=False)])
    table: Any = Database()
    table.create("rows", "pk", "sk")
    committer = Committer(table, "rows", clock=lambda: NOW, executor=lambda _threads: SerialExecutor(0))
    for number in (1, 2):  # the first makes the row, the second adds to one that is known
        written = record(number, "orders", (str(number), None, {"shop": "a"}))
        assert checkpoint(committer.commit(fold_records([written], pipeline).rows, Lineage("~mark"))) is None
    (row,) = (row for row in map(decode_item, table.rows("rows")) if row["pk"].startswith("shops@"))
    assert (row["~n"], row.get("amount", 1), row.get("most", Decimal("0.5"))) == (2, 1, Decimal("0.5"))
