"""What a command prints: results to standard output, progress to a terminal, and Ctrl-C between two steps."""

import codecs
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from cli.errors import CommandError

_CLEAR_LINE = "\r\033[K"

ESCAPES = "tailrace.escapes"
"""Writes what an encoding lacks as JSON does, so that JSON stays JSON; Python's own escapes are not JSON."""


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(ESCAPES, _escaped)


def say(text: str) -> None:
    """Print lines of the result.

    Raises:
        BrokenPipeError: whoever read the output has gone.
        CommandError: it cannot be written: it is closed, or its disk is full.
    """
    show_progress("")
    if sys.stdout is None:
        raise CommandError("The result cannot be printed: standard output is closed.")
    try:
        sys.stdout.write("\n".join(map(visible, text.split("\n"))) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_output()  # or Python tries again at the end
        raise CommandError(f"The result cannot be printed: {error.strerror}.") from error


def drop_output() -> None:
    """Discard what has not been printed: https://docs.python.org/3/library/signal.html#note-on-sigpipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def visible(text: str) -> str:
    """Return a text in one line that only displays: ids and values may hold what controls a terminal.

    The escapes are those of JSON, where they mean the same.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def show_progress(text: str) -> None:
    """Replace the line of progress on the terminal; print nothing if there is no terminal."""
    if sys.stderr.isatty():
        # a wider text would take two lines, and only the second would be replaced; an unknown width is 0
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        sys.stderr.write(_CLEAR_LINE + text[: width - 1 if width else None])
        sys.stderr.flush()


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def state_folder(stack: str, region: str, stack_id: str) -> Path:
    """Return the folder in which commands record their progress with a stack; it may not exist yet.

    ``stack_id`` is the stack's ARN: a stack of this name in another account, or on an emulator that began anew, is
    another one.
    """
    # expanduser leaves ~ where the user has no home, as in a container
    root = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111 - Path's raises
    return Path(root) / "tailrace" / f"{stack}.{region}.{stack_id.rpartition('/')[2]}"


def make_state_folder(folder: Path) -> None:
    """Make a state folder, unless it exists; only its user may read it.

    Raises:
        CommandError: it cannot be made, or cannot be written to.
    """
    reason = "there is no home folder" if folder.parts[0] == "~" else "it is not writable"
    try:
        if folder.parts[0] != "~":
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = str(error.strerror)
    else:
        if os.access(folder, os.W_OK | os.X_OK):
            return
    text = f"The folder {folder}, which remembers what was sent, cannot be used: {reason}."
    raise CommandError(f"{text} Set XDG_STATE_HOME to a folder that you can write to.")


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
