"""Command-line values that `make demo` and `make stack` share."""

from local.errors import LocalError

MOST_SHARDS = 64
LAST_PORT = 65_535


class OptionError(LocalError):
    """An option has a value that makes no sense; the message is one sentence."""


def number(name: str, text: str, most: int) -> int | None:
    """Read a whole number from 1 to ``most``; an empty text is None.

    Raises:
        OptionError: the text is no such number.
    """
    if not text:
        return None
    # the length first: int() takes no text of thousands of digits
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) or not 1 <= int(text) <= most:
        raise OptionError(f"{name} is a whole number from 1 to {most}, not {text[:20]!r}.")
    return int(text)
