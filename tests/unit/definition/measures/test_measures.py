"""Linear measures: what they store, and what readers get."""

import statistics
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace import Aggregate, Collection, count, field, mean, total, variance
from tailrace.definition.measures.linear import Measure
from tailrace.errors import InvalidItem

AMOUNTS = st.lists(st.decimals(places=3, min_value=-1000, max_value=1000), min_size=1, max_size=20)


def row_of(measure: Measure, name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    columns = zip(*(measure.deltas(item) for item in items), strict=True)
    return dict(zip(measure.attributes(name), map(sum, columns), strict=True))


@given(AMOUNTS)
def test_mean_and_variance_match_the_statistics_module(amounts: list[Decimal]) -> None:
    items = [{"x": amount} for amount in amounts]
    mean_row, variance_row = row_of(mean("x"), "m", items), row_of(variance("x"), "v", items)
    close = Decimal("1e-20")
    assert abs(mean("x").render("m", mean_row) - statistics.mean(amounts)) < close  # type: ignore[operator]
    assert abs(variance("x").render("v", variance_row) - statistics.pvariance(amounts)) < close  # type: ignore[operator]


def test_items_excluded_by_where_and_missing_and_null_fields_add_nothing() -> None:
    measure = mean("x", where=lambda item: item["on"])
    items: list[dict[str, Any]] = [{"on": True, "x": 3}, {"on": False, "x": 5}, {"on": True}, {"on": True, "x": None}]
    assert row_of(measure, "m", items) == {"m_total": 3, "m_count": 1}


def test_a_mean_of_no_values_is_none() -> None:
    assert mean("x").render("m", {"m_total": 0, "m_count": 0}) is None
    assert count().render("n", {}) == 0


@pytest.mark.parametrize("value", ["3", True, [1], {"a": 1}])
def test_a_value_that_is_not_a_number_is_rejected(value: Any) -> None:
    with pytest.raises(InvalidItem, match="cannot sum"):
        total("x").deltas({"x": value})


def test_a_value_is_rejected_only_if_its_square_cannot_be_stored() -> None:
    long = int("1234567891" * 2)
    assert total("x").deltas({"x": long}) == (long,)
    assert variance("x").deltas({"x": 10**30}) == (10**30, 1, 10**60)
    with pytest.raises(InvalidItem, match="digits"):
        variance("x").deltas({"x": long})
    for out_of_range in (10**120, Decimal("1e-100")):
        with pytest.raises(InvalidItem, match="cannot store"):
            variance("x").deltas({"x": out_of_range})


def test_readers_get_groups_and_measures_and_no_empty_rows() -> None:
    aggregate = Aggregate(
        "sums", of=Collection("c", schema={}), by=[field("g")], measures={"n": count(), "m": mean("x")}
    )
    row = {"pk": "…", "sk": "-", "g": "a", "~n": 2, "n": 2, "m_total": 5, "m_count": 2, "updated_at": "now", "~k": "1"}
    assert aggregate.render(row) == {"g": "a", "n": 2, "m": Decimal("2.5"), "updated_at": "now"}
    assert aggregate.render(row | {"~n": 0}) is None
