"""Command-line values that `make demo` and `make stack` share."""

from local.errors import LocalError

MAX_SHARDS = 64
MAX_PORT = 65_535


class OptionError(LocalError):
    """An option has a value that makes no sense; the message is one sentence."""


def parse_integer(name: str, text: str, maximum: int) -> int | None:
    """Read a whole number from 1 to ``maximum``; an empty text is None.

    Raises:
        OptionError: the text is no such number.
    """
    if not text:
        return None
    # the length first: int() takes no text of thousands of digits
    if not text.isascii() or not text.isdigit() or len(text) > len(str(maximum)) or not 1 <= int(text) <= maximum:
        raise OptionError(f"{name} is a whole number from 1 to {maximum}, not {text[:20]!r}.")
    return int(text)
