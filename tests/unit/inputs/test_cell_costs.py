"""Many undecided cells, long cells and many columns take bounded time and memory."""

import io
import time
from functools import partial
from typing import Any

import pytest

from tailrace.definition.schemas import Schema
from tailrace.errors import InvalidMessage
from tailrace.inputs.cells import Columns, LineFields
from tailrace.inputs.csv_rows import CsvReader, read_header
from tailrace.inputs.ids import missing_columns
from tailrace.inputs.lines import Line, read_lines
from tests.unit.inputs.reading import items


def test_many_undecided_cells_take_a_bounded_time() -> None:
    either = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    names = [f"f{number}" for number in range(60)]
    schema = {"properties": dict.fromkeys(names, either), "required": ["missing"]}
    rows = "".join(f"{number},{','.join(['7'] * 60)}\n" for number in range(20))
    assert items(schema, f"id,{','.join(names)}\n{rows}")[0] == dict.fromkeys(names, "7")


def test_a_long_row_is_not_tried_as_often_as_a_short_one() -> None:
    undecided = {f"c{number}": {"type": ["string", "integer"]} for number in range(40)}
    heavy = {"type": "array", "items": {"anyOf": [*({"const": number} for number in range(25)), {"type": "integer"}]}}
    schema = {"properties": {"l": heavy} | undecided, "not": {"required": ["c1"]}}
    cells = ",".join(["5"] * 40)
    table = f'id,l,{",".join(undecided)}\n1,"{list(range(100, 120_000))}",{cells}\n'
    began = time.process_time()
    (line,) = read_lines(io.BytesIO(table.encode()), "csv", Schema(schema))
    assert time.process_time() - began < 20
    assert isinstance(line, Line)
    assert len(line.item["l"]) == 119_900


def test_long_cells_and_many_columns_take_bounded_memory_and_time() -> None:
    columns = Columns(["t"], LineFields(Schema({"properties": {"t": {"type": ["string", "null"]}}})))
    assert columns.fields(["x" * 100_000]) == {"t": "x" * 100_000}
    assert columns.fields(["short"]) == {"t": "short"}
    assert sum(len(cell) for _, cell in columns._fitting) == len("short")
    table = ",".join(f"c{number}" for number in range(30_000)) + "\n"
    began = time.process_time()
    with pytest.raises(InvalidMessage, match="no column 'id'"):
        read_header(CsvReader(io.BytesIO(table.encode()), set()), partial(missing_columns, columns=()))
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "schema",
    [
        {"patternProperties": {rf"^c{number}_\w*$": {"type": "integer"} for number in range(100)}},
        {"properties": {f"c7_{number}": {"type": "integer"} for number in range(9_000)}},
    ],
    ids=["patterns", "properties"],
)
def test_many_columns_meet_many_fields_of_a_schema_in_bounded_time(schema: dict[str, Any]) -> None:
    """More patterns than a small cache holds are each compiled once, and no column looks at all the properties."""
    fields = LineFields(Schema(schema))
    began = time.process_time()
    columns = Columns([f"c7_{number}" for number in range(1_500)], fields)
    assert time.process_time() - began < 4
    assert columns.fields(["5"] * 1_500) == {f"c7_{number}": 5 for number in range(1_500)}


def test_a_long_cell_that_is_nearly_a_number_is_read_at_once() -> None:
    columns = Columns(["n"], LineFields(Schema({"properties": {"n": {"type": "number"}}})))
    nearly = "1" * 50_000 + "x"
    began = time.process_time()
    assert columns.fields([nearly]) == {"n": nearly}
    assert time.process_time() - began < 1
