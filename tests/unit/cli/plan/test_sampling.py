"""Samples become changes, and changes counts: compared with counts made by hand or another way."""

import gzip
import json
import re
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cli.errors import CommandError, UsageError
from cli.plan.profile import MARK_BYTES, SIZES, RowClass
from cli.plan.sampling import assembly, counting
from cli.plan.sampling.assembly import Sampled, sampled
from cli.plan.sampling.changes import Changes, Shares, group_fields, varied
from cli.plan.sampling.counting import touches
from cli.plan.sampling.sample import Progress
from cli.plan.sampling.sketches import DistinctCounter, Growth
from tailrace import Aggregate, Collection, Pipeline, Route, count, distinct, field, hour, maximum, quantile, total
from tailrace.aggregation.fold import fold_records
from tailrace.aggregation.marks import encode_sequence, mark_attribute
from tailrace.testing import SHARD, history

SCHEMA = {
    "type": "object",
    "required": ["sensor", "celsius"],
    "properties": {"sensor": {"type": "string"}, "celsius": {"type": "number"}, "at": {"type": "string"}},
}
readings = Collection("readings", schema=SCHEMA)
PIPELINE = Pipeline(
    [readings],
    [
        Aggregate("sensors", of=readings, by=[field("sensor")], measures={"n": count(), "sum": total("celsius")}),
        Aggregate(
            "hours",
            of=readings,
            by=[hour("at")],
            measures={"p95": quantile("celsius", 0.95), "most": maximum("celsius"), "kinds": distinct("sensor")},
        ),
    ],
    [Route("hot", of=readings, when=lambda reading: reading["celsius"] > 80)],
)


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(lines: Iterator[dict[str, Any]] | list[Any], name: str = "readings.jsonl") -> Path:
        text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return tmp_path / name

    return write


def line(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": str(number), "sensor": f"s{number % 7}", "celsius": number % 100, "at": "2026-01-01T00:00Z"} | fields


def plan(path: Path | None, shares: Shares = Shares(), pipeline: Pipeline = PIPELINE) -> Sampled:  # noqa: B008
    return sampled(pipeline, None, path, shares, Progress(lambda _: None))


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


def test_updates_and_deletions_have_their_shares(file: Callable[..., Path]) -> None:
    inserts, updates, deletes = plan(file([line(n) for n in range(3_000)]), Shares(0.5, 0.2)).kinds
    changes = inserts + updates + deletes
    assert updates / changes == pytest.approx(0.5, abs=0.03)
    assert deletes / changes == pytest.approx(0.2, abs=0.03)


def test_changes_without_an_item_are_named(file: Callable[..., Path]) -> None:
    """Half of the lines are updates, so there are fewer items to delete than deletions."""
    found = plan(file([line(n // 2, celsius=n) for n in range(1_000)]), Shares(0, 0.5))
    assert re.search("[0-9]+ changes could not be simulated: every item was deleted already.", " ".join(found.notes))


def test_made_up_updates_stay_in_their_rows(file: Callable[..., Path]) -> None:
    path = file([line(n) for n in range(2_000)])
    without, made_up = plan(path).profile, plan(path, Shares(updates=0.5)).profile
    sensors = RowClass("sensors", "row", 1)
    assert sensors not in made_up.touched or without.touched
    # no update moves an item to another sensor, which would enter and leave a value of the list
    entering = sum(touched[0] for row, touched in made_up.touched.items() if row[:2] == ("sensors", "list"))
    assert entering == 2_000


def test_the_fields_that_decide_the_rows_are_found_by_trying() -> None:
    items = [{"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 6}]
    assert group_fields(items, lambda item: item["a"] + item["c"]) == {"a", "c"}
    assert varied(items[0], items[1], frozenset("ac")) == {"a": 1, "b": 5, "c": 3}


def test_lines_that_load_would_refuse_are_left_out_and_named(file: Callable[..., Path]) -> None:
    path = file([line(1), {"id": "2", "sensor": 5, "celsius": 1}, "{", line(3), {"sensor": "a", "celsius": 1}])
    found = plan(path)
    assert found.profile.changes == 3
    assert "2 of 5 lines are left out as invalid; the first: line 2" in found.notes[0]
    assert found.notes[1].startswith("1 line without an id")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"note": "x" * 410_000}, "item size .* exceeds the limit of 409600"),
        ({"celsius": 10**126}, "/celsius the number's magnitude is outside"),
        ({"celsius": 10**38 + 1}, "/celsius the number has 39 significant digits; the limit is 38"),
        ({"id": "x" * 3_000}, "key"),
        ({"expires_at": -1}, "/expires_at not a whole number of seconds"),
    ],
)
def test_a_line_that_the_table_cannot_hold_is_left_out(
    file: Callable[..., Path], fields: dict[str, Any], message: str
) -> None:
    found = plan(file([line(1), line(2, **fields)]))
    assert found.profile.changes == 1
    assert re.match(f"1 of 2 lines is left out as invalid; the first: line 2: .*{message}", found.notes[0])


@pytest.mark.parametrize("name", ["readings.csv", "readings.jsonl.gz", "readings.json"])
def test_every_format_of_load_is_read(file: Callable[..., Path], name: str) -> None:
    rows: list[Any] = [line(n) for n in range(20)]
    if "csv" in name:
        rows = ["id,sensor,celsius,at", *(",".join(map(str, row.values())) for row in rows)]
    assert plan(file(rows, name)).profile.changes == 20


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("readings.txt", [line(1)], "unknown file type"),
        ("readings.csv", ["sensor;sensor", "1;2"], "header"),
        ("readings.jsonl.gz", None, "not compressed"),
        ("nothing.jsonl", None, "No such file"),
    ],
)
def test_files_that_cannot_be_read(
    file: Callable[..., Path], tmp_path: Path, name: str, content: list[Any] | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        file(content, name)
    elif name.endswith(".gz"):
        path.write_text("{}")
    with pytest.raises((UsageError, CommandError), match=message):
        plan(path)


def test_items_of_a_table_with_its_own_keys_are_read_by_their_ids(file: Callable[..., Path]) -> None:
    devices = Collection("devices", schema={}, key={"PK": "{device:binary}", "SK": "AT#{at}"}, match={"kind": "d"})
    by_day = Aggregate("days", of=devices, by=[field("at")], measures={"n": count()})
    path = file([{"id": f"AAE/{day}", "x": f"{day}{number}"} for number in range(5) for day in "ab"])
    found = plan(path, Shares(updates=0.5), Pipeline([devices], [by_day]))
    inserts, updates, _ = found.kinds
    assert inserts == 2
    assert updates > 8


def test_a_sample_without_a_valid_item(file: Callable[..., Path]) -> None:
    with pytest.raises(CommandError, match="no valid item to count: line 1: "):
        plan(file([{"id": "1"}]))


def test_a_pipeline_with_several_collections_needs_a_name() -> None:
    other = Pipeline([readings, Collection("other", schema={})], PIPELINE.aggregates)
    with pytest.raises(UsageError, match="pass --collection with one of readings, other"):
        plan(None, pipeline=other)


def test_generated_items_are_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "_GENERATED", 2_000)
    found = plan(None)
    assert found.is_generated
    assert found.source == "items generated from the schema"
    assert "Generated items vary as much as the schema allows" in found.notes[0]


def test_different_keys_are_estimated_in_bounded_memory() -> None:
    counter = DistinctCounter()
    for number in range(300_000):
        counter.add(f"key {number % 100_000}")
    assert counter.count() == pytest.approx(100_000, rel=0.08)
    few = DistinctCounter()
    for number in range(5_000):
        few.add(f"key {number % 1_500}")
    assert few.count() == 1_500


def test_new_keys_keep_coming_or_not() -> None:
    new, same, half = Growth(), Growth(), Growth()
    for number in range(20_000):
        new.add(str(number))
        same.add(str(number % 100))
        half.add(str(number // 2))
    assert new.rate() == pytest.approx(1, abs=0.1)
    assert same.rate() == 0
    first = Growth()
    for number in [*range(1_000), *range(1_000), *range(1_000)]:
        first.add(str(number))
    assert first.rate() == pytest.approx(1 / 3)
    assert half.rate() == pytest.approx(1, abs=0.1)


def test_only_so_many_items_are_remembered() -> None:
    changes = Changes(Shares(0.3, 0.1), frozenset(), lambda _: True, Random(1))  # noqa: S311 - not for secrets
    steps = changes.steps((str(n), {"n": n}, 1_000_000) for n in range(2_000))
    assert sum(1 for _ in steps) > 2_000
    assert changes._known.size <= 64 * 1024 * 1024
    assert len(changes._known.ids) == len(changes._known.items) == len(changes._known.places) <= 67
    assert all(changes._known.ids[place] == item_id for item_id, place in changes._known.places.items())


def test_a_sample_that_no_aggregate_counts_is_no_plan(file: Callable[..., Path]) -> None:
    only_hours = Pipeline([readings], PIPELINE.aggregates[1:])
    with pytest.raises(CommandError, match=r"20 of 20 items are not counted by 'hours'; the first: /at "):
        plan(file(line(n, at="01/02/2024 10:00") for n in range(20)), pipeline=only_hours)
    with pytest.raises(CommandError, match="No aggregate counts an item of .*: none has all fields of a group"):
        plan(file({"id": str(n), "sensor": "a", "celsius": 1} for n in range(20)), pipeline=only_hours)


def test_items_that_an_aggregate_cannot_count_are_named(file: Callable[..., Path]) -> None:
    newer = Aggregate("hours", version=2, of=readings, by=[hour("at")], measures={"n": count()})
    both = Pipeline([readings], [*PIPELINE.aggregates, newer])
    found = plan(
        file(line(n, at="01/02/2024 10:00" if n % 2 else "2026-01-01T00:00Z") for n in range(40)), pipeline=both
    )
    assert found.notes[0].startswith("20 of 40 items are not counted by 'hours'; the first: /at not a time: '01/02")


def test_an_aggregate_in_whose_rows_no_item_is_is_named(file: Callable[..., Path]) -> None:
    found = plan(file({"id": str(n), "sensor": "a", "celsius": 1} for n in range(20)))
    assert found.notes[0] == "No item of the sample is in a row of 'hours', so it costs nothing here."


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


def test_a_bar_appears_after_two_seconds() -> None:
    shown: list[str] = []
    now = [0.0]
    progress = Progress(shown.append, lambda: now[0])
    progress.advance(0.1, "lines")
    now[0] = 2.5
    progress.advance(0.5, "lines")
    assert shown == ["[###############...............]  50%  lines"]


def test_a_mark_is_as_large_as_the_engine_makes_it() -> None:
    assert len(mark_attribute(SHARD)) + len(encode_sequence(10**39)) == MARK_BYTES
