"""Text as UTF-8: its size, and text from bytes, with a reason that says what else they look like."""

from tailrace.errors import InvalidMessage

_UTF_16_OR_32_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_GZIP = b"\x1f\x8b"
_MAX_REPORTED = 500


def decode_utf8(data: bytes) -> str:
    """Return the text of UTF-8, strictly.

    Raises:
        InvalidMessage: it is not UTF-8; the message says which encoding it looks like, and quotes none of it.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        at = f"byte {error.start + 1} is 0x{data[error.start]:02x}, the text may be Latin-1 or Windows-1252"
        raise _refused(data, foreign_encoding(data) or at) from error
    foreign = foreign_encoding(data) if "\0" in text[:2] else None
    if foreign is not None:
        raise _refused(data, foreign)
    return text


def utf8_size(text: str) -> int:
    """Return how many bytes a text takes in UTF-8, without encoding it if it is ASCII."""
    return len(text) if text.isascii() else len(text.encode())


def shortened(text: str) -> str:
    """Return a text of a report, without its middle if it is long: it may quote a value that is the whole item."""
    half = _MAX_REPORTED // 2
    return text if len(text) <= _MAX_REPORTED else f"{text[:half]} … {text[-half:]}"


def json_pointer(name: str) -> str:
    """Return the JSON Pointer (RFC 6901) to a member of a document."""
    return f"/{name.replace('~', '~0').replace('/', '~1')}"


def plain_text(text: str) -> str:
    """Return a text of Python's own type: a transform may return a member of an enum, or one of another subclass.

    These may return something other than their text from ``str()``, and the writer of JSON refuses them.
    """
    return text if type(text) is str else str.__str__(text)


def _refused(data: bytes, looks_like: str) -> InvalidMessage:
    remedy = "unpack it" if data.startswith(_GZIP) else "encode it as UTF-8"
    return InvalidMessage(f"not UTF-8: {looks_like}; {remedy}")


def foreign_encoding(data: bytes) -> str | None:
    """Tell what the first bytes of a file or text are, if they are certainly not UTF-8 text; None otherwise."""
    if data.startswith(_GZIP):
        return "it is compressed with gzip"
    if data.startswith(_UTF_16_OR_32_MARKS) or (0 in data[:2] and _has_nul_as_every_second_byte(data[:64])):
        return "it is UTF-16 or UTF-32, or binary"
    return None


def _has_nul_as_every_second_byte(data: bytes) -> bool:
    """Tell whether ASCII text is encoded as UTF-16 (or UTF-32) without a mark."""
    pairs = len(data) // 2
    return pairs > 1 and (data[: 2 * pairs : 2].count(0) == pairs or data[1 : 2 * pairs : 2].count(0) == pairs)
