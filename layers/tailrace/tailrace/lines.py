"""Files of items: JSON Lines and CSV, a line at a time, whatever their size. A bad line is told and passed over."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal

from tailrace.changes import Item
from tailrace.envelopes import loads
from tailrace.errors import InvalidMessage, Violation
from tailrace.schemas import Schema
from tailrace.values import number

MOST_LINE_BYTES = 1024 * 1024
"""No item that a table holds needs a longer line; what is longer is passed over without being kept in memory."""

type Format = Literal["jsonl", "csv"]

_SUFFIXES: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line that could be read; ``number`` counts from 1."""

    number: int
    id: str
    item: Item
    expires_at: Any = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be read, as far as it was kept, and why."""

    number: int
    raw: Any
    violation: Violation


def format_of(key: str) -> tuple[Format, bool]:
    """Return the format that a file's name stands for, and whether it is gzipped.

    Raises:
        InvalidMessage: the name has none of the known endings.
    """
    name = key.lower().removesuffix(".gz")
    for suffix, known in _SUFFIXES.items():
        if name.endswith(suffix):
            return known, key.lower().endswith(".gz")
    raise InvalidMessage(f"unknown kind of file: the name ends in none of {', '.join(_SUFFIXES)} (plain or .gz)")


def read_lines(stream: IO[bytes], form: Format, schema: Schema) -> Iterator[Line | BadLine]:
    """Yield the lines of a file (already unzipped), in order; blank lines are passed over.

    Raises:
        InvalidMessage: a CSV file has no usable header.
    """
    return _json_lines(stream, schema) if form == "jsonl" else _csv_rows(stream, schema)


def _raw_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number; None for one that is too long."""
    line_number = 0
    while line := stream.readline(MOST_LINE_BYTES + 1):
        line_number += 1
        too_long = len(line) > MOST_LINE_BYTES
        while line and not line.endswith(b"\n") and len(line) > MOST_LINE_BYTES:
            line = stream.readline(MOST_LINE_BYTES + 1)
        yield line_number, None if too_long else line


_TOO_LONG = Violation("", "line", f"the line is longer than {MOST_LINE_BYTES} bytes")


def _json_lines(stream: IO[bytes], schema: Schema) -> Iterator[Line | BadLine]:
    for line_number, line in _raw_lines(stream):
        if line is None:
            yield BadLine(line_number, None, _TOO_LONG)
            continue
        text = line.removeprefix(b"\xef\xbb\xbf").strip()
        if not text:
            continue
        try:
            value = loads(text)
        except InvalidMessage as error:
            yield BadLine(line_number, text, Violation("", "json", str(error)))
            continue
        if not isinstance(value, dict):
            yield BadLine(line_number, value, Violation("", "json", "a line holds a JSON object"))
            continue
        yield _line(line_number, value, schema)


def _line(line_number: int, fields: Item, schema: Schema) -> Line | BadLine:
    """Take the id and the expiry out of a line's fields."""
    item = dict(fields)
    item_id = item.get("id")
    if "id" not in schema.properties:
        item.pop("id", None)
    if isinstance(item_id, int) and not isinstance(item_id, bool):
        item_id = str(item_id)
    if not isinstance(item_id, str) or not item_id:
        return BadLine(line_number, fields, Violation("/id", "id", "the line has no id"))
    return Line(line_number, item_id, item, item.pop("expires_at", None))


def _csv_rows(stream: IO[bytes], schema: Schema) -> Iterator[Line | BadLine]:
    texts = _CsvTexts(stream)
    csv.field_size_limit(MOST_LINE_BYTES)
    rows = csv.reader(texts)
    try:
        header = next(rows)
    except StopIteration:
        raise InvalidMessage("the CSV file has no header") from None
    except csv.Error as error:
        raise InvalidMessage(f"the CSV file has no readable header: {error}") from error
    if "id" not in header or len(set(header)) != len(header) or "" in header:
        raise InvalidMessage("the CSV header must name every column once, one of them 'id'")
    while True:
        first = texts.number + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadLine(first, None, Violation("", "csv", str(error)))
            continue
        if texts.dropped:
            texts.dropped = False
            yield BadLine(first, None, _TOO_LONG)
        elif len(cells) != len(header):
            if cells:
                text = f"the row has {len(cells)} cells, the header {len(header)}"
                yield BadLine(first, cells, Violation("", "csv", text))
        else:
            present = {name: text for name, text in zip(header, cells, strict=True) if text != ""}
            yield _line(first, {name: _coerced(name, text, schema) for name, text in present.items()}, schema)


class _CsvTexts:
    """The lines of a CSV file as text, for csv.reader; remembers the line's number and whether one was dropped."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._lines = _raw_lines(stream)
        self.number = 0
        self.dropped = False

    def __iter__(self) -> "_CsvTexts":
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        if line is None:
            self.dropped = True
            return "\n"
        if self.number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        # bytes that are not UTF-8 become half characters, which the item's check then refuses by name
        return line.decode(errors="surrogateescape")


def _coerced(name: str, text: str, schema: Schema) -> Any:
    """Return a cell as the schema's type for it says; as text where it cannot be that, for the schema to refuse."""
    if name == "expires_at":
        types = {"integer"}
    else:
        types = {"string"} if name == "id" and "id" not in schema.properties else _types(schema, name)
    if "string" in types or not types:
        return text
    if types & {"number", "integer"}:
        try:
            return number(text.strip())
        except InvalidMessage:
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
    place: Any = document
    for part in reference.removeprefix("#/").split("/"):
        place = place.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(place, Mapping) else {}
    return place
