"""Errors of the local tooling. Every message is one sentence for the terminal.

LocalError
├── SetupMissing        a tool is not installed: make setup
├── InvalidDefinition   the definition cannot be imported, or the template lacks what it needs
├── MeaningChanged      the definition counts differently under the same version, or its lock is out of date
├── WrongDefinition     the definition is not the example's, which the demo needs
├── TableFileInvalid    a file does not describe a table or its items
├── PortInUse           another process listens on the port
├── StateMismatch       the kept state belongs to other options, or cannot be read
├── EmulatorFailed      the emulator did not start, or has exited
├── DeployFailed        the stack could not be built or deployed; the message ends with the reason
├── DashboardFailed     the dashboard could not be built or served
└── SettleTimeout       changes were still in flight at the timeout
"""

import errno
import os
import tempfile
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_REFUSED = (errno.EACCES, errno.EPERM, *_FULL)
_EXHAUSTED = (errno.EMFILE, errno.ENFILE)
_PROBE = bytes(64 * 1024)
_FILES = Path(__file__).resolve().parents[1] / ".tailrace"


def error_text(error: "LocalError | OSError") -> str:
    """Return an error as text for the terminal, with what was found out about its cause."""
    text = file_error_text(error) if isinstance(error, OSError) else str(error)
    return "\n".join([text, *getattr(error, "__notes__", ())])


def file_error_text(error: OSError) -> str:
    """Return one sentence about a file that cannot be read or written. Raises any other error again."""
    if error.errno in _EXHAUSTED:
        return _limit_text(error.errno)
    if error.errno not in _REFUSED:
        raise error
    # a write that fails does not name its file
    what = error.filename or f"A file in {tempfile.gettempdir()} or {_FILES}"
    return f"{what} cannot be read or written: {error.strerror}. Check its owner, and the space on the disk."


def explain(error: Exception, log: Path, *folders: Path) -> None:
    """Add a note to an error if a disk that takes no more, or a limit of open files explains it: see `refusal`."""
    printed = log.read_text(errors="replace") if log.exists() else ""
    if cause := refusal(printed, *folders):
        error.add_note(cause)


def refusal(output: str, *folders: Path) -> str:
    """Return a sentence if what a program printed, or writing to a folder, shows that a disk takes no more; else "".

    So it is with a limit of open files that the program has reached.

    The program's temporary files, which may have filled the disk, are gone when it has ended.
    """
    places = Path(tempfile.gettempdir()), *folders
    printed = [text for text in map(os.strerror, _FULL) if text in output]
    if printed:
        return f"{printed[0]}: check the disks of {' and '.join(map(str, places))}."
    for number in _EXHAUSTED:
        if os.strerror(number) in output:
            return _limit_text(number)
    return next((f"{text}: check the disk of {place}." for place in places if (text := _tried(place))), "")


def _limit_text(number: int) -> str:
    return f"{os.strerror(number)}: raise the limit, for example with `ulimit -n 1024`, and try again."


def _tried(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_PROBE)
            file.flush()
    except OSError as error:
        return os.strerror(error.errno) if error.errno in _FULL else ""
    return ""


class LocalError(Exception):
    """Base of all local errors."""


class SetupMissing(LocalError):
    """A tool is not installed."""


class InvalidDefinition(LocalError):
    """The definition cannot be imported, or the template lacks what it needs."""


class MeaningChanged(LocalError):
    """The definition counts differently under the same version, or its lock is out of date."""


class WrongDefinition(LocalError):
    """The definition is not the example's, which the demo needs."""


class TableFileInvalid(LocalError):
    """A file does not describe a table or its items."""


class PortInUse(LocalError):
    """Another process listens on the port."""


class StateMismatch(LocalError):
    """The kept state belongs to other options, or cannot be read."""


class EmulatorFailed(LocalError):
    """The emulator did not start, or has exited."""


class DeployFailed(LocalError):
    """The stack could not be built or deployed."""


class DashboardFailed(LocalError):
    """The dashboard could not be built or served."""


class SettleTimeout(LocalError):
    """Changes were still in flight at the timeout."""
