"""Header values in the form of RFC 9651, which libraries of most languages parse."""

_PRINTABLE = range(0x20, 0x7F)


def boolean(value: object) -> str:
    """Return a boolean: ``?1`` or ``?0``."""
    return "?1" if value else "?0"


def text(value: str) -> str:
    """Return a string; a display string, with percent-encoded UTF-8, if it is not all printable ASCII."""
    if all(ord(character) in _PRINTABLE for character in value):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    encoded = (chr(byte) if byte in _PRINTABLE and chr(byte) not in '%"' else f"%{byte:02x}" for byte in value.encode())
    return f'%"{"".join(encoded)}"'
