"""Serialization of rows as JSON, JSON Lines or CSV (RFC 4180), with every digit kept."""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from tailrace.definition.aggregate import Aggregate
from tailrace.definition.row_attributes import UPDATED_AT
from tailrace.encoding.json_types import Row
from tailrace.encoding.tagged_json import dumps
from tailrace.queries.intervals import label_name

JSON, JSON_LINES, CSV = "application/json", "application/x-ndjson", "text/csv"
EXACT_CSV = f"{CSV}; cells=exact"
"""CSV for programs: in plain CSV, a text that a spreadsheet would calculate begins with an apostrophe."""

ROW_MEDIA_TYPES = (JSON, JSON_LINES, CSV, EXACT_CSV)
"""The media types of rows; the first is the default."""

_FORMULA_SIGNS = frozenset("=+-@\N{MINUS SIGN}")
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are not visible."""

_LINE_AND_TAB = frozenset("\t\r\n")
_SEPARATORS = re.compile(r"(?<=[;\t\r\n])")


class RowFormat(Struct, frozen=True):
    """How rows are serialized: a header, a function for one row, and a separator between rows."""

    content_type: str
    header: str
    separator: str
    write: Callable[[Row], str]

    def join(self, rows: Sequence[str]) -> str:
        """Join serialized rows into one text."""
        return self.header + self.separator.join(rows)


def row_format_for(media_type: str, aggregate: Aggregate, interval: str | None = None) -> RowFormat:
    """Return the format of an aggregate's rows, rolled up to an interval, for one of :data:`ROW_MEDIA_TYPES`."""
    if media_type in (CSV, EXACT_CSV):
        label = label_name(aggregate, interval)
        names = [label if group is aggregate.bucket else group.name for group in aggregate.by]
        columns = [*(name for name in names if name is not None), *aggregate.measures, UPDATED_AT, "inexact"]
        text_of, json_of = (str, dumps) if media_type == EXACT_CSV else (_inert, _inert_json)
        return RowFormat(
            f"{CSV}; charset=utf-8; header=present{media_type.removeprefix(CSV)}",
            _line([text_of(column) for column in columns]),
            "",
            lambda row: _line([_cell(row.get(column), text_of, json_of) for column in columns]),
        )
    if media_type == JSON_LINES:
        return RowFormat(JSON_LINES, "", "", lambda row: f"{dumps(row)}\n")
    return RowFormat(JSON, "", ",", dumps)


def _cell(value: Any, text_of: Callable[[str], str], json_of: Callable[[Any], str]) -> str:
    """Return the text of a cell: empty for None, numbers with every digit, JSON for lists and objects."""
    if value is None:
        return ""
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, Decimal):
        return dumps(value)
    return str(value).lower() if isinstance(value, bool | int) else json_of(value)


def _inert(text: str) -> str:
    """Return a text that no spreadsheet calculates: with an apostrophe before what could begin a formula.

    Spreadsheets also accept other characters as ``=``, ``+``, ``-`` and ``@``, such as full-width ones, and may skip
    what is not visible before them: https://owasp.org/www-community/attacks/CSV_Injection. Where a ``;`` or a tab
    separates cells, quotation marks in the middle of a cell mean nothing, so a text is cut at separators and line ends.
    """
    if text.isalnum() and text[0] not in _FILLERS:
        return text
    first, *others = _SEPARATORS.split(text)
    parts = [first, *(f"'{part}" if _begins_formula(part, _FILLERS | {'"'}) else part for part in others)]
    inert = "".join(parts)
    return f"'{inert}" if text[:1] in _LINE_AND_TAB or _begins_formula(text, _FILLERS) else inert


def _inert_json(value: Any) -> str:
    """Return JSON no part of which a spreadsheet calculates: equal JSON, with a character after a separator escaped."""
    first, *others = _SEPARATORS.split(dumps(value))
    return first + "".join(_escaped(part) if _begins_formula(part, _FILLERS) else part for part in others)


def _escaped(part: str) -> str:
    """Return a part of a JSON string with its first visible character escaped."""
    position = next(place for place, sign in enumerate(part) if _is_visible(sign, _FILLERS))
    return f"{part[:position]}\\u{ord(part[position]):04x}{part[position + 1 :]}"


def _begins_formula(text: str, skipped: frozenset[str]) -> bool:
    first = next((sign for sign in text if _is_visible(sign, skipped)), "")
    return unicodedata.normalize("NFKC", first) in _FORMULA_SIGNS


def _is_visible(sign: str, skipped: frozenset[str]) -> bool:
    return sign not in skipped and unicodedata.category(sign)[0] not in "CMZ"


def _line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
