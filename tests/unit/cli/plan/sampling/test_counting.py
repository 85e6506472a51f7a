"""Changes become counts: compared with counts made by hand or another way, in bounded memory."""

import tracemalloc
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from cli.plan.profile import MARK_BYTES, SIZES
from cli.plan.sampling import counting
from cli.plan.sampling.counting import touches
from tailrace import Aggregate, Pipeline, count, day, hop, hours, minutes, month, week, year
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import encode_sequence, mark_attribute
from tailrace.definition.groups.group import Group
from tailrace.testing import SHARD, history
from tests.unit.cli.plan.sampling.samples import PIPELINE, line, plan, readings


def test_a_row_is_touched_once_by_each_batch_that_has_a_change_of_it() -> None:
    steps = [(1, ()), (2, ()), (11, ()), (1_001, ())]
    assert touches(steps) == (4, 3, 2, 2, 2, 2, 1, 1, 1)


def test_rows_are_counted_as_folds_of_every_batch_size_find_them(file: Callable[..., Path]) -> None:
    lines = [line(number * number % 900, celsius=number % 13) for number in range(2_300)]
    found = plan(file(iter(lines))).profile
    records = history("readings", [(one["id"], {k: one[k] for k in ("sensor", "celsius", "at")}) for one in lines])
    for position, size in enumerate(SIZES):
        expected: Counter[tuple[str, str]] = Counter()
        for start in range(0, len(records), size):
            folded = fold_records(records[start : start + size], PIPELINE)
            for row in folded.rows:
                expected[row.layout.aggregate.name, "row"] += 1
                expected[row.layout.aggregate.name, "value row"] += len(row.value_changes)
            for row in folded.group_list_changes:
                expected[row.layout.aggregate.name, "list"] += 1
        counted: Counter[tuple[str, str]] = Counter()
        for row_class, touched in found.touched.items():
            counted[row_class[:2]] += touched[position]
        assert counted == +expected
    assert found.changes == len(records)


def test_nodes_of_quantiles_are_counted_apart_from_their_values(file: Callable[..., Path]) -> None:
    found = plan(file([line(number) for number in range(1_000)])).profile
    (values,) = [one for one in found.values if "p95" in one.measures]
    # 100 values in one row: their first digits make 20 nodes (0, and twice 1 to 9), their first three make 100
    assert values.quantiles == 1
    assert values.levels == pytest.approx((19, 100 / 19, 1), rel=0.05)
    assert values.node_writes[0] == pytest.approx(2)
    assert values.writes[0] == pytest.approx(1)


def test_the_busiest_row_item_and_key_are_found(file: Callable[..., Path]) -> None:
    lines = [line(1, sensor="busy", celsius=n) if n % 4 == 0 else line(n, sensor=f"s{n}") for n in range(1, 1_001)]
    found = plan(file(lines)).profile
    assert found.hot_item is not None
    assert found.hot_item[0] == "readings#1"
    assert found.hot_item[1] == pytest.approx(0.251, abs=0.002)
    busiest = next(row for row in found.hot_rows if (row.aggregate, row.kind) == ("sensors", "row"))
    assert (busiest.key, busiest.items) == ("sensors@1#busy -", 1)
    assert busiest.share == pytest.approx(0.25, abs=0.002)
    keys = {(key.aggregate, key.kind): key for key in found.hot_keys}
    assert keys["hours", "row"].writes[SIZES.index(1_000)] == pytest.approx(1 / 1_000)
    # the list of sensors has all of them under one key: each new one, and the busy one once
    assert keys["sensors", "list"].writes[0] > 0.7


@pytest.mark.parametrize(
    ("group", "at", "seconds"),
    [
        (day("at"), "2026-01-31T12:00Z", 86_400),
        (month("at"), "2026-02-01T12:00Z", 28 * 86_400),
        (hop("at", size=hours(24), every=hours(1)), "2026-01-31T12:00Z", 86_400),
        (minutes(15, "at"), "2026-01-31T12:00Z", 900),
        (day("at"), "9999-12-31T12:00Z", 86_400),
        (week("at"), "9999-12-31T12:00Z", 5 * 86_400),
        (year("at", tz="Asia/Tokyo"), "0001-01-01T12:00Z", 365 * 86_400),
    ],
)
def test_a_row_takes_changes_for_as_long_as_its_bucket_or_window(
    file: Callable[..., Path], group: Group, at: str, seconds: int
) -> None:
    """Dates that stand for "never" are in the last bucket of the calendar."""
    times = Aggregate("times", of=readings, by=[group], measures={"n": count()})
    found = plan(file([line(1, at=at)]), pipeline=Pipeline([readings], [times])).profile
    assert found.life_s == {"times": seconds}


def test_what_occurs_rarely_is_not_called_hot(file: Callable[..., Path]) -> None:
    found = plan(file([line(number, sensor=f"s{number}") for number in range(100)])).profile
    assert found.hot_item is None
    assert not any(row.aggregate == "sensors" and row.kind == "row" for row in found.hot_rows)


def test_a_write_takes_the_units_of_the_larger_image(file: Callable[..., Path]) -> None:
    large, small = line(1, note="x" * 2_500), line(1, note="y")
    # an insert of three units, an update of three, an insert of one
    found = plan(file([large, small, line(2)])).profile
    assert found.item_units == pytest.approx(7 / 3)


def test_routes_are_counted(file: Callable[..., Path]) -> None:
    assert plan(file([line(n) for n in range(100)])).profile.routed == {"hot": pytest.approx(0.19)}


def peak_of_sampling(path: Path) -> int:
    """Sample a file in small chunks, and return the most bytes that were allocated at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "CHUNK", 1_000)
        tracemalloc.start()
        plan(path, pipeline=Pipeline([readings], PIPELINE.aggregates[:1]))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_sample(file: Callable[..., Path]) -> None:
    """Every item is new, in a row of its own: three chunks take hardly more than two."""
    sizes = (100, 1_100, 2_200)  # the first for imports and caches
    paths = [
        file((line(n, sensor=f"sensor {n}", celsius=n) for n in range(size)), name=f"{size}.jsonl") for size in sizes
    ]
    # in a process of its own: tracemalloc also counts what other tests' threads allocate
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        _, two, three = process.map(peak_of_sampling, paths)
    assert three < 1.5 * two


def test_a_mark_is_as_large_as_the_engine_makes_it() -> None:
    assert len(mark_attribute(SHARD)) + len(encode_sequence(10**39)) == MARK_BYTES
