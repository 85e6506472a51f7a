"""What a command prints: results to standard output, progress to a terminal, and Ctrl-C between two steps."""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

_CLEAR_LINE = "\r\033[K"


def say(text: str) -> None:
    """Print lines of the result."""
    show_progress("")
    sys.stdout.write("\n".join(map(visible, text.split("\n"))) + "\n")
    sys.stdout.flush()


def visible(text: str) -> str:
    """Return a text in one line that only shows something: ids and values may hold what controls a terminal.

    The escapes are those of JSON, where they mean the same.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def show_progress(text: str) -> None:
    """Replace the line of progress on the terminal; print nothing if there is no terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(_CLEAR_LINE + text)
        sys.stderr.flush()


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def state_folder(stack: str, region: str) -> Path:
    """Return the folder in which commands remember how far they have come with a stack; only its user may read it."""
    root = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(root) / "tailrace" / f"{stack}.{region}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def interrupt(number: int, _frame: object) -> NoReturn:
    """Handle a signal: raise KeyboardInterrupt with its number."""
    raise KeyboardInterrupt(number)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a step finish before Ctrl-C takes effect; a second Ctrl-C takes effect at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    previous: dict[int, Any] = {}

    def note(number: int, _frame: object) -> None:
        received.append(number)
        for each, handler in previous.items():
            signal.signal(each, handler)

    for caught in (signal.SIGINT, signal.SIGTERM):
        previous[caught] = signal.signal(caught, note)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt(received[0])
