"""Files as lines of bytes: ends of any kind, memory for one line at most, and a bookmark after each of them."""

import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from tailrace.errors import InvalidMessage

MAX_LINE_BYTES = 1024 * 1024
"""More than any item needs; a longer line is skipped without being held in memory."""

MAX_SKIPPED_BYTES = 256 * 1024 * 1024
"""A file with a line longer than this is not read any further: it does not consist of lines."""

_LINE_END = re.compile(rb"\r\n|\r(?!\Z)|\n")
_CR = re.compile(rb"\r(?!\n)")
_QUOTED_OR_END = re.compile(rb'(?<![^,;\t|\r\n\xbf])"[^"]*(?:""[^"]*)*("|\Z)|\r(?!\n)|\n')
"""A quoted cell, which begins the row (perhaps after a byte order mark) or follows a separator; or the row's end."""


class Bookmark(NamedTuple):
    """A place between two lines of a file: the bytes and the lines (in a JSON file the items) before it."""

    offset: int = 0
    number: int = 0


type Numbered = tuple[int, bytes | None, int]
"""A line's number, from 1; its bytes, None if it is too long; and the offset of its end."""


class LineStream(Protocol):
    """What is read of a file."""

    def readline(self, limit: int, /) -> bytes:
        """Return bytes up to and including the next line feed, or as many as the limit allows."""

    def seek(self, offset: int, /) -> int:
        """Continue at an offset. Needed only for a file that is continued."""


def raw_lines(
    stream: LineStream,
    start: Bookmark = Bookmark(),  # noqa: B008 - immutable
    *,
    has_quoted_cells: bool = False,
) -> Iterator[Numbered]:
    """Yield the lines that follow a bookmark.

    Lines end with LF or CRLF; with CR alone as well if the first line of the file does. ``has_quoted_cells`` says that
    a CR between quotes ends no line, nor does an LF the first row, as in CSV. In JSON, texts hold no CR, but may hold
    quotes that come in no pairs.

    Raises:
        InvalidMessage: a line is longer than MAX_SKIPPED_BYTES.
    """
    if start.offset:
        stream.seek(0)
    ahead = _Ahead(stream)
    lines = _cr_lines if ahead.ends_first_row_with_cr(has_quoted_cells=has_quoted_cells) else _lf_lines
    if start.offset:
        stream.seek(start.offset)
        ahead = _Ahead(stream)
    yield from lines(ahead, ahead.readline(MAX_LINE_BYTES + 1), *start)


class _Ahead:
    """A file whose beginning is looked at before it is read."""

    def __init__(self, stream: LineStream) -> None:
        self._stream = stream
        self._pieces: deque[bytes] = deque()

    def readline(self, limit: int, /) -> bytes:
        """Return what :class:`LineStream` does."""
        return self._pieces.popleft() if self._pieces else self._stream.readline(limit)

    def ends_first_row_with_cr(self, *, has_quoted_cells: bool) -> bool:
        """Tell whether a CR alone ends the first line, or in a table the first row: its cells may have line feeds."""
        size = self._look(1)
        while True:
            text = b"".join(self._pieces)
            if not has_quoted_cells:
                return _CR.search(text) is not None
            found: re.Match[bytes] | None = None
            for found in _QUOTED_OR_END.finditer(text):
                if found[0] in {b"\r", b"\n"}:
                    return found[0] == b"\r"
            is_open = found is not None and not found[1]
            if not is_open or size > MAX_LINE_BYTES or (size := self._look(2 * size)) == len(text):
                return False

    def _look(self, size: int) -> int:
        """Look at a number of bytes and at what follows in the line; return how many there are."""
        known = sum(map(len, self._pieces))
        while known < size and (piece := self._stream.readline(MAX_LINE_BYTES + 1)):
            self._pieces.append(piece)
            known += len(piece)
        return known


def _lf_lines(stream: _Ahead, line: bytes, end: int, number: int) -> Iterator[Numbered]:
    while line:
        size = len(line)
        too_long = size > MAX_LINE_BYTES
        while line and not line.endswith(b"\n") and len(line) > MAX_LINE_BYTES:
            line = stream.readline(MAX_LINE_BYTES + 1)
            size += len(line)
            _check_skipped(size)
        number, end = number + 1, end + size
        yield number, None if too_long else line, end
        line = stream.readline(MAX_LINE_BYTES + 1)


def _cr_lines(stream: _Ahead, piece: bytes, end: int, number: int) -> Iterator[Numbered]:
    pending, skipped = b"", 0
    while piece:
        data, start = pending + piece, 0
        for found in _LINE_END.finditer(data):  # not a CR at the end, which may be half of a CRLF
            line = data[start : found.end()]
            number, end = number + 1, end + skipped + len(line)
            yield number, None if skipped or len(line) > MAX_LINE_BYTES else line, end
            skipped, start = 0, found.end()
        pending = data[start:]
        if len(pending) > MAX_LINE_BYTES:
            kept = b"\r" if pending.endswith(b"\r") else b""
            pending, skipped = kept, skipped + len(pending) - len(kept)
            _check_skipped(skipped)
        piece = stream.readline(MAX_LINE_BYTES + 1)
    if skipped or pending:
        yield number + 1, None if skipped else pending, end + skipped + len(pending)


def _check_skipped(size: int) -> None:
    if size > MAX_SKIPPED_BYTES:
        raise InvalidMessage(
            f"a line is longer than {MAX_SKIPPED_BYTES} bytes: the file must have one item on each line"
        )
