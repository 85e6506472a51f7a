"""State files that one process at a time may have open."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from cli.errors import CommandError


@contextmanager
def locked_file(path: Path) -> Iterator[TextIO]:
    """Open a file for reading and writing; it is made if it does not exist.

    Raises:
        CommandError: another process has it open.
    """
    path.touch()
    with path.open("r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandError(f"Another redrive of this place is running on this machine ({path}).") from error
        yield file
