"""Files of items: JSON Lines, CSV and JSON of any size, read item by item. A bad line is reported and skipped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Literal

from tailrace.definition.schemas import Schema
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage, Violation
from tailrace.inputs.cells import Columns, item_of
from tailrace.inputs.csv_rows import UNREADABLE_ROW, CsvReader, fit_row, read_header
from tailrace.inputs.ids import given_id, made_id, missing_columns
from tailrace.inputs.json_values import json_values
from tailrace.inputs.raw_lines import MAX_LINE_BYTES, raw_lines

type Format = Literal["jsonl", "csv", "json"]

_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A parsed line; ``number`` counts from 1 (in a JSON file the items), ``size`` is in bytes."""

    number: int
    size: int
    id: str
    item: Item
    expires_at: Any = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be parsed, and why.

    ``raw`` is the line as far as it was retained: text, or bytes if it is not UTF-8; ``size`` is in bytes.
    """

    number: int
    size: int
    raw: Any
    violation: Violation


def detect_format(key: str) -> tuple[Format, bool]:
    """Return a file's format, by the extension of its name, and whether it is gzipped.

    Raises:
        InvalidMessage: the extension is unknown.
    """
    name = key.lower().removesuffix(".gz")
    for suffix, known in _SUFFIXES.items():
        if name.endswith(suffix):
            return known, key.lower().endswith(".gz")
    raise InvalidMessage(f"unknown file type: the name must end in one of {', '.join(_SUFFIXES)}, optionally with .gz")


def read_lines(
    stream: IO[bytes], file_format: Format, schema: Schema, id_columns: Sequence[str] = ()
) -> Iterator[Line | BadLine]:
    """Yield the lines of a (decompressed) file in order, skipping blank ones.

    ``id_columns`` make the id of a line without one; see :func:`tailrace.inputs.ids.made_id`.

    Raises:
        InvalidMessage: the header of a CSV file is missing or invalid, or the file does not consist of lines.
    """
    if file_format == "csv":
        return _csv_rows(stream, schema, id_columns)
    numbered = enumerate(json_values(stream), 1) if file_format == "json" else raw_lines(stream)
    return _json_lines(numbered, schema, id_columns)


_TOO_LONG = Violation("", "line", f"the line is longer than {MAX_LINE_BYTES} bytes")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _json_lines(
    lines: Iterator[tuple[int, bytes | None]], schema: Schema, id_columns: Sequence[str]
) -> Iterator[Line | BadLine]:
    for line_number, line in lines:
        if line is None:
            yield BadLine(line_number, 0, None, _TOO_LONG)
            continue
        text = line.removeprefix(_BYTE_ORDER_MARK).strip()
        if not text and line:
            continue
        try:
            value = loads(text)
        except InvalidMessage as error:
            yield _bad_line(line_number, line, "json", str(error))
            continue
        if isinstance(value, dict):
            yield _parse_line(line_number, len(line), value, schema, id_columns)
        else:
            yield _bad_line(line_number, line, "json", "the line is not a JSON object")


def _bad_line(line_number: int, line: bytes, keyword: str, message: str) -> BadLine:
    try:
        raw: str | bytes = line.decode().strip()
    except UnicodeDecodeError:
        raw = line
    return BadLine(line_number, len(line), raw, Violation("", keyword, message))


def _parse_line(line_number: int, size: int, fields: Item, schema: Schema, id_columns: Sequence[str]) -> Line | BadLine:
    """Separate a line's id and expiry from the item."""
    item = item_of(fields, schema)
    try:
        item_id = given_id(fields.get("id")) or made_id(item, id_columns)
    except InvalidMessage as error:
        return BadLine(line_number, size, fields, Violation("/id", "id", str(error)))
    return Line(line_number, size, item_id, item, fields.get("expires_at"))


def _csv_rows(stream: IO[bytes], schema: Schema, id_columns: Sequence[str]) -> Iterator[Line | BadLine]:
    rows = CsvReader(stream, {"id", "expires_at", *schema.properties, *id_columns})
    header = read_header(rows, partial(missing_columns, columns=id_columns))
    columns = Columns(header, schema)
    while True:
        try:
            found = rows.read()
        except StopIteration:
            return
        except UNREADABLE_ROW as error:
            yield _unreadable_row(*rows.skip_row(), error)
            continue
        cells = fit_row(found, header)
        line_number, text = rows.row_lines[0][0], b"".join(line or b"" for _, line in rows.row_lines)
        if cells:
            yield _parse_line(line_number, len(text), columns.fields(cells), schema, id_columns)
        elif cells is None:
            yield _bad_line(line_number, text, "csv", f"the row has {len(found)} cells; the header has {len(header)}")


def _unreadable_row(line_number: int, line: bytes | None, error: Exception) -> BadLine:
    if line is None:
        return BadLine(line_number, 0, None, _TOO_LONG)
    return _bad_line(line_number, line, "csv", f"the row cannot be parsed: {error}")
