"""Files of items: JSON Lines and CSV of any size, read line by line. A bad line is reported and skipped."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Literal

from tailrace.definition.schemas import Schema
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import loads
from tailrace.errors import InvalidMessage, Violation
from tailrace.inputs.cells import Columns, item_of

MAX_LINE_BYTES = 1024 * 1024
"""More than any item needs; a longer line is skipped without being held in memory."""

type Format = Literal["jsonl", "csv"]

_SUFFIXES: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


@dataclass(frozen=True, slots=True)
class Line:
    """A parsed line; ``number`` counts from 1, ``size`` is in bytes."""

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


def read_lines(stream: IO[bytes], file_format: Format, schema: Schema) -> Iterator[Line | BadLine]:
    """Yield the lines of a (decompressed) file in order, skipping blank ones.

    Raises:
        InvalidMessage: the header of a CSV file is missing or invalid.
    """
    return _json_lines(stream, schema) if file_format == "jsonl" else _csv_rows(stream, schema)


def _raw_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number; None in place of a line that is too long."""
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
            yield _bad_line(line_number, line, "json", "the line is not a JSON object")


def _bad_line(line_number: int, line: bytes, keyword: str, message: str) -> BadLine:
    try:
        raw: str | bytes = line.decode().strip()
    except UnicodeDecodeError:
        raw = line
    return BadLine(line_number, len(line), raw, Violation("", keyword, message))


def _parse_line(line_number: int, size: int, fields: Item, schema: Schema) -> Line | BadLine:
    """Separate a line's id and expiry from the item."""
    item_id = fields.get("id")
    if isinstance(item_id, int) and not isinstance(item_id, bool):
        item_id = str(item_id)
    if not isinstance(item_id, str) or not item_id:
        violation = Violation("/id", "id", "id must be a non-empty string or an integer")
        return BadLine(line_number, size, fields, violation)
    return Line(line_number, size, item_id, item_of(fields, schema), fields.get("expires_at"))


def _csv_rows(stream: IO[bytes], schema: Schema) -> Iterator[Line | BadLine]:
    rows = _CsvReader(stream)
    header = _read_header(rows)
    columns = Columns(header, schema)
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
            yield _parse_line(line_number, len(text), columns.fields(cells), schema)
        elif cells:
            yield _bad_line(line_number, text, "csv", f"the row has {len(cells)} cells; the header has {len(header)}")


def _read_header(rows: "_CsvReader") -> list[str]:
    try:
        header = rows.read()
    except StopIteration:
        raise InvalidMessage("CSV header: the file is empty") from None
    except (csv.Error, _RowTooLongError, UnicodeDecodeError) as error:
        raise InvalidMessage(f"CSV header: cannot be parsed: {error}") from error
    if "id" not in header or len(set(header)) != len(header) or "" in header:
        found = ",".join(header)
        hint = " (wrong separator?)" if len(header) == 1 else ""
        raise InvalidMessage(f"CSV header: expected unique column names including 'id'; found {found[:200]!r}{hint}")
    return header


class _RowTooLongError(Exception):
    """A row, or a single line of it, exceeds the maximum length."""


class _CsvReader:
    """Reads a CSV file row by row; quoted cells may contain line breaks.

    ``row_lines`` are the numbered lines of the last row, with None in place of a line that is too long. An unclosed
    quote would swallow all rows after it. So when a row fails, :meth:`bad_line` pushes back all its lines but the
    first, and each is then read as the start of a row of its own.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._lines = _raw_lines(stream)
        self._pushed_back: deque[tuple[int, bytes | None]] = deque()
        self.row_lines: list[tuple[int, bytes | None]] = []
        # a cell is never longer than its row; the csv module's default limit is lower (the setting is process-wide)
        csv.field_size_limit(MAX_LINE_BYTES)

    def read(self) -> list[str]:
        """Return the cells of the next row; none for a blank line.

        Raises:
            StopIteration: there are no more rows.
            csv.Error, _RowTooLongError, UnicodeDecodeError: the row cannot be parsed; call :meth:`bad_line`.
        """
        self.row_lines = []
        return next(csv.reader(self._decoded_lines(), strict=True))

    def bad_line(self, error: Exception) -> BadLine:
        """Report the row that could not be parsed, and push back its lines after the first."""
        (line_number, line), *following = self.row_lines
        self._pushed_back.extendleft(reversed(following))
        if line is None:
            return BadLine(line_number, 0, None, _TOO_LONG)
        return _bad_line(line_number, line, "csv", f"the row cannot be parsed: {error}")

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
