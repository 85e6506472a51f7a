"""Aggregates without groups: one row of all items."""

from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, Pipeline, count, distinct, maximum, mean, total
from tailrace.aws.aggregates.row_reader import RowReader
from tailrace.aws.jobs.rows import RowSpace
from tailrace.backfill.admission import epoch_key
from tailrace.backfill.generations import Generation, State
from tailrace.encoding.keys import group_texts, key_owner, row_key, value_rows_key
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage, UnsupportedKeyOrder
from tailrace.queries.parameters import parse_group_query, parse_ranking_query, parse_row_query
from tailrace.testing import history, rows, stored_rows
from tests.unit.queries.table import Table

SALES = Collection("sales", schema={"type": "object"})
LINEAR = {"n": count(), "sum": total("x"), "mean": mean("x")}
ALL = Aggregate("all", of=SALES, by=[], measures=LINEAR | {"most": maximum("x"), "kinds": distinct("x")})
LANES = Aggregate("lanes", of=SALES, by=[], measures=LINEAR, lanes=3)
PIPELINE = Pipeline([SALES], [ALL, LANES])


def read(aggregate: Aggregate, table: Table, *parameters: tuple[str, str]) -> list[Any]:
    page = RowReader(cast("Any", table), "rows").read(parse_row_query(aggregate, parameters))
    assert page.cursor is None
    return [loads(row) for row in page.rows]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(-9, 9)), max_size=12))
def test_the_row_has_all_items(writes: list[tuple[str, int | None]]) -> None:
    changes = [(item, None if x is None else {"x": x}) for item, x in writes]
    left = [item["x"] for item in dict(changes).values() if item is not None]
    records = history("sales", changes)
    table = Table(stored_rows(records, PIPELINE))
    expected = {"n": len(left), "sum": sum(left)}
    for aggregate in (ALL, LANES):
        found = read(aggregate, table)
        assert len(found) == min(len(left), 1)
        for row in found:
            assert {"n": row["n"], "sum": row["sum"]} == expected
            assert row["mean"] * len(left) == pytest.approx(Decimal(sum(left)))
    if left:
        (row,) = rows(records, PIPELINE)["all"]
        assert (row["most"], row["kinds"]) == (max(left), len(set(left)))
        assert read(ALL, table, ("order", "desc"), ("limit", "1")) == read(ALL, table)


def test_its_key_ends_where_a_group_would_begin() -> None:
    (row,) = [one for one in stored_rows(history("sales", [("1", {"x": 2})]), PIPELINE) if one["pk"] == "all@1#"]
    assert row["sk"] == "-"
    lanes = {one["sk"] for one in stored_rows(history("sales", [("1", {"x": 2})]), PIPELINE) if "lanes" in one["pk"]}
    assert lanes <= {"-#0", "-#1", "-#2"}
    assert group_texts(*row_key("all", 1, ())) == ()
    assert group_texts(*row_key("all", 1, ("",))) == ("",), "an empty text is a group"
    assert row_key("all", 1, (), 2) == ("all@1~2#", "-")


def test_jobs_find_the_row_that_a_value_row_belongs_to() -> None:
    generation = Generation("all", 1, State.BUILDING, "", epoch=1)
    space = RowSpace(generation, ALL)
    key = epoch_key("all@1#", generation), "-"
    assert key == row_key("all", 1, (), 1)
    value_pk = value_rows_key(key, "most")
    assert space.owns(key[0])
    assert space.owns(value_pk)
    assert space.main_key((value_pk, "n1")) == key
    assert key_owner(value_pk) == key_owner(key[0]) == "all@1~1"


@pytest.mark.parametrize("given_", [("from", "2024"), ("interval", "day"), ("shop", "a")])
def test_there_is_nothing_to_select(given_: tuple[str, str]) -> None:
    with pytest.raises(InvalidMessage):
        parse_row_query(ALL, [given_])


def test_there_is_nothing_to_rank_and_no_list() -> None:
    with pytest.raises(UnsupportedKeyOrder, match="only one row"):
        parse_ranking_query(ALL, [("by", "n")])
    with pytest.raises(UnsupportedKeyOrder, match="it has none"):
        parse_group_query(ALL, [])
    assert ALL.group_list is None
