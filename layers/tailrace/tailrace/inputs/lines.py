"""Files of items: JSON Lines and CSV, a line at a time, whatever their size. A bad line is told and passed over."""

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal

from tailrace.definition.schemas import Schema
from tailrace.encoding.json_types import Item
from tailrace.encoding.numbers import parse_number
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage, Violation

MAX_LINE_BYTES = 1024 * 1024
"""No item that a table holds needs a longer line; what is longer is passed over without being kept in memory."""

type Format = Literal["jsonl", "csv"]

_SUFFIXES: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line that could be read; ``number`` counts from 1, ``size`` is its bytes in the file."""

    number: int
    size: int
    id: str
    item: Item
    expires_at: Any = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be read, and why.

    ``raw`` is the line as far as it was kept: text, or bytes where it is not UTF-8; ``size`` is how many bytes.
    """

    number: int
    size: int
    raw: Any
    violation: Violation


def detect_format(key: str) -> tuple[Format, bool]:
    """Return the format that a file's name stands for, and whether it is gzipped.

    Raises:
        InvalidMessage: the name has none of the known endings.
    """
    name = key.lower().removesuffix(".gz")
    for suffix, known in _SUFFIXES.items():
        if name.endswith(suffix):
            return known, key.lower().endswith(".gz")
    raise InvalidMessage(f"unknown kind of file: the name ends in none of {', '.join(_SUFFIXES)} (plain or .gz)")


def read_lines(stream: IO[bytes], file_format: Format, schema: Schema) -> Iterator[Line | BadLine]:
    """Yield the lines of a file (already unzipped), in order; blank lines are passed over.

    Raises:
        InvalidMessage: a CSV file has no usable header.
    """
    return _json_lines(stream, schema) if file_format == "jsonl" else _csv_rows(stream, schema)


def _raw_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number; None for one that is too long."""
    line_number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        line_number += 1
        too_long = len(line) > MAX_LINE_BYTES
        while line and not line.endswith(b"\n") and len(line) > MAX_LINE_BYTES:
            line = stream.readline(MAX_LINE_BYTES + 1)
        yield line_number, None if too_long else line


_TOO_LONG = Violation("", "line", f"the line is longer than {MAX_LINE_BYTES} bytes")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _json_lines(stream: IO[bytes], schema: Schema) -> Iterator[Line | BadLine]:
    for line_number, line in _raw_lines(stream):
        if line is None:
            yield BadLine(line_number, 0, None, _TOO_LONG)
            continue
        text = line.removeprefix(_BYTE_ORDER_MARK).strip()
        if not text:
            continue
        try:
            value = loads(text.decode())
        except (InvalidMessage, UnicodeDecodeError) as error:
            yield _bad_line(line_number, line, "json", str(error))
            continue
        if isinstance(value, dict):
            yield _parse_line(line_number, len(line), value, schema)
        else:
            yield _bad_line(line_number, line, "json", "a line holds a JSON object")


def _bad_line(line_number: int, line: bytes, keyword: str, message: str) -> BadLine:
    try:
        raw: str | bytes = line.decode().strip()
    except UnicodeDecodeError:
        raw = line
    return BadLine(line_number, len(line), raw, Violation("", keyword, message))


def _parse_line(line_number: int, size: int, fields: Item, schema: Schema) -> Line | BadLine:
    """Take the id and the expiry out of a line's fields."""
    item = dict(fields)
    item_id = item.get("id")
    if "id" not in schema.properties:
        item.pop("id", None)
    if isinstance(item_id, int) and not isinstance(item_id, bool):
        item_id = str(item_id)
    if not isinstance(item_id, str) or not item_id:
        violation = Violation("/id", "id", "the line has no id that is a text or a whole number")
        return BadLine(line_number, size, fields, violation)
    return Line(line_number, size, item_id, item, item.pop("expires_at", None))


def _csv_rows(stream: IO[bytes], schema: Schema) -> Iterator[Line | BadLine]:
    rows = _CsvReader(stream)
    header = _read_header(rows)
    while True:
        try:
            cells = rows.read()
        except StopIteration:
            return
        except (csv.Error, _RowTooLongError, UnicodeDecodeError) as error:
            yield rows.bad_line(error)
            continue
        line_number, text = rows.row_lines[0][0], b"".join(line or b"" for _, line in rows.row_lines)
        if len(cells) == len(header):
            fields = {name: _coerce(name, cell, schema) for name, cell in zip(header, cells, strict=True) if cell}
            yield _parse_line(line_number, len(text), fields, schema)
        elif cells:
            yield _bad_line(line_number, text, "csv", f"the row has {len(cells)} cells, the header {len(header)}")


def _read_header(rows: "_CsvReader") -> list[str]:
    try:
        header = rows.read()
    except StopIteration:
        raise InvalidMessage("the CSV file has no header") from None
    except (csv.Error, _RowTooLongError, UnicodeDecodeError) as error:
        raise InvalidMessage(f"the CSV file has no readable header: {error}") from error
    if "id" not in header or len(set(header)) != len(header) or "" in header:
        raise InvalidMessage("the CSV header must name every column once, one of them 'id'")
    return header


class _RowTooLongError(Exception):
    """A row, or a single line of one, that goes on for longer than any row may."""


class _CsvReader:
    """The rows of a CSV file, one after the other; a quoted cell may hold line ends.

    ``row_lines`` are the lines of the row that was read last, each with its number, None for one too long. A quote that
    is never closed would swallow the rows after it, up to the end of the file: a row that breaks off gives back all its
    lines but the first, and each of them is then read as the beginning of a row of its own.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._lines = _raw_lines(stream)
        self._pushed_back: deque[tuple[int, bytes | None]] = deque()
        self.row_lines: list[tuple[int, bytes | None]] = []
        # a cell is never longer than its row; the module's own limit is lower, and for the whole process
        csv.field_size_limit(MAX_LINE_BYTES)

    def read(self) -> list[str]:
        """Return the cells of the next row, none for an empty line.

        Raises:
            StopIteration: there are no more rows.
            csv.Error, _RowTooLongError, UnicodeDecodeError: the row is broken; :meth:`bad_line` tells of it.
        """
        self.row_lines = []
        return next(csv.reader(self._decoded_lines(), strict=True))

    def bad_line(self, error: Exception) -> BadLine:
        """Return what there is to tell of the row that could not be read, and give back the lines after its first."""
        (line_number, line), *following = self.row_lines
        self._pushed_back.extendleft(reversed(following))
        if line is None:
            return BadLine(line_number, 0, None, _TOO_LONG)
        return _bad_line(line_number, line, "csv", f"the row cannot be read: {error}")

    def _decoded_lines(self) -> Iterator[str]:
        size = 0
        while True:
            line_number, line = self._pushed_back.popleft() if self._pushed_back else next(self._lines, (0, None))
            if not line_number:
                return
            self.row_lines.append((line_number, line))
            if line is None:
                raise _RowTooLongError(f"a line is longer than {MAX_LINE_BYTES} bytes")
            size += len(line)
            if size > MAX_LINE_BYTES:
                raise _RowTooLongError(f"a quote is not closed within {MAX_LINE_BYTES} bytes")
            yield (line.removeprefix(_BYTE_ORDER_MARK) if line_number == 1 else line).decode()


# JSON's numbers, and the few ways in which spreadsheets write them otherwise.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def _coerce(name: str, text: str, schema: Schema) -> Any:
    """Return a cell as the schema's type for it says; as text where it cannot be that, for the schema to refuse."""
    if name == "expires_at":
        types = {"integer"}
    else:
        types = {"string"} if name == "id" and "id" not in schema.properties else _types(schema, name)
    if "string" in types or not types:
        return text
    if types & {"number", "integer"} and _NUMBER.fullmatch(text.strip()):
        try:
            return parse_number(text.strip())
        except InvalidMessage:  # an exponent beyond all numbers
            return text
    if "boolean" in types and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    if types & {"array", "object"}:
        try:
            return loads(text)
        except InvalidMessage:
            return text
    return text


def _types(schema: Schema, name: str) -> set[str]:
    subschema: Any = schema.properties.get(name, {})
    for _ in range(8):  # a chain of references longer than this is a mistake of the schema, not of the file
        if not isinstance(subschema, Mapping) or not str(subschema.get("$ref", "")).startswith("#/"):
            break
        subschema = _resolve(schema.document, subschema["$ref"])
    declared = subschema.get("type", []) if isinstance(subschema, Mapping) else []
    return {declared} if isinstance(declared, str) else set(declared)


def _resolve(document: Mapping[str, Any], reference: str) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(node, Mapping) else {}
    return node
