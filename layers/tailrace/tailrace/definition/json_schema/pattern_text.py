"""The text of translated patterns: characters and classes in the dialect of the linear-time engine."""

ANY, NONE = r"[\x{0}-\x{10FFFF}]", r"[^\x{0}-\x{10FFFF}]"
CLASSES = {
    "d": "0-9",
    "D": r"\x{0}-\x{2F}\x{3A}-\x{10FFFF}",
    "w": "0-9A-Za-z_",
    "W": r"\x{0}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{5E}\x{60}\x{7B}-\x{10FFFF}",
    # where case is ignored, U+017F and U+212A are word characters, since they fold to "s" and "k"
    "iW": r"\x{0}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{5E}\x{60}\x{7B}-\x{17E}\x{180}-\x{2129}\x{212B}-\x{10FFFF}",
    "s": r"\x{9}-\x{D}\x{20}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}",
    "S": r"\x{0}-\x{8}\x{E}-\x{1F}\x{21}-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}"
    r"\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{FEFE}\x{FF00}-\x{10FFFF}",
}
DOT = r"[^\n\r\x{2028}\x{2029}]"
SURROGATES = range(0xD800, 0xE000)


def literal(code: int) -> str:
    """Return a character as a pattern."""
    if code in SURROGATES:
        return NONE  # texts contain whole characters only
    character = chr(code)
    if character.isascii() and character.isprintable():
        return f"\\{character}" if character in "\\.+*?()|[]{}^$" else character
    return f"\\x{{{code:X}}}"


def range_of(first: int, last: int) -> str:
    """Return a range for use in a class, without surrogates."""
    first = SURROGATES.stop if first in SURROGATES else first
    last = SURROGATES.start - 1 if last in SURROGATES else last
    if first > last:
        return ""
    return _class_character(first) + (f"-{_class_character(last)}" if last > first else "")


def _class_character(code: int) -> str:
    character = chr(code)
    return character if character.isascii() and character.isalnum() else f"\\x{{{code:X}}}"
