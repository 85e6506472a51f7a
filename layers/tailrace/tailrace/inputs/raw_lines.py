"""Files as lines of bytes: ends of any kind, and memory for one line at most."""

import re
from collections.abc import Iterator
from typing import Protocol

from tailrace.errors import InvalidMessage

MAX_LINE_BYTES = 1024 * 1024
"""More than any item needs; a longer line is skipped without being held in memory."""

MAX_SKIPPED_BYTES = 256 * 1024 * 1024
"""A file with a line longer than this is not read on: it does not consist of lines."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_QUOTED_OR_CR = re.compile(rb'"[^"]*"|\r(?!\n)')


class LineStream(Protocol):
    """What is read of a file."""

    def readline(self, limit: int, /) -> bytes:
        """Return bytes up to and including the next line feed, or as many as the limit allows."""


def raw_lines(stream: LineStream) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number, from 1; None in place of a line that is too long.

    Lines end with LF or CRLF; with CR alone as well if the first line does.

    Raises:
        InvalidMessage: a line is longer than MAX_SKIPPED_BYTES.
    """
    first = stream.readline(MAX_LINE_BYTES + 1)
    first_end = next((found for found in _QUOTED_OR_CR.finditer(first) if found[0] == b"\r"), None)
    yield from enumerate(_lf_lines(stream, first) if first_end is None else _cr_lines(stream, first), 1)


def _lf_lines(stream: LineStream, line: bytes) -> Iterator[bytes | None]:
    while line:
        too_long = len(line) > MAX_LINE_BYTES
        skipped = len(line)
        while line and not line.endswith(b"\n") and len(line) > MAX_LINE_BYTES:
            line = stream.readline(MAX_LINE_BYTES + 1)
            skipped += len(line)
            _check_skipped(skipped)
        yield None if too_long else line
        line = stream.readline(MAX_LINE_BYTES + 1)


def _cr_lines(stream: LineStream, piece: bytes) -> Iterator[bytes | None]:
    pending, skipped = b"", 0
    while piece:
        data, start = pending + piece, 0
        for found in _LINE_END.finditer(data):
            line = data[start : found.end()]
            yield None if skipped or len(line) > MAX_LINE_BYTES else line
            skipped, start = 0, found.end()
        pending = data[start:]
        if len(pending) > MAX_LINE_BYTES:
            pending, skipped = b"", skipped + len(pending)
            _check_skipped(skipped)
        piece = stream.readline(MAX_LINE_BYTES + 1)
    if skipped or pending:
        yield None if skipped else pending


def _check_skipped(size: int) -> None:
    if size > MAX_SKIPPED_BYTES:
        raise InvalidMessage(
            f"a line is longer than {MAX_SKIPPED_BYTES} bytes: the file must have one item on each line"
        )
