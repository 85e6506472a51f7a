"""The arithmetic of `tailrace plan`, its costs and its dollars, against cases computed by hand."""

from copy import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.plan.costs import costs
from cli.plan.dollars import dollars_a_month
from cli.plan.model import Load
from cli.plan.profile import SIZES, Values, interpolate
from cli.plan.sources import read_prices
from tailrace.aggregation.carried.state import MAX_STATE_BYTES
from tests.unit.cli.plan.profiles import BUSY_ROWS, PROFILE, RATES, SHOPS, carrying, hot, plan

PRICES = read_prices().dollars


def test_a_shard_for_each_thousand_write_units_and_at_least_four() -> None:
    assert plan(100).shards == 4
    assert plan(100_000).shards == 100
    assert plan(100_000, item_units=2.5).shards == 250
    assert plan(100_000, shards=7).shards == 7


def test_a_batch_holds_what_arrives_in_the_window_up_to_ten_thousand_changes_or_six_megabytes() -> None:
    assert plan(1_000).batch == 250  # of four shards
    assert plan(1_000, window_s=4).batch == 1_000
    assert plan(1_000, window_s=300, record_bytes=100).batch == 10_000
    assert plan(1_000, window_s=300, record_bytes=3_000).batch == 2_000
    assert plan(1, window_s=1).batch == 1


def test_between_two_sizes_values_lie_on_a_power_of_the_size() -> None:
    assert interpolate([1, 100, 10_000], [1, 0.1, 0.01], 10) == pytest.approx(0.1**0.5)
    assert interpolate([1, 100, 10_000], [1, 0.1, 0.01], 10_000) == pytest.approx(0.01)
    assert interpolate([1, 100, 10_000], [1, 0.1, 0.01], 1_000_000) == pytest.approx(0.001)
    assert interpolate([7, 7, 7], [0.5, 0.5, 0.5], 1_000) == 0.5


def test_rows_that_one_shard_writes_take_one_unit_per_kilobyte() -> None:
    found = plan(1_000)
    assert found.rows == pytest.approx(0.1)
    assert found.units == pytest.approx(0.1)
    # 1,000 bytes, and a mark of 52
    assert plan(1_000, row_bytes={("shops", "row"): 1_000}).units == pytest.approx(0.2)


def test_a_row_of_all_shards_carries_a_mark_of_each() -> None:
    # new items all the time: of 100,000 changes a second, an hour has far more than 100 shards
    busy = plan(100_000, growth=1)
    assert busy.marks(SHOPS) == pytest.approx(100)
    assert busy.bytes_of(SHOPS) == pytest.approx(300 + 5_200)
    assert busy.units_of(SHOPS) == 6
    assert busy.units == pytest.approx(0.6)
    # two items in two hundred shards are in two of them, as good as always
    assert plan(200_000).marks(hot(0.1, items=2)) == pytest.approx(2, rel=0.01)


def test_lanes_share_marks_and_writes() -> None:
    found = replace(plan(100_000, growth=1), load=Load(100_000, lanes={"shops": 10}))
    assert found.units_of(SHOPS) == 1  # 300 + 10 · 52
    assert found.units == pytest.approx(0.1)
    # every shard writes its row once a second; a tenth of the shards to each lane
    assert found.hot_writes(hot(0.5, items=5_000)) == pytest.approx(10)


def test_every_shard_writes_a_hot_row_once_per_batch() -> None:
    row = hot(0.5, items=5_000)
    assert plan(100_000).hot_writes(row) == pytest.approx(100)
    assert plan(100_000, window_s=5).hot_writes(row) == pytest.approx(20)
    # one item is in one shard, whatever the number of shards: half of all changes
    assert plan(100_000).hot_writes(hot(0.001, items=1)) == pytest.approx(1, rel=0.01)


def test_a_row_that_few_changes_touch_is_written_by_few_batches() -> None:
    # of 1,000 changes of each shard one in ten thousand touches it: 9.516 % of the batches
    assert plan(100_000).hot_writes(hot(0.0001, items=5_000)) == pytest.approx(9.516, rel=0.001)


def test_the_times_of_stages_are_their_figures() -> None:
    found = plan(100_000)
    assert found.aggregate_s == pytest.approx(60e-6)  # 50 and a tenth of 100
    assert found.concurrency["aggregate"] == pytest.approx(6)
    # 1,024 of 1,769 MB give 1.7275 times as long; 1,000 changes of 512 bytes are two messages, of 5 ms each
    assert found.fanout_s == pytest.approx(80e-6 * 1.72754 + 2 * 5e-6)
    assert found.messages == pytest.approx(200)
    assert found.message_bytes == pytest.approx(256_000)


def test_a_batch_of_the_archive_holds_a_thousand_messages() -> None:
    """Many shards with few changes each send small messages."""
    assert plan(1_000, shards=1_000).archive_batches == 1
    assert plan(100_000, shards=100).archive_batches == pytest.approx(100_000 * 512 / 6e6)


def test_value_rows_are_written_per_value_and_read_per_row() -> None:
    values = Values("shops", ("p50", "p95"), per_row=3_000, writes=(0.2,) * len(SIZES), ends=0)
    values = replace(values, quantiles=2, node_writes=(0.05,) * len(SIZES), levels=(30, 100))
    touched = dict(PROFILE.touched) | {SHOPS._replace(kind="value row"): [2_500] * len(SIZES)}
    sizes = dict(PROFILE.row_bytes) | {("shops", "value row"): 148}
    found = plan(1_000, touched=touched, row_bytes=sizes, values=[values])
    # for each of the 0.1 rows that a change touches, 30 nodes of 200 bytes are two units of 4 KB, and a quarter of the
    # 100 values of one node, and ten more, are two units, for each of two quantiles
    assert found.reads_of(values) == pytest.approx(0.1 * (2 + 2 * 2))
    assert found.reads_of(replace(values, ends=1, quantiles=0, levels=())) == pytest.approx(0.1)
    # each of these rows takes an update and three queries, of 5 ms, eight at a time
    assert found.aggregate_s == pytest.approx(50e-6 + 0.35 * 100e-6 + 0.1 * 4 * 5e-3 / 8)
    cost = next(one for one in costs(found) if one.measures == ("p50", "p95"))
    assert cost.writes == pytest.approx(0.25)
    assert cost.write_units == pytest.approx(0.25)
    assert cost.read_units == pytest.approx(0.6)


def test_different_values_are_counted_at_a_price_that_does_not_depend_on_how_many_there_are() -> None:
    writes = (0.2,) * len(SIZES)
    touched = dict(PROFILE.touched) | {SHOPS._replace(kind="value row"): [2_000] * len(SIZES)}
    for per_row in (10, 1_000_000):
        values = Values("shops", ("kinds",), per_row, writes, ends=0, appearing=0.04)
        found = plan(1_000, touched=touched, values=[values])
        cost = next(one for one in costs(found) if one.measures == ("kinds",))
        # each touched value is written and read once; a new one is written again in a transaction with its row
        assert cost.writes == pytest.approx(0.24)
        assert cost.read_units == pytest.approx(0.2)
        assert cost.write_units == pytest.approx(0.2 + 2 * (0.04 + 0.04))
        assert found.units - plan(1_000, touched=touched).units == pytest.approx(0.16)
        assert cost.what.endswith("per row, counted")


def test_ranked_values_are_read_when_they_are_touched() -> None:
    touched = dict(PROFILE.touched) | {SHOPS._replace(kind="value row"): [2_000] * len(SIZES)}
    for per_row in (10, 1_000_000):
        values = Values("shops", ("best",), per_row, (0.2,) * len(SIZES), ends=0, ranked=True)
        found = plan(1_000, touched=touched, values=[values])
        cost = next(one for one in costs(found) if one.measures == ("best",))
        assert (cost.writes, cost.write_units, cost.read_units) == pytest.approx((0.2, 0.2, 0.2))
        assert cost.what.endswith("per row, ranked")
        # the main row takes an update of its own, and a hundred values are read at once: 5 ms, eight at a time
        assert found.aggregate_s == pytest.approx(50e-6 + 0.3 * 100e-6 + (0.1 + 0.2 / 100) * 5e-3 / 8)


def test_dollars_of_a_month_of_thirty_days() -> None:
    found = dollars_a_month(plan(1_000), PRICES)
    # 2,592 million changes; 0.1 write units each, at $0.625 per million
    assert found["aggregate rows, written"] == pytest.approx(162)
    # 259.2 M of 250 changes are 128,000 bytes: a message of two chunks, sent and received; a tenth for its deletion
    assert found["archive queue"] == pytest.approx(2_592 / 250 * 4.1 * 0.4, rel=1e-6)
    # (60 µs at 1.7275 GB + 1.7275 · 80 µs + 5 ms/250 + 1.7275 · 20 µs) of GB-seconds, two requests a batch, archive's
    seconds = 60e-6 * 1.72754 + 80e-6 * 1.72754 + 20e-6 + 20e-6 * 1.72754 + 5e-3 / (6_000_000 / 512)
    requests = 2 * 4 + 2 * (512_000 / 6_000_000)
    assert found["functions"] == pytest.approx(2_592e6 * seconds * 0.0000133334 + 2.592e6 * requests * 0.2e-6, rel=1e-4)


def test_write_behind_folds_what_arrives_in_its_time() -> None:
    plain = plan(1_000, shards=1, window_s=10, touched=BUSY_ROWS)  # 6,000 changes in a batch
    found = carrying(plain, 60)
    assert (found.batch, found.folded) == (plain.batch, 60_000) == (6_000, 60_000)
    assert found.rows == pytest.approx(10 / 60_000)
    assert found.units == pytest.approx(10 / 60_000 + 1 / 6_000)  # and the row of the shard, with each batch
    assert carrying(plain, 5).folded == plain.batch


def test_a_batch_of_many_rows_is_committed_in_parts_and_not_carried() -> None:
    found = plan(1_000, window_s=300, record_bytes=100, touched={SHOPS: [40_000] * len(SIZES)})
    assert found.batch == 10_000
    assert found.folded == pytest.approx(5_000)  # 20,000 rows
    assert carrying(found, 60).folded == found.folded


def test_no_more_is_carried_than_the_state_of_a_window_holds() -> None:
    found = carrying(plan(1_000, shards=1, window_s=10, carried_bytes=200), 900)
    assert found.folded == pytest.approx(MAX_STATE_BYTES / 200 / 0.1)  # a row for each ten changes


@given(st.floats(4, 1e6), st.floats(1, 900), st.floats(1, 900))
def test_longer_write_behind_never_writes_more(rate: float, one: float, other: float) -> None:
    touched = {SHOPS: [9_000, 8_000, 6_000, 5_000, 3_000, 2_000, 1_000, 500, 300]}
    busy = plan(rate, touched=touched, growth=1)
    short, long = (carrying(busy, seconds) for seconds in sorted((one, other)))
    assert long.rows <= short.rows * (1 + 1e-9)
    assert long.folded >= short.folded >= busy.batch


@given(RATES)
def test_doubling_the_rate_doubles_what_is_linear(rate: float) -> None:
    """Shards as many as needed, all equally busy: rates and dollars are proportional, costs per change are not."""
    one, two = plan(rate * 1.0, shards=1_000), plan(rate * 2.0, shards=2_000)
    assert two.batch == pytest.approx(one.batch)
    assert two.rows == pytest.approx(one.rows)
    assert two.units == pytest.approx(one.units)
    for stage, busy in one.concurrency.items():
        assert two.concurrency[stage] == pytest.approx(2 * busy, rel=1e-3)
    assert two.messages == pytest.approx(2 * one.messages)
    first, second = dollars_a_month(one, PRICES), dollars_a_month(two, PRICES)
    assert sum(second.values()) == pytest.approx(2 * sum(first.values()), rel=1e-3)


@given(RATES, st.floats(1, 300), st.floats(1, 300))
def test_longer_windows_never_write_more(rate: float, one: float, other: float) -> None:
    touched = {SHOPS: [9_000, 8_000, 6_000, 5_000, 3_000, 2_000, 1_000, 500, 300]}
    short, long = (plan(rate, window_s=window, touched=touched, growth=1) for window in sorted((one, other)))
    assert long.rows <= short.rows * (1 + 1e-9)
    assert long.batch >= short.batch
