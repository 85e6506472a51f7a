"""Counts of different values: what a transaction holds, what a batch costs, and what a canceled one means."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.in_memory import Database
from local.in_memory.errors import client_error
from local.in_memory.transactions import canceled
from tailrace import Aggregate, Collection, Pipeline, count, distinct, field, hour, total
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.aggregates.outcomes import Failed
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.aws.aggregates.window_reader import WindowReader
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.tagged_json import loads
from tailrace.errors import Permanent
from tailrace.queries.parameters import parse_row_query
from tailrace.testing import record
from tests.simulation.world.serial_executor import SerialExecutor

orders = Collection("orders", schema={"type": "object"})
pipeline = Pipeline(
    [orders],
    [
        Aggregate(
            "shops",
            of=orders,
            by=[field("shop")],
            measures={"orders": count(), "customers": distinct("customer"), "buyers": distinct("customer")},
            listed=False,
        )
    ],
)
LINEAGE = Lineage("~mark")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Client:
    """A table in memory that counts the rows that are read and written, by operation."""

    def __init__(self) -> None:
        self.database = Database()
        self.database.create("rows", "pk", "sk")
        self.rows: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.refusals: list[ClientError] = []
        self.sequence = 0
        known: Any = self
        self.committer = Committer(known, "rows", lambda: NOW, True, executor=lambda _threads: SerialExecutor(0))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.calls[name] += 1
            self.rows[name] += _rows(request)
            if name == "transact_write_items" and self.refusals:
                raise self.refusals.pop()
            return getattr(self.database, name)(**request)

        return call

    def absorb(self, *changes: tuple[Any, Any]) -> Sequence[Any]:
        """Commit the changes of some orders, each given as its old and new customer."""
        records = []
        for old, new in changes:
            self.sequence += 1
            before, after = (None if one is None else {"shop": "a", "customer": one} for one in (old, new))
            records.append(record(self.sequence, "orders", ("1", before, after)))
        return self.committer.commit(fold_records(records, pipeline).rows, LINEAGE)

    def row(self) -> dict[str, Any]:
        """Return the main row."""
        key = {"pk": {"S": "shops@1#a"}, "sk": {"S": "-"}}
        return decode_item(self.database.get_item(TableName="rows", Key=key).get("Item", {}))


def _rows(request: dict[str, Any]) -> int:
    if "RequestItems" in request:
        return sum(len(part["Keys"]) for part in request["RequestItems"].values())
    return len(request.get("TransactItems") or request.get("Statements") or [request])


@pytest.fixture
def client() -> Client:
    """Return an empty table."""
    return Client()


def test_both_measures_of_one_field_move_with_the_values(client: Client) -> None:
    client.absorb((None, "ada"), (None, "bob"), (None, "ada"))
    assert (client.row()["customers"], client.row()["buyers"]) == (2, 2)
    client.absorb(("ada", None), ("bob", "eve"), ("ada", None))
    assert (client.row()["customers"], client.row()["buyers"]) == (1, 1)
    client.absorb(("eve", None))
    assert (client.row()["customers"], client.row()["~n"]) == (0, 0)


def test_a_change_that_moves_no_value_needs_no_transaction(client: Client) -> None:
    client.absorb((None, "ada"))
    client.calls.clear()
    client.absorb((None, "ada"), ("ada", None))
    assert client.calls["transact_write_items"] == 0


def test_a_change_of_another_field_touches_no_value() -> None:
    measures: Any = {"sum": total("amount"), "customers": distinct("customer")}
    spent = Aggregate("spent", of=orders, by=[field("shop")], measures=measures, listed=False)
    before, after = ({"shop": "a", "customer": "ada", "amount": amount} for amount in (1, 2))
    (row,) = fold_records([record(1, "orders", ("1", before, after))], Pipeline([orders], [spent])).rows
    assert (row.deltas(), row.value_changes) == ((0, 1), {})


@pytest.mark.parametrize("there", [10, 1_000, 20_000])
def test_a_touched_value_costs_two_writes_and_one_read_however_many_there_are(client: Client, there: int) -> None:
    for first in range(0, there, 1_000):
        client.absorb(*((None, number) for number in range(first, min(first + 1_000, there))))
    assert client.row()["customers"] == there
    new = [(None, f"new {number}") for number in range(50)]
    again = [(None, number) for number in range(10)]
    gone = [(number, None) for number in range(10)]
    for changes, touched, moved in ((new, 50, 50), (again, 10, 0), (gone, 10, 0), ([(9, None)], 1, 1)):
        client.rows.clear()
        client.absorb(*changes)
        writes = client.rows["update_item"] + client.rows["batch_execute_statement"]
        assert client.rows["batch_get_item"] <= touched + 2 * bool(changes[0][1] is None)  # values, and the row itself
        assert client.rows["transact_write_items"] == (moved + 1 if moved else 0)
        assert writes + client.rows["transact_write_items"] <= 2 * touched + 3
        assert not {"query", "scan", "get_item"} & client.rows.keys()


def test_a_transaction_holds_a_hundred_rows(client: Client) -> None:
    client.absorb(*((None, number) for number in range(250)))
    assert client.row()["customers"] == 250
    assert client.calls["transact_write_items"] == 3
    assert client.rows["transact_write_items"] == 250 + 3


def test_values_that_cancel_out_leave_the_count_alone(client: Client) -> None:
    client.absorb((None, "ada"))
    version = client.row()["~v"]
    client.absorb(("ada", "bob"))
    assert client.row()["customers"] == 1
    assert client.row()["~v"] == version + 1  # whoever reads the value rows meanwhile has to notice


def test_a_main_row_that_was_empty_is_kept_with_its_counts(client: Client) -> None:
    client.absorb((None, "ada"), (None, "bob"))
    client.absorb(("ada", None), ("bob", None))
    assert "expires_at" in client.row()
    update = client.database.update_item

    def fails(**request: Any) -> Any:
        if request["Key"]["pk"]["S"] == "shops@1#a":
            raise client_error("UpdateItem", "InternalServerError", status=500)
        return update(**request)

    client.database.update_item = fails  # type: ignore[method-assign]
    client.committer.known.keys.clear()
    assert [type(one) for one in client.absorb((None, "eve"))] == [Failed]
    assert (client.row()["customers"], client.row()["~n"]) == (1, 0)
    assert "expires_at" not in client.row()


@pytest.mark.parametrize("more", [{}, {"interval": "day"}, {"window": "3h"}])
def test_a_new_row_whose_values_are_counted_is_shown_once_it_is_written(client: Client, more: dict[str, str]) -> None:
    """Its transaction comes first, and the function may die before the rest: until then, nothing says its groups."""
    measures: Any = {"orders": count(), "customers": distinct("customer")}
    hours = Aggregate("hours", of=orders, by=[field("shop"), hour("placed")], measures=measures)
    database: Any = client.database
    reader = RowReader(database, "rows")
    given = {"shop": "a", "from": "2026-01-01", "to": "2026-01-02"} | more

    def absorb(sequence: int, at: str) -> None:
        item = {"shop": "a", "customer": "ada", "placed": f"2026-01-01T{at}:00Z"}
        folded = fold_records([record(sequence, "orders", (at, None, item))], Pipeline([orders], [hours]))
        client.committer.commit(folded.rows, LINEAGE)

    def shown() -> list[str]:
        query = parse_row_query(hours, list(given.items()))
        page = WindowReader(reader).read(query) if "window" in more else reader.read(query)
        return [str(loads(row)["orders"]) for row in page.rows]

    absorb(1, "05:30")
    before, update = shown(), client.database.update_item

    def fails(**request: Any) -> Any:
        if request["Key"]["pk"]["S"] == "hours@1#a":
            raise client_error("UpdateItem", "InternalServerError", status=500)
        return update(**request)

    client.database.update_item = fails  # type: ignore[method-assign]
    absorb(2, "06:30")
    (unwritten,) = [row for row in map(decode_item, client.database.rows("rows")) if "~n" not in row]
    assert unwritten["customers"] == 1
    assert shown() == before
    client.database.update_item = update  # type: ignore[method-assign]
    absorb(2, "06:30")
    assert sum(map(int, shown())) > sum(map(int, before))


def test_a_value_that_is_gone_expires_with_the_write_that_takes_it_out(client: Client) -> None:
    client.absorb((None, "ada"), (None, "bob"))
    client.rows.clear()
    client.absorb(("ada", None))
    (gone,) = [row for row in map(decode_item, client.database.rows("rows")) if row["~n"] == 0]
    assert gone["expires_at"] == NOW.timestamp() + 48 * 3600
    assert "~c" not in gone
    assert client.rows["update_item"] + client.rows["batch_execute_statement"] == 2


CONFLICT = canceled([{"Code": "None"}, {"Code": "TransactionConflict"}])
CHANGED = canceled([{"Code": "None"}, {"Code": "ConditionalCheckFailed"}])
THROTTLED = canceled([{"Code": "None"}, {"Code": "ThrottlingError"}])
EXCEEDED = canceled([{"Code": "None"}, {"Code": "ProvisionedThroughputExceeded"}])


@pytest.mark.parametrize("refusal", [CONFLICT, CHANGED])
def test_rows_that_others_write_are_tried_again(client: Client, refusal: ClientError) -> None:
    client.refusals = [refusal] * 3
    assert not client.absorb((None, "ada"))
    assert client.row()["customers"] == 1


@pytest.mark.parametrize("refusals", [[CONFLICT] * 20, [THROTTLED], [EXCEEDED]])
def test_a_busy_table_fails_the_main_row_and_its_values_are_counted_on_redelivery(
    client: Client, refusals: list[ClientError]
) -> None:
    client.refusals = list(refusals)
    (failed,) = client.absorb((None, "ada"))
    assert (failed.key, failed.sequence) == (("shops@1#a", "-"), 1)
    assert client.row() == {}
    client.refusals.clear()
    client.sequence = 0
    assert not client.absorb((None, "ada"))
    assert (client.row()["customers"], client.row()["orders"]) == (1, 1)


@pytest.mark.parametrize("reasons", [[{"Code": "ValidationError"}], [{"Code": "AccessDenied"}, {"Code": "None"}], []])
def test_a_transaction_that_can_never_succeed_is_raised(client: Client, reasons: list[dict[str, str]]) -> None:
    client.refusals = [canceled(reasons)]
    with pytest.raises(Permanent, match=reasons[0]["Code"] if reasons else "unknown reason"):
        client.absorb((None, "ada"))
