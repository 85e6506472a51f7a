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

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def file_error_text(error: OSError) -> str:
    """Return one sentence about a file that cannot be read or written. Raises any other error again."""
    if error.errno not in _REFUSED:
        raise error
    what = error.filename or "A file"
    return f"{what} cannot be read or written: {error.strerror}. Check its owner, and the space on the disk."


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
