"""The ids of messages that were sent and not yet deleted, so that an interrupted run does not send them twice."""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from msgspec import Struct, field

from cli.console import make_state_folder
from cli.errors import CommandError

_RETENTION_S = 15 * 86_400  # a day longer than a dead-letter queue retains messages


class SentLog(Struct):
    """A file of message ids, each with the time when it was sent."""

    file: TextIO
    sent: dict[str, float] = field(default_factory=dict)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self.sent

    def add(self, message_ids: Iterable[str]) -> None:
        """Remember that messages were sent; they are on disk when this returns."""
        new = dict.fromkeys(message_ids, time.time())
        self.sent |= new
        self.file.seek(0, os.SEEK_END)
        self.file.write("".join(f"{at:.0f} {message_id}\n" for message_id, at in new.items()))
        self._flush()

    def forget(self, message_ids: Iterable[str]) -> None:
        """Forget messages that were deleted, when the file is next rewritten."""
        for message_id in message_ids:
            self.sent.pop(message_id, None)

    def rewrite(self) -> None:
        """Write what is still to be remembered."""
        self.file.seek(0)
        self.file.write("".join(f"{at:.0f} {message_id}\n" for message_id, at in self.sent.items()))
        self.file.truncate()
        self._flush()

    def _flush(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())


@contextmanager
def locked_file(path: Path, what: str = "redrive of this place") -> Iterator[TextIO]:
    """Open a file for reading and writing; it and its folder are made if they do not exist.

    ``what`` else may have it open, for the message.

    Raises:
        CommandError: another process has it open, or the folder cannot be made.
    """
    make_state_folder(path.parent)
    path.touch()
    with path.open("r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandError(f"Another {what} is running on this machine ({path}).") from error
        yield file


@contextmanager
def sent_log(path: Path) -> Iterator[SentLog]:
    """Open a log. It is rewritten when the block ends normally.

    Raises:
        CommandError: another process has it open.
    """
    with locked_file(path) as file:
        oldest = time.time() - _RETENTION_S
        log = SentLog(file, {name: at for at, name in map(_entry, file) if at > oldest})
        yield log
        log.rewrite()


def _entry(line: str) -> tuple[float, str]:
    at, _, name = line.strip().partition(" ")
    return (float(at), name) if at.isdigit() and name else (0.0, "")
