"""CSV files as rows of cells, whatever separates the cells; a row that cannot be parsed affects no other."""

import csv
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain, takewhile

from msgspec import Struct

from tailrace.encoding.text import decode_utf8
from tailrace.errors import InvalidMessage
from tailrace.inputs.raw_lines import MAX_LINE_BYTES, Bookmark, LineStream, Numbered, raw_lines

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'("?)sep=([^"\r\n])\1\r?\n?', re.IGNORECASE)


class UnreadableRow(Exception):
    """A row, or a single line of it, exceeds the maximum length or is not UTF-8."""


UNREADABLE_ROW = (csv.Error, UnreadableRow)
"""What :meth:`CsvReader.read` raises for a row that cannot be parsed."""


class _TooLong(UnreadableRow):
    """A quote is not closed in time; a row that begins later has more time."""


class _OpenLines(Struct):
    """What is known of rows that a line before ``last`` begins and leaves open, after such a row has failed.

    The lines that follow up to there leave the row open as well. The ``error`` occurs in ``last``, or because the file
    ends there.
    """

    last: int
    error: Exception


class CsvReader:
    """Reads a CSV file row by row; quoted cells may contain line breaks.

    The separator is the one of ``,``, ``;``, tab and ``|`` by which the first row names the most known columns, or
    else the most columns; or the one that a first line ``sep=…`` names, which spreadsheets write.

    ``row_lines`` are the numbered lines of the last row, with None in place of a line that is too long. An unclosed
    quote would swallow all rows after it. So when a row fails, :meth:`skip_row` pushes back all its lines except the
    first, and each is then read as the start of a row of its own. If it leaves a quote open too, it meets the same
    error, so the lines that follow are not parsed again: in a damaged file, that would be a megabyte for each line.
    """

    def __init__(self, stream: LineStream, known_columns: AbstractSet[str]) -> None:
        self.known_columns = known_columns
        self._stream = stream
        self._lines = raw_lines(stream, has_quoted_cells=True)
        self._pushed_back: deque[Numbered] = deque()
        self._open_lines: _OpenLines | None = None
        self.row_lines: list[Numbered] = []
        # a cell is never longer than its row; the csv module's default limit is lower. The setting is process-wide:
        # never lower what other code may rely on
        csv.field_size_limit(max(MAX_LINE_BYTES, csv.field_size_limit()))
        self._separator = self._find_separator()

    def read(self) -> list[str]:
        """Return the cells of the next row; none for a blank line.

        Raises:
            StopIteration: there are no more rows.
            csv.Error, UnreadableRow: the row cannot be parsed; call :meth:`skip_row`.
            InvalidMessage: the rest of the file cannot be read.
        """
        self.row_lines = []
        try:
            return self._parse(self._decoded_lines())
        except UNREADABLE_ROW as error:
            if len(self.row_lines) > 1:
                self._open_lines = _OpenLines(self.row_lines[-1][0], error)
            raise

    def _parse(self, lines: Iterator[str]) -> list[str]:
        return next(csv.reader(lines, delimiter=self._separator, strict=True))

    def go_to(self, bookmark: Bookmark) -> None:
        """Continue with the row that follows a bookmark."""
        self._pushed_back.clear()
        self._open_lines = None
        self._lines = raw_lines(self._stream, bookmark, has_quoted_cells=True)

    def skip_row(self) -> Numbered:
        """Push back the lines of a row that could not be parsed, except the first, which is returned."""
        first, *following = self.row_lines
        self._pushed_back.extendleft(reversed(following))
        return first

    def _find_separator(self) -> str:
        first = next(self._lines, None)
        if first is None:
            return _SEPARATORS[0]
        named = _SEPARATOR_LINE.fullmatch(_shown(first))
        if named is not None:
            return named[2]
        self._pushed_back.append(first)

        def merit(separator: str) -> tuple[int, int]:
            try:
                names = next(csv.reader(self._first_lines(), delimiter=separator, strict=True), [])
            except csv.Error:  # by this separator, a name begins with a quote that is never closed
                return 0, 0
            return len(self.known_columns & {*names, *map(str.strip, names)}), len(names)

        return max(_SEPARATORS, key=merit)

    def _first_lines(self) -> Iterator[str]:
        """Yield the first lines, and push them back: a quoted name may have several, as long as a row may be."""
        size = 0
        for numbered in chain(tuple(self._pushed_back), self._further_lines()):
            size += len(numbered[1] or b"")
            if size > MAX_LINE_BYTES:
                return
            yield _shown(numbered)

    def _further_lines(self) -> Iterator[Numbered]:
        for numbered in self._lines:
            self._pushed_back.append(numbered)
            yield numbered

    def _decoded_lines(self) -> Iterator[str]:
        size = 0
        while True:
            numbered = self._pushed_back.popleft() if self._pushed_back else next(self._lines, None)
            if numbered is None:
                return
            self.row_lines.append(numbered)
            size += len(numbered[1] or b"")
            begins_row = len(self.row_lines) == 1
            yield _in_row(numbered, size, begins_row=begins_row)
            if begins_row:  # and leaves it open, or no further line would be asked for
                self._check_open_lines(numbered[0], numbered[2] - size)

    def _check_open_lines(self, first: int, start: int) -> None:
        """Raise the error that an open row will meet, if it is known, by the number and offset of its first line."""
        known = self._open_lines
        if known is None or first >= known.last:
            return
        if isinstance(known.error, _TooLong):  # this row begins later, so it may have more lines
            try:
                self._parse(self._rest_of_row(known, start))
            except UNREADABLE_ROW as error:
                known.error = error
            else:
                self._open_lines = None
                return
        raise known.error.with_traceback(None)

    def _rest_of_row(self, known: _OpenLines, start: int) -> Iterator[str]:
        """Yield the lines of an open row from the last known one on, after a quote that stands for those before."""
        after = list(takewhile(lambda numbered: numbered[0] >= known.last, reversed(self._pushed_back)))
        before = '"'
        for numbered in chain(reversed(after), self._further_lines()):
            known.last, _, end = numbered
            yield before + _in_row(numbered, end - start, begins_row=False)
            before = ""


def _in_row(numbered: Numbered, size: int, *, begins_row: bool) -> str:
    """Return the text of a line in a row that has so many bytes up to its end."""
    _, line, _ = numbered
    if line is None:
        raise UnreadableRow(f"a line is longer than {MAX_LINE_BYTES} bytes")
    if size > MAX_LINE_BYTES:
        raise _TooLong(f"a quote is not closed within {MAX_LINE_BYTES} bytes")
    return _decoded(line, begins_row=begins_row)


def _decoded(line: bytes, *, begins_row: bool) -> str:
    try:
        # joined files have marks in the middle, and tools that add one do not check whether there is one
        return decode_utf8(_without_marks(line)) if begins_row else line.decode()
    except UnicodeDecodeError:
        return _decoded(line, begins_row=True)  # for the reason
    except InvalidMessage as error:
        raise UnreadableRow(str(error)) from error


def _shown(numbered: Numbered) -> str:
    """Return a line as text, whatever is wrong with it."""
    return _without_marks(numbered[1] or b"").decode(errors="replace")


def _without_marks(line: bytes) -> bytes:
    while line.startswith(_BYTE_ORDER_MARK):
        line = line.removeprefix(_BYTE_ORDER_MARK)
    return line


def read_header(rows: CsvReader, missing_id: Callable[[AbstractSet[str]], str | None]) -> list[str]:
    """Return the names of the columns, without spaces around them and without nameless columns at the end.

    ``missing_id`` returns why columns of these names make no id, None if they do.

    Raises:
        InvalidMessage: the header cannot be used; the message says what to do.
    """
    try:
        header = rows.read()
    except StopIteration:
        raise InvalidMessage("CSV header: the file is empty") from None
    except UNREADABLE_ROW as error:
        raise InvalidMessage(f"CSV header: cannot be parsed: {error}") from error
    header = [name if name in rows.known_columns else name.strip() for name in header]
    while header and not header[-1]:
        header.pop()
    if not header:
        raise InvalidMessage("CSV header: the first line is blank: it must name the columns")
    if "" in header:
        raise InvalidMessage(f"CSV header: column {header.index('') + 1} has no name: name it, or remove it")
    times = Counter(header)
    twice = next((name for name in header if times[name] > 1), None)
    if twice is not None:
        raise InvalidMessage(f"CSV header: the column {twice[:60]!r} occurs twice: rename or remove one")
    problem = missing_id(frozenset(header))
    if problem is not None:
        raise InvalidMessage(f"CSV header: {problem}; found {','.join(header)[:200]!r}")
    return header


def fit_row(cells: list[str], header: list[str]) -> list[str] | None:
    """Return a row's cells, one for each column; none if all are blank, None if the row has another number of cells."""
    if not any(cells) or not any(map(str.strip, cells)):
        return []
    if len(cells) == len(header):
        return cells
    while len(cells) > len(header) and not cells[-1]:
        cells.pop()
    return cells if len(cells) == len(header) else None
