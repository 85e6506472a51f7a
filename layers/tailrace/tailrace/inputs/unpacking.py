"""Files as they are stored: plain or compressed with gzip, recognized by their first bytes; in UTF-8, or refused."""

import gzip
import io
import zlib
from collections.abc import Callable
from typing import IO, Any, cast

from tailrace.encoding.text import foreign_encoding
from tailrace.errors import InvalidMessage

type Reader = io.BufferedReader[Any]

_GZIP = b"\x1f\x8b"
_PLAIN_CODINGS = frozenset(["", "identity", "aws-chunked"])
_GZIP_CODINGS = frozenset(["gzip", "x-gzip"])
_FOREIGN_FILES = {
    b"PK\x03\x04": "a ZIP archive, or a spreadsheet workbook",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet workbook",
    b"PAR1": "Parquet",
    b"Obj\x01": "Avro",
    b"ORC": "ORC",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"BZh91AY&SY": "compressed with bzip2",
    b"\x1f\x9d": "compressed with compress",
    b"\x04\x22\x4d\x18": "compressed with LZ4",
    b"\xff\x06\0\0sNaPpY": "compressed with Snappy",
    b"x\x01": "compressed with zlib",
    b"x\x9c": "compressed with zlib",
    b"x\xda": "compressed with zlib",
    b"]\0\0": "compressed with LZMA",
    b"%PDF": "a PDF",
    b"ARROW1\0": "Arrow",
    b"SQLite format 3\0": "an SQLite database",
    b"{\\rtf": "a text document (RTF)",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"\x7fELF": "a program",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"<?xml": "XML",
}
_READ_BYTES = 64 * 1024
_PIECE_BYTES = 1024 * 1024

MAX_RATIO = 250
"""How many times its stored size a file may have; text of items has 5 to 50, a zip bomb a thousand."""

_MIN_UNPACKED_BYTES = 16 * 1024 * 1024  # this much is always unpacked


def unpacked(
    body: Reader, *, named_gzip: bool, encoding: str, before_next: Callable[[], None] = lambda: None
) -> Reader:
    """Return a file's text as bytes, unpacked if it is compressed with gzip, whatever its name says.

    Args:
        body: the file as it is stored.
        named_gzip: whether the name says that it is compressed.
        encoding: its Content-Encoding, "" if there is none.
        before_next: called after each MiB that is unpacked.

    Raises:
        InvalidMessage: it is something else; the message says what, and what to do. While the file is read, a gzip
            stream that is damaged, ends early, or unpacks to more than MAX_RATIO times its size raises it too.
    """
    codings = {coding.strip().lower() for coding in encoding.split(",")} - _PLAIN_CODINGS
    if codings - _GZIP_CODINGS:
        raise InvalidMessage(f"Content-Encoding {encoding[:60]!r} is not supported: store the file plain, or with gzip")
    if not _head(body).startswith(_GZIP):
        if named_gzip and _head(body):
            raise InvalidMessage(
                "the name ends in .gz, but the file is not compressed with gzip: rename or compress it"
            )
        _check_text(_head(body))
        return body
    text: Reader = io.BufferedReader(_Unpacker(body, before_next), _READ_BYTES)
    head = _head(text)
    if head.startswith(_GZIP):
        raise InvalidMessage("the file is compressed twice: compress it once")
    _check_text(head)
    return text


def _head(stream: Reader) -> bytes:
    return stream.peek(64)[:64]


def _check_text(head: bytes) -> None:
    kind = next((kind for mark, kind in _FOREIGN_FILES.items() if head.startswith(mark)), None)
    if kind is not None:
        raise InvalidMessage(f"the file is {kind}: save it as CSV or JSON Lines, plain or compressed with gzip")
    other = foreign_encoding(head)
    if other is not None:
        raise InvalidMessage(f"the file is not UTF-8, {other}: save it as UTF-8")


class _Unpacker(io.RawIOBase):
    """The content of a gzip stream, as long as it is in proportion to what was read of it."""

    def __init__(self, body: Reader, before_next: Callable[[], None]) -> None:
        self._body = body
        self._before_next = before_next
        self._begin()

    def _begin(self) -> None:
        self._source = _Counter(self._body)
        self._content = gzip.GzipFile(fileobj=cast("IO[bytes]", self._source))
        self._unpacked = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._unpacked

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Continue at an offset of the content: unpack and drop what is before it, from the beginning if need be."""
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation
        if offset < self._unpacked:
            self._body.seek(0)
            self._begin()
        while self._unpacked < offset and self._unpack(min(offset - self._unpacked, _PIECE_BYTES)):
            pass
        return self._unpacked

    def readinto(self, buffer: Any, /) -> int:
        found = self._unpack(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _unpack(self, size: int) -> bytes:
        try:
            found = self._content.read1(size)
        except EOFError as error:
            raise InvalidMessage("the file ends in the middle of its gzip data: upload it again, completely") from error
        except (zlib.error, gzip.BadGzipFile) as error:
            raise InvalidMessage(f"the gzip data is damaged ({error}): upload the file again") from error
        before, self._unpacked = self._unpacked, self._unpacked + len(found)
        if before // _PIECE_BYTES < self._unpacked // _PIECE_BYTES:
            self._before_next()
        if self._unpacked > max(_MIN_UNPACKED_BYTES, MAX_RATIO * self._source.size):
            raise InvalidMessage(f"the file unpacks to more than {MAX_RATIO} times its size: upload it uncompressed")
        return found


class _Counter:
    """A file that counts what is read of it."""

    def __init__(self, body: Reader) -> None:
        self._body = body
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        found = self._body.read(size)
        self.size += len(found)
        return found
