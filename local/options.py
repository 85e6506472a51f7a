"""Command-line values that `make demo` and `make stack` share."""

from local.errors import LocalError

MAX_SHARDS = 64
MAX_PORT = 65_535


class OptionError(LocalError):
    """An option has an invalid value; the message is one sentence."""


def parse_integer(name: str, text: str, maximum: int) -> int | None:
    """Parse a whole number from 1 to ``maximum``; return None for an empty text.

    Raises:
        OptionError: the text is not such a number.
    """
    if not text:
        return None
    # length first: int() refuses texts of thousands of digits
    if not text.isascii() or not text.isdigit() or len(text) > len(str(maximum)) or not 1 <= int(text) <= maximum:
        raise OptionError(f"{name} must be a whole number from 1 to {maximum}, not {text[:20]!r}.")
    return int(text)
