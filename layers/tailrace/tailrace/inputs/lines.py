"""Files of items: JSON Lines, CSV and JSON of any size, read item by item. A bad line is reported and skipped."""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import IO, Any, Literal

from msgspec import Struct

from tailrace.definition.item_keys import CollectionKey
from tailrace.definition.schemas import Schema
from tailrace.encoding.json_types import Item
from tailrace.encoding.tagged_json import loads_foreign
from tailrace.errors import InvalidItem, InvalidMessage, Violation
from tailrace.inputs.cells import Columns, LineFields
from tailrace.inputs.csv_rows import UNREADABLE_ROW, CsvReader, UnreadableRow, fit_row, read_header
from tailrace.inputs.ids import given_id, made_id, missing_columns
from tailrace.inputs.json_values import json_values
from tailrace.inputs.raw_lines import MAX_LINE_BYTES, Bookmark, Numbered, raw_lines

type Format = Literal["jsonl", "csv", "json"]

_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
}


_OTHER_KINDS = {
    ".zip": "a ZIP archive",
    ".7z": "a 7z archive",
    ".tar": "an archive",
    ".tgz": "an archive",
    ".bz2": "compressed with bzip2",
    ".xz": "compressed with xz",
    ".zst": "compressed with zstd",
    ".lz4": "compressed with LZ4",
    ".br": "compressed with Brotli",
    ".snappy": "compressed with Snappy",
    ".xls": "a spreadsheet workbook",
    ".xlsx": "a spreadsheet workbook",
    ".ods": "a spreadsheet workbook",
    ".parquet": "Parquet",
    ".avro": "Avro",
    ".orc": "ORC",
    ".xml": "XML",
    ".yaml": "YAML",
}


class Line(Struct, frozen=True):
    """A parsed line; ``number`` counts from 1 (in a JSON file the items), ``size`` is in bytes."""

    number: int
    size: int
    id: str
    item: Item
    expires_at: Any = None


class BadLine(Struct, frozen=True):
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
    kind = next((kind for suffix, kind in _OTHER_KINDS.items() if name.endswith(suffix)), None)
    reason = "unknown file type" if kind is None else f"judging by its name, the file is {kind}, which cannot be loaded"
    raise InvalidMessage(f"{reason}: the name must end in one of {', '.join(_SUFFIXES)}, optionally with .gz")


def read_lines(
    stream: IO[bytes],
    file_format: Format,
    schema: Schema,
    id_columns: Sequence[str] = (),
    *,
    keys: CollectionKey | None = None,
) -> Iterator[Line | BadLine]:
    """Yield the lines of a (decompressed) file in order, skipping blank ones; see :class:`LineReader`."""
    return iter(LineReader(stream, file_format, schema, id_columns, keys=keys))


_QUOTING = "; a cell with a quote or a line break is written in quotes, and each quote in it twice"
_TOO_LONG = Violation("", "line", f"the line is longer than {MAX_LINE_BYTES} bytes")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BEGINNING_OF_JSON = re.compile(rb"\[\s*(\{.*)?|\{", re.DOTALL)


class LineReader:
    """Reads the lines of a (decompressed) file in order, skipping blank ones.

    ``id_columns`` make the id of a line without one; see :func:`tailrace.inputs.ids.made_id`. ``keys`` are those of the
    collection, if they may not be plain. ``bookmark`` is the place
    after the last line that was read; a reader of the same content that starts there reads exactly the others, with
    their numbers in the file.

    Iterating raises:
        InvalidMessage: the header of a CSV file is missing or invalid, or the file does not consist of lines.
    """

    def __init__(  # noqa: PLR0913 - a stream, what its lines are, and where to start
        self,
        stream: IO[bytes],
        file_format: Format,
        schema: Schema,
        id_columns: Sequence[str] = (),
        start: Bookmark = Bookmark(),  # noqa: B008 - immutable
        *,
        keys: CollectionKey | None = None,
    ) -> None:
        self._stream = stream
        self._format = file_format
        self._fields = LineFields.of(schema, keys)
        self._id_columns = id_columns
        self._start = start
        self._offset, self._number = start

    @property
    def bookmark(self) -> Bookmark:
        """The place after the last line that was read."""
        return Bookmark(self._offset, self._number)

    @property
    def expiry(self) -> str:
        """The name under which a line gives the item's expiry."""
        return self._fields.expiry

    def __iter__(self) -> Iterator[Line | BadLine]:
        """Yield the lines."""
        match self._format:
            case "csv":
                return self._csv_rows()
            case "json":
                return self._json_lines(json_values(self._stream, self._start))
            case "jsonl":
                lines = raw_lines(self._stream, self._start)
                return self._json_lines(lines if self._start.offset else _on_lines(lines))

    def _json_lines(self, lines: Iterator[Numbered]) -> Iterator[Line | BadLine]:
        for line_number, line, end in lines:
            self._offset, self._number = end, line_number
            if line is None:
                yield BadLine(line_number, 0, None, _TOO_LONG)
                continue
            text = line.removeprefix(_BYTE_ORDER_MARK).strip()
            if not text and line:
                continue
            try:
                value = loads_foreign(text)
            except InvalidMessage as error:
                yield _bad_line(line_number, line, "json", str(error))
                continue
            if isinstance(value, dict):
                yield _parse_line(line_number, len(line), value, self._fields, self._id_columns)
            else:
                yield _bad_line(line_number, line, "json", "the line is not a JSON object")

    def _csv_rows(self) -> Iterator[Line | BadLine]:
        rows = CsvReader(self._stream, {"id", self._fields.expiry, *self._fields.schema.properties, *self._id_columns})
        header = read_header(rows, partial(missing_columns, columns=self._id_columns))
        columns = Columns(header, self._fields)
        if self._start.offset:
            rows.go_to(self._start)
        while True:
            try:
                found = rows.read()
            except StopIteration:
                return
            except UNREADABLE_ROW as error:
                self._number, line, self._offset = rows.skip_row()
                yield _unreadable_row(self._number, line, error)
                continue
            cells = fit_row(found, header)
            line_number, text = rows.row_lines[0][0], b"".join(line or b"" for _, line, _ in rows.row_lines)
            self._number, _, self._offset = rows.row_lines[-1]
            if cells:
                yield self._csv_line(line_number, len(text), columns, cells)
            elif cells is None:
                yield _bad_line(
                    line_number, text, "csv", f"cells in the row: {len(found)}; columns in the header: {len(header)}"
                )

    def _csv_line(self, line_number: int, size: int, columns: Columns, cells: list[str]) -> Line | BadLine:
        try:
            fields = columns.fields(cells)
        except InvalidItem as error:
            return BadLine(line_number, size, columns.as_texts(cells), error.violations[0])
        return _parse_line(line_number, size, fields, self._fields, self._id_columns)


def _on_lines(lines: Iterator[Numbered]) -> Iterator[Numbered]:
    """Yield the lines of a file.

    Raises:
        InvalidMessage: the file is an array, or objects on several lines. One such line before objects is a bad line.
    """
    for first in lines:
        text = _text(first)
        second = None
        if _BEGINNING_OF_JSON.fullmatch(text):
            second = next((one for one in lines if one[1] is None or _text(one)), None)
            if not text.endswith((b"]", b"{")) or second is None or not _text(second).startswith(b"{"):
                raise InvalidMessage("the file is JSON, but not one object per line: give it a name that ends in .json")
        yield first
        if second is not None:
            yield second
        if text or first[1] is None:
            yield from lines


def _text(line: Numbered) -> bytes:
    return (line[1] or b"").removeprefix(_BYTE_ORDER_MARK).strip()


def _bad_line(line_number: int, line: bytes, keyword: str, message: str) -> BadLine:
    try:
        raw: str | bytes = line.decode().strip()
    except UnicodeDecodeError:
        raw = line
    return BadLine(line_number, len(line), raw, Violation("", keyword, message))


def _parse_line(
    line_number: int, size: int, given: Item, fields: LineFields, id_columns: Sequence[str]
) -> Line | BadLine:
    """Separate a line's id and expiry from the item."""
    item = fields.item(given)
    try:
        item_id = None if "id" in id_columns else given_id(given.get("id"))
        item_id = item_id or made_id(item, id_columns)
    except InvalidMessage as error:
        return BadLine(line_number, size, given, Violation("/id", "id", str(error)))
    return Line(line_number, size, item_id, item, given.get(fields.expiry))


def _unreadable_row(line_number: int, line: bytes | None, error: Exception) -> BadLine:
    if line is None:
        return BadLine(line_number, 0, None, _TOO_LONG)
    advice = "" if isinstance(error, UnreadableRow) else _QUOTING
    return _bad_line(line_number, line, "csv", f"the row cannot be parsed: {error}{advice}")
