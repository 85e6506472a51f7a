"""JSON files that are not lines: an array, or values one after another, of any size, one value in memory at a time."""

import re
from collections.abc import Iterator
from typing import Protocol

from tailrace.errors import InvalidMessage
from tailrace.inputs.raw_lines import MAX_LINE_BYTES, MAX_SKIPPED_BYTES, Bookmark, Numbered

_MARK = re.compile(rb'["\[\]{},]')
_IN_STRING = re.compile(rb'["\\]')
_SPACE = b" \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BEGINNING = re.compile(rb"\A(?:\xef\xbb\xbf|[ \t\r\n])+")
_READ_BYTES = 64 * 1024


class ByteStream(Protocol):
    """What is read of a file."""

    def read(self, size: int, /) -> bytes:
        """Return up to that many bytes, empty at the end."""

    def seek(self, offset: int, /) -> int:
        """Continue at an offset. Needed only for a file that is continued."""


def json_values(stream: ByteStream, start: Bookmark = Bookmark()) -> Iterator[Numbered]:  # noqa: B008 - immutable
    """Yield the text of each element of an array, or of each value if the file is not one, that follows a bookmark.

    Values are told apart by their brackets and quotes, with a comma between them or none; whether each is JSON is for
    the caller to find out.

    Raises:
        InvalidMessage: the file ends in the middle, continues after its array, or has an item longer than
            MAX_SKIPPED_BYTES.
    """
    piece, offset = _first_bytes(stream)
    splitter = _Splitter(in_array=piece.startswith(b"["))
    if start.offset:
        stream.seek(start.offset)
        piece, offset = b"", start.offset
    elif splitter.in_array:
        piece, offset = piece[1:], offset + 1
    splitter.position = offset
    for number, value in enumerate(_values(stream, piece, splitter), start.number + 1):
        yield number, value, splitter.value_end


def _values(stream: ByteStream, piece: bytes, splitter: "_Splitter") -> Iterator[bytes | None]:
    yield from splitter.feed(piece)
    while piece := stream.read(_READ_BYTES):
        yield from splitter.feed(piece)
    yield from splitter.end()


def _first_bytes(stream: ByteStream) -> tuple[bytes, int]:
    """Return the first bytes after byte order marks and spaces, and their offset."""
    start, offset = b"", 0
    while piece := stream.read(_READ_BYTES):
        offset += len(piece)
        start = _BEGINNING.sub(b"", start + piece, count=1)
        if start and not _BYTE_ORDER_MARK.startswith(start):
            break
    return start, offset - len(start)


class _Splitter:
    """Splits pieces of a text into values.

    ``position`` is the offset of the next piece, ``value_end`` that of the end of the last value: after the comma or
    bracket that ends it, but before the bracket that ends the array.
    """

    def __init__(self, *, in_array: bool) -> None:
        self.in_array = in_array
        self.position = self.value_end = 0
        self._done = False
        self._depth = 0
        self._in_string = self._escaped = False
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[bytes | None]:
        """Yield the values that end in a piece.

        Raises:
            InvalidMessage: there is something after the array, or a value has no end.
        """
        self._check_end(piece)
        start = position = 0
        while (found := self._next_mark(piece, position)) is not None:
            position = found + 1
            mark = piece[found:position]
            if mark in b"[{":
                self._depth += 1
                continue
            if mark == b",":
                if self._depth:
                    continue
                self._keep(piece[start:found])
                self.value_end = self.position + position
                text = self._take()
                if text or self.in_array:  # outside an array, the comma may follow a value that its bracket has ended
                    yield text
            elif self._depth or mark == b"}" or not self.in_array:
                self._depth = max(self._depth - 1, 0)  # what closes nothing makes a value that is not JSON
                if self._depth or self.in_array:
                    continue
                self._keep(piece[start:position])
                self.value_end = self.position + position
                yield self._take()
            else:  # the bracket that closes the array
                self._keep(piece[start:found])
                self.value_end = self.position + found
                yield from self._rest()
                self._done = True
                self._check_end(piece[position:])
            start = position
        self._keep(piece[start:])
        self.position += len(piece)

    def end(self) -> Iterator[bytes | None]:
        """Yield what is left at the end of the file.

        Raises:
            InvalidMessage: it ends in the middle.
        """
        if self._depth or self._in_string or (self.in_array and not self._done):
            raise InvalidMessage("the file ends in the middle of its JSON: upload it again, completely")
        self.value_end = self.position
        yield from self._rest()

    def _next_mark(self, piece: bytes, position: int) -> int | None:
        """Return the position of the next bracket or comma that is not in a string."""
        if self._escaped and piece:
            self._escaped, position = False, position + 1
        while True:
            found = (_IN_STRING if self._in_string else _MARK).search(piece, position)
            if found is None:
                return None
            if found[0] == b"\\":
                if found.end() == len(piece):
                    self._escaped = True
                    return None
                position = found.end() + 1
            elif found[0] == b'"':
                self._in_string = not self._in_string
                position = found.end()
            else:
                return found.start()

    def _check_end(self, following: bytes) -> None:
        if self._done and following.strip(_SPACE):
            raise InvalidMessage("the file continues after the end of its JSON array: remove what follows")

    def _keep(self, part: bytes) -> None:
        if not self._size:
            part = part.lstrip(_SPACE)
        self._size += len(part)
        self._parts.append(part)
        if self._size > MAX_LINE_BYTES:
            self._parts.clear()
        if self._size > MAX_SKIPPED_BYTES:  # no invocation might reach its end
            fault = "a bracket or quote in it is never closed, or the file is not a list of items"
            raise InvalidMessage(f"an item is longer than {MAX_SKIPPED_BYTES} bytes: {fault}")

    def _take(self) -> bytes | None:
        text = b"".join(self._parts).strip(_SPACE) if self._size <= MAX_LINE_BYTES else None
        self._parts.clear()
        self._size = 0
        return text

    def _rest(self) -> Iterator[bytes | None]:
        text = self._take()
        if text != b"":
            yield text
