"""The control item: each control row is replaced only if it still is what was read."""

from typing import Any

import pytest

from local.in_memory import Database
from tailrace.aws.backfill.control import Control, ControlTable
from tailrace.backfill.boundaries import Boundary
from tailrace.backfill.generations import Generation, State, begin_build, created


@pytest.fixture
def table() -> ControlTable:
    database: Any = Database()
    database.create("aggregates", "pk", "sk")
    return ControlTable(database, "aggregates")


def test_a_stack_without_control_rows_says_so(table: ControlTable) -> None:
    assert table.read() == Control()
    assert not table.read().exists


def test_what_is_created_is_read_and_shown(table: ControlTable) -> None:
    shops = created("shops", 2, "f")
    assert table.create([shops], since_creation=True)
    assert table.read() == Control({shops.id: shops}, {"shops": shops.id}, since_creation=True, exists=True)
    assert table.read().shown("shops") == shops
    assert table.read().shown("other") is None
    assert not table.create([], since_creation=False)
    assert table.read().since_creation


def test_of_several_versions_the_highest_is_shown_first(table: ControlTable) -> None:
    table.create([created("shops", version, "f") for version in (2, 10, 1)], since_creation=True)
    assert table.read().pointers == {"shops": ("shops", 10)}


def test_a_row_is_replaced_only_if_nobody_else_wrote_it(table: ControlTable) -> None:
    table.create([], since_creation=False)
    declared = Generation("shops", 3, State.DECLARED, "f")
    building = begin_build(declared, "f", Boundary("b", 100, confirmed=True), "revision")
    assert table.replace(None, building)
    assert not table.replace(None, building)
    assert not table.replace(declared, building)
    assert table.read().shown("shops") is None
    live = Generation("shops", 3, State.LIVE, "f", 1)
    assert table.replace(building, live, show=True)
    assert table.read().shown("shops") == live
    assert not table.show(building)
    assert table.show(live)


def test_no_row_is_written_without_a_control_item(table: ControlTable) -> None:
    assert not table.replace(None, created("shops", 1, "f"))
    assert not table.read().exists


def test_a_definition_may_have_any_number_of_collections(table: ControlTable) -> None:
    """An expression has 4 KB, which is used up by 340 attributes."""
    table.create([], since_creation=True)
    names = {f"collection-{number}" for number in range(1_000)}
    table.record_collections(names)
    table.record_unkept(names, 5)
    assert table.read().collections == names
    assert table.read().unkept == dict.fromkeys(names, 5)
