"""Serialization of rows as JSON, JSON Lines or CSV (RFC 4180), with every digit kept."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tailrace.definition.aggregate import UPDATED_AT, Aggregate
from tailrace.encoding.json_types import Row
from tailrace.encoding.tagged_json import dumps

JSON, JSON_LINES, CSV = "application/json", "application/x-ndjson", "text/csv"
ROW_MEDIA_TYPES = (JSON, JSON_LINES, CSV)
"""The media types of rows; the first is the default."""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How rows are serialized: a header, a function for one row, and a separator between rows."""

    content_type: str
    header: str
    separator: str
    write: Callable[[Row], str]

    def join(self, rows: Sequence[str]) -> str:
        """Join serialized rows into one text."""
        return self.header + self.separator.join(rows)


def row_format_for(media_type: str, aggregate: Aggregate) -> RowFormat:
    """Return the format of an aggregate's rows for one of :data:`ROW_MEDIA_TYPES`."""
    if media_type == CSV:
        columns = [*(group.name for group in aggregate.by), *aggregate.measures, UPDATED_AT, "inexact"]
        return RowFormat(
            f"{CSV}; charset=utf-8; header=present",
            _line(columns),
            "",
            lambda row: _line([_cell(row.get(column)) for column in columns]),
        )
    if media_type == JSON_LINES:
        return RowFormat(JSON_LINES, "", "", lambda row: f"{dumps(row)}\n")
    return RowFormat(JSON, "", ",", dumps)


def _cell(value: Any) -> str:
    """Return the text of a cell: empty for None, numbers with every digit, JSON for lists and objects."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal) or not isinstance(value, bool | int):
        return dumps(value)
    return str(value).lower()


def _line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
