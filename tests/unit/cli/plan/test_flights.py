"""The week of flights, as a file: `tailrace plan` finds what the benchmark measured with the real stage."""

import json
from typing import Any

import pytest

from benchmarks.changes import records
from cli.plan.model import Load, Plan
from cli.plan.sampling.assembly import Sampled, sampled
from cli.plan.sampling.changes import Shares
from cli.plan.sampling.sample import Progress
from cli.plan.sources import FIGURES, read_figures
from pipeline.definition import pipeline
from tailrace.encoding.dynamodb import decode_item
from tailrace.encoding.tagged_json import dumps

TOLERANCE = 0.05
"""The benchmark folds the week with its few broken changes, and batches of 4,000, which plan interpolates."""

LISTS_TOLERANCE = 0.15
"""Few rows of lists are left in large batches."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Sampled:
    path = tmp_path_factory.mktemp("sample") / "flights.jsonl"
    path.write_text("".join(_line(record) for record in records()), encoding="utf-8")
    return sampled(pipeline, None, path, Shares(), Progress(lambda _: None))


def _line(record: dict[str, Any]) -> str:
    item = decode_item(record["dynamodb"]["NewImage"])
    return dumps({"id": item.pop("pk").partition("#")[2]} | item) + "\n"


def _measured(what: str, part: str = "c") -> float:
    results = json.loads(FIGURES.read_text(encoding="utf-8"))["parts"][part]["results"]
    return float(next(one["value"] for one in results if one["what"] == what))


@pytest.mark.parametrize(("size", "mean"), [(100, 100), (1_000, 18_259 / 19), (4_000, 18_259 / 5)])
def test_rows_and_write_units_are_those_of_the_benchmark(found: Sampled, size: int, mean: float) -> None:
    """``mean`` is that of the benchmark's batches; its last one is smaller."""
    profile = found.profile
    rows = 1_000 * sum(profile.writes(row, mean) for row in profile.touched)
    lists = 1_000 * sum(profile.writes(row, mean) for row in profile.touched if row.kind == "list")
    assert rows == pytest.approx(_measured(f"rows touched per 1,000 changes, batches of {size:,}"), rel=TOLERANCE)
    assert lists == pytest.approx(_measured(f"of these, rows of group lists, batches of {size:,}"), rel=LISTS_TOLERANCE)
    # all rows are smaller than 1 KB, so that each write is a unit
    assert rows == pytest.approx(_measured(f"write units per 1,000 changes, batches of {size:,}"), rel=TOLERANCE)


def test_write_units_of_write_behind_are_those_of_the_benchmark(found: Sampled) -> None:
    """The benchmark has three fleets, which touch the same rows: a third of the changes does the same to them."""
    rate, batch, fleets = 305, 4_700, 3
    load = Load(rate / fleets, batch / rate, shards=1, write_behind_s=60)
    plan = Plan(found.profile, read_figures(), load)
    assert plan.folded == pytest.approx(rate * 60 / fleets)
    units = 1_000 * (plan.rows / fleets + 1 / batch)
    measured = _measured("write units per 1,000 changes, a window of 60 s at 305 changes a second", "w")
    assert units == pytest.approx(measured, rel=TOLERANCE)


def test_lines_with_the_same_id_are_changes_of_one_item(found: Sampled) -> None:
    inserts, updates, deletes = found.kinds
    ids = {record["dynamodb"]["Keys"]["pk"]["S"] for record in records()}
    assert inserts == pytest.approx(len(ids), abs=30)  # the broken ones
    assert deletes == 0
    assert inserts + updates == found.profile.changes
    assert "left out as invalid" in found.notes[0]


def test_the_largest_batch_is_that_of_the_benchmark(found: Sampled) -> None:
    results = json.loads(FIGURES.read_text(encoding="utf-8"))["parts"]["a"]["results"]
    measured = next(one["what"] for one in results if "6 MB" in one["what"])
    fitting = int(measured.partition("(")[2].partition(" ")[0].replace(",", ""))
    assert 6_000_000 / found.profile.record_bytes == pytest.approx(fitting, rel=0.25)
