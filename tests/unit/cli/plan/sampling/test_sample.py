"""A sample is read as load reads files, or generated; what is left out or counted nowhere is named."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.errors import CommandError, UsageError
from cli.plan.sampling import assembly
from cli.plan.sampling.changes import Shares
from cli.plan.sampling.sample import Progress, generated, subject_of
from tailrace import Aggregate, Collection, Pipeline, count, day, days, field, hour, largest
from tests.unit.cli.plan.sampling.samples import PIPELINE, line, plan, readings


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


def test_rows_that_may_become_too_large_are_named(file: Callable[..., Path]) -> None:
    shops = Collection("shops", schema={"type": "object"})
    measures: Any = {f"{number}{'n' * 240}": count() for number in range(180)}
    measures["best"] = largest("note", 100, show=["a" * 240, "b" * 240])
    pipeline = Pipeline([shops], [Aggregate("all", of=shops, by=[], measures=measures)])
    found = plan(file([{"id": "1"}]), pipeline=pipeline)
    assert found.notes[0].startswith("Aggregate 'all': a row may take up to 41")


def test_an_expiry_that_is_no_time_is_named_as_its_line_names_it(file: Callable[..., Path]) -> None:
    """As by load: `expires_at` is another field here."""
    schema = {"properties": {"expires_at": {"type": "string"}}}
    cards = Collection("cards", schema=schema, key={"PK": "CARD#{id}"}, ttl="ends")
    by_shop = Aggregate("shops", of=cards, by=[field("shop")], measures={"n": count()})
    lines = [{"id": "1", "shop": "a"}, {"id": "2", "shop": "a", "ends": "soon"}]
    found = plan(file(lines), pipeline=Pipeline([cards], [by_shop]))
    assert "line 2: /ends not a whole number of seconds since 1970" in found.notes[0]


def test_lines_have_the_stamp_that_load_would_give_them(file: Callable[..., Path]) -> None:
    schema = {"required": ["came"], "properties": {"came": {"type": "string"}}}
    visits = Collection("visits", schema=schema, received="came", keep=days(1), keep_from="came")
    by_day = Aggregate("days", of=visits, by=[day("came")], measures={"n": count()})
    found = plan(
        file([{"id": "1"}, {"id": "2", "came": "2024-01-01"}, {"shop": "a"}]), pipeline=Pipeline([visits], [by_day])
    )
    assert found.profile.changes == 3
    assert not any("left out" in note for note in found.notes)


def test_generated_items_have_the_stamp_of_an_entrance() -> None:
    """Before, those without one were in no row, so that the plan was too cheap."""
    schema = {"properties": {"shop": {"type": "string"}, "came": {"type": "string", "format": "date-time"}}}
    visits = Collection("visits", schema=schema, received="came", examples=[{"shop": "a"}])
    by_day = Aggregate("days", of=visits, by=[day("came")], measures={"n": count()})
    subject = subject_of(Pipeline([visits], [by_day]), None)
    items = [item for _, item, _ in generated(subject, 50, Progress(lambda _: None))]
    assert len(items) == 50
    assert all(isinstance(item["came"], str) for item in items)


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


def test_a_bar_appears_after_two_seconds() -> None:
    shown: list[str] = []
    now = [0.0]
    progress = Progress(shown.append, lambda: now[0])
    progress.advance(0.1, "lines")
    now[0] = 2.5
    progress.advance(0.5, "lines")
    assert shown == ["[###############...............]  50%  lines"]
