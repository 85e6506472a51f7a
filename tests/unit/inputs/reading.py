"""What is read of a file of lines or rows: the items, their ids, and the lines that are bad."""

import io
from typing import Any

from hypothesis import strategies as st

from tailrace.definition.schemas import Schema
from tailrace.inputs.lines import BadLine, Format, Line, read_lines

TEXTS = Schema({"type": "object"})
names = st.text(st.characters(categories=["L"]), min_size=1, max_size=5).filter(lambda name: name != "id")


def read(body: bytes, form: Format = "csv", schema: Schema = TEXTS) -> list[Line | BadLine]:
    return list(read_lines(io.BytesIO(body), form, schema))


def ids(found: list[Line | BadLine]) -> list[str]:
    return [line.id for line in found if isinstance(line, Line)]


def bad_lines(found: list[Line | BadLine]) -> list[int]:
    return [line.number for line in found if isinstance(line, BadLine)]


def items(schema: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """Return the items of a CSV file by a schema."""
    return [line.item for line in read(text.encode(), schema=Schema(schema)) if isinstance(line, Line)]
