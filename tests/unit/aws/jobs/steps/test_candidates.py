"""Candidates and counted values: a verification checks what a main row and its values say, a repair writes it."""

from datetime import UTC, datetime
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest

from local.in_memory import Database
from local.in_memory.errors import client_error
from tailrace import Aggregate, Collection, Pipeline, distinct, field, top
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import Lineage
from tailrace.aggregation.values import frequent_values
from tailrace.aws.aggregates.commit import Committer
from tailrace.aws.jobs.rows import RowSpace
from tailrace.aws.jobs.steps import reading
from tailrace.aws.jobs.steps.reading import ReadRow, _pin, _read
from tailrace.aws.jobs.steps.repairing import Repairer
from tailrace.backfill.generations import created
from tailrace.encoding.dynamodb import decode_item, encode_item
from tailrace.testing import record

orders = Collection("orders", schema={"type": "object"})
MEASURES = {"best": top("kind", 1), "kinds": distinct("kind")}
aggregate = Aggregate("shops", of=orders, by=[field("shop")], measures=MEASURES, listed=False)
SPACE = RowSpace(created("shops", 1, ""), aggregate)
KEY = ("shops@1#a", "-")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Table:
    """A table with a shop's row: three pears, two figs, one plum."""

    def __init__(self) -> None:
        database: Any = Database()
        self.database = database
        self.database.create("rows", "pk", "sk")
        kinds = ("pear", "pear", "pear", "fig", "fig", "plum")
        records = [record(n, "orders", (str(n), None, {"shop": "a", "kind": kind})) for n, kind in enumerate(kinds, 1)]
        committer = Committer(self.database, "rows", lambda: NOW)
        assert not committer.commit(fold_records(records, Pipeline([orders], [aggregate])).rows, Lineage("~mark"))
        self.context: Any = SimpleNamespace(
            dynamodb=self.database,
            aggregates_table="rows",
            now=int(NOW.timestamp()),
            clock=lambda: NOW,
            committer=committer,
        )

    def row(self) -> dict[str, Any]:
        """Return the main row."""
        key = encode_item({"pk": KEY[0], "sk": KEY[1]})
        return decode_item(self.database.get_item(TableName="rows", Key=key)["Item"])

    def write(self, **attributes: Any) -> None:
        """Change the main row."""
        self.database.put_item(TableName="rows", Item=encode_item(self.row() | attributes))

    def verified(self) -> ReadRow:
        """Return the main row as a verification reads it."""
        firsts: Any = SimpleNamespace(of=lambda _rows: {})
        (found,) = _read(self.context, SPACE, [KEY], firsts)
        return found

    def repair(self) -> bool:
        """Write the order measures again."""
        job: Any = None
        return Repairer(self.context, job, SPACE, {})._rewrite_order(KEY)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    """Return a table whose row keeps one candidate beside the one that it shows."""
    monkeypatch.setattr(frequent_values, "reserve_size", lambda _shown: 1)
    return Table()


def test_rows_are_read_with_their_values_several_at_a_time(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, many rows of a partition take longer than an invocation."""
    meeting, with_order = Barrier(2, timeout=10), reading._with_order

    def together(*arguments: Any) -> ReadRow:
        meeting.wait()
        return with_order(*arguments)

    monkeypatch.setattr(reading, "_with_order", together)
    firsts: Any = SimpleNamespace(of=lambda _rows: {})
    keys = [KEY, (f"{KEY[0]} not there", KEY[1])]
    assert [one.key for one in reading._read(table.context, SPACE, keys, firsts)] == keys


def test_right_candidates_are_no_difference(table: Table) -> None:
    found = table.verified()
    assert found.order == found.row.order == {"best": [{"value": "pear", "count": 3}], "kinds": 3}


@pytest.mark.parametrize(
    "reserve",
    [
        [[["fig", 1]], 1, "splum"],  # another number of items
        [[["kiwi", 2]], 1, "splum"],  # a value that is not there, in the place of one that is
        [[["fig", 2]]],  # no bound, as if there were no plum
    ],
)
def test_wrong_candidates_are_found_and_repaired(table: Table, reserve: list[Any]) -> None:
    right = table.row()["~r"]
    table.write(**{"~r": {"best": reserve}})
    found = table.verified()
    assert found.order is not None
    assert found.order["~r"] > 0
    assert table.repair()
    assert table.row()["~r"] == right
    again = table.verified()
    assert again.order == again.row.order


def test_candidates_of_another_version_say_nothing_and_are_no_difference(table: Table) -> None:
    table.write(**{"~r": {"best": [[["kiwi", 9]]]}, "~w": table.row()["~w"] - 1})
    found = table.verified()
    assert found.order == found.row.order


def test_a_value_that_does_not_know_that_it_is_counted_is_found_and_repaired(table: Table) -> None:
    """The number is right, but the next change of the value would count it once more."""
    (fig,) = [row for row in map(decode_item, table.database.rows("rows")) if row.get("value") == "fig"]
    del fig["~c"]
    table.database.put_item(TableName="rows", Item=encode_item(fig))
    found = table.verified()
    assert found.order == {**found.row.order, "~c": 1}
    assert table.repair()
    again = table.verified()
    assert again.order == again.row.order == found.row.order


def test_a_row_that_does_not_expire_any_more_is_not_pinned(table: Table) -> None:
    """A batch has filled it since it was read."""
    before = table.row()
    _pin(table.context, KEY)
    assert table.row() == before


def test_a_row_that_cannot_hold_what_it_lacks_is_left(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_request: Any) -> Any:
        raise client_error("UpdateItem", "ValidationException")

    monkeypatch.setattr(table.context.dynamodb, "update_item", refused)
    assert not table.repair()
