"""The limits that a plan meets, and the lanes, window and write-behind that are advised, computed by hand."""

from copy import replace

import pytest
from hypothesis import given

from cli.plan.model import Plan
from cli.plan.profile import SIZES, HotKey
from cli.plan.usage import (
    Use,
    advised_lanes,
    advised_window,
    advised_write_behind,
    hot_keys,
    met_at,
    saving_lanes,
    uses,
)
from tests.unit.cli.plan.profiles import BUSY_ROWS, RATES, carrying, hot, plan


def use(found: Plan, name: str) -> Use:
    return next(use for use in uses(found) if use.limit.name == name)


def test_the_limits_of_tables_are_met_at_their_quota() -> None:
    found = met_at(plan(1_000))
    by_name = {limit.name: rate for limit, rate in found.items()}
    assert by_name["items table"] == pytest.approx(40_000)
    assert by_name["aggregates table"] == pytest.approx(400_000)
    assert list(found.values()) == sorted(found.values())
    assert next(iter(by_name)) == "items table"


def test_a_hot_item_is_met_first() -> None:
    found = plan(10_000, hot_item=("orders#1", 0.2))
    first = uses(found)[0]
    assert (first.limit.name, first.of) == ("one item", "orders#1")
    assert first.value == pytest.approx(2_000)
    assert next(iter(met_at(found).items()))[1] == pytest.approx(5_000)


def test_a_hot_row_gets_lanes_until_it_fits() -> None:
    row = hot(0.5, items=5_000)
    found = plan(100_000, growth=1, hot_rows=[row])
    # 100 shards write it once a second; with a hundred marks it takes six units
    assert use(found, "one row").value == pytest.approx(600)
    assert advised_lanes(found) == {}
    # 200 shards, 300 + 10,400 bytes, 11 units: 2,200. In two lanes 100 writes of 6 units
    assert advised_lanes(plan(200_000, growth=1, hot_rows=[row])) == {"shops": 2}
    # 10,000 shards need the first number of lanes for which writes times units are at most 1,000
    lanes = advised_lanes(plan(10_000_000, growth=1, hot_rows=[row]))["shops"]
    assert 10_000 / lanes * -(-(300 + 520_000 / lanes) // 1024) <= 1_000
    assert 10_000 / (lanes - 1) * -(-(300 + 520_000 / (lanes - 1)) // 1024) > 1_000
    assert advised_lanes(plan(100_000_000, growth=1, hot_rows=[row])) == {"shops": 0}


def test_a_row_that_is_rarely_written_still_has_to_hold_its_marks() -> None:
    """It is written once a second, at 509 units, but 10,000 marks do not fit into 400 KB."""
    found = plan(10_000_000, growth=1, hot_rows=[hot(1e-7, items=5_000)])
    assert use(found, "one row").value == pytest.approx(509, abs=1)
    assert use(found, "size of a row").ratio == pytest.approx(520_300 / 409_600)
    assert advised_lanes(found) == {"shops": 2}


def test_rows_with_order_measures_get_no_lanes() -> None:
    assert advised_lanes(plan(10_000_000, growth=1, hot_rows=[hot(0.5, 5_000)], linear=frozenset())) == {}


def test_lanes_that_save_units() -> None:
    # 300 + 13 · 52 = 976: a hundred marks fit into eight lanes
    assert saving_lanes(plan(100_000, growth=1, hot_rows=[hot(0.5, 5_000)])) == {"shops": 8}
    assert saving_lanes(plan(1_000, growth=1, hot_rows=[hot(0.5, 5_000)])) == {}


def test_a_hot_key_takes_the_writes_of_all_its_rows() -> None:
    key = HotKey("shops", "row", "shops@1#north", (0.05,) * len(SIZES))
    assert hot_keys(plan(1_000, hot_keys=[key])) == []
    [(found, units)] = hot_keys(plan(100_000, hot_keys=[key]))
    assert found == key
    assert units == pytest.approx(5_000)


def test_the_advised_window_fills_a_batch_but_keeps_rows_fresh() -> None:
    assert advised_window(plan(100_000), 300) == 6  # 6,000 changes of 1,000 bytes, 1,000 a second
    assert advised_window(plan(100_000), 3) == 3
    assert advised_window(plan(4), 60) == 60


def test_write_behind_is_advised_where_it_saves_writes() -> None:
    busy = plan(1_000, shards=1, window_s=10, touched=BUSY_ROWS)
    # rows are as old as both times together
    assert advised_write_behind(busy, 70) == 60 == advised_write_behind(carrying(busy, 60), 70)
    assert advised_write_behind(busy, 2_000) == 900
    assert advised_write_behind(busy, 9) == 0
    assert advised_write_behind(plan(1_000, shards=1, window_s=10), 60) == 0  # a row for each ten changes, always
    assert advised_write_behind(plan(10, window_s=60, touched=BUSY_ROWS), 60) == 0  # one batch in that time


def test_a_hot_row_is_written_once_in_the_time_of_write_behind() -> None:
    found = plan(1_000, shards=1, window_s=1, hot_rows=[hot(0.5, 1_000)], touched=BUSY_ROWS)
    assert use(carrying(found, 60), "one row").value == pytest.approx(use(found, "one row").value / 60)


@given(RATES)
def test_at_the_rate_at_which_a_limit_is_met_it_is_just_used(rate: float) -> None:
    found = plan(rate, hot_rows=[hot(0.3, 1_000)], hot_item=("orders#1", 0.01), growth=1)
    for limit, met in met_at(found).items():
        below, above = (
            use(replace(found, load=replace(found.load, rate=met * factor)), limit.name).ratio
            for factor in (0.999, 1.001)
        )
        assert below <= 1.01
        assert above >= 0.99
