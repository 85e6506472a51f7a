"""Supervised child processes: they end when this process does, for any reason."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from local.errors import EmulatorFailed

SUPERVISOR_SCRIPT = Path(__file__).with_name("supervisor.py")
STOP_TIMEOUT_S = 5.0
_CONNECT_S = 5.0

NEEDED = {
    *("PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
}
"""What a program needs to start and to reach the network."""

LOOPBACK = ("127.0.0.1", "localhost")


class SupervisedProcess:
    """A running command, its process group, and its scratch folder (also its TMPDIR)."""

    def __init__(
        self, command: Sequence[str | Path], *, env: Mapping[str, str], output: IO[bytes], cwd: Path | None = None
    ) -> None:
        """Start `command` with its output going to `output`. Raises OSError if it cannot be started."""
        self.scratch = Path(tempfile.mkdtemp(prefix="tailrace-"))
        read_end, self._write_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-S", str(SUPERVISOR_SCRIPT), str(self.scratch), *map(str, command)],
                stdin=read_end,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**env, "TMPDIR": str(self.scratch)},
                cwd=cwd,
                start_new_session=True,  # so that Ctrl-C reaches only this process, which then stops the command
            )
        except OSError:
            os.close(self._write_end)
            raise
        finally:
            os.close(read_end)

    @property
    def pid(self) -> int:
        """The process group leader's pid."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit status, or None while the command runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait for the command to exit, end the rest of its process group, and return its exit status."""
        try:
            return self._process.wait()
        finally:
            self.stop()

    def stop(self) -> None:
        """End the command and all its descendants, and wait for them to exit. Idempotent."""
        if self._write_end < 0:
            return
        os.close(self._write_end)
        self._write_end = -1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS raises EPERM for a group of zombies
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def interrupt_on_termination() -> None:
    """Make SIGTERM and the end of the terminal act like Ctrl-C, which works even if the shell made its jobs ignore it.

    Under nohup, the end of the terminal remains ignored.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without variables that redirect AWS calls or change what Python imports."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PYTHON", "SAM_", "VIRTUAL_ENV", "MINISTACK", "LAMBDA_"))
    }
    direct = no_proxy_hosts()
    return {**inherited, "NO_PROXY": direct, "no_proxy": direct, **extra}


def no_proxy_hosts() -> str:
    """The value of NO_PROXY with which calls to this machine and to the user's hosts bypass any proxy.

    Python reads `no_proxy` first, and accepts `*`, for all hosts, only on its own.
    """
    named = next((os.environ[name] for name in ("no_proxy", "NO_PROXY") if os.environ.get(name, "").strip()), "")
    if named.strip() == "*":
        return "*"
    return ",".join([*LOOPBACK, *filter(None, [named])])


def require_loopback() -> None:
    """Raise EmulatorFailed if programs of this machine cannot reach each other, as in a container without a network."""
    address = LOOPBACK[0]
    try:
        with socket.create_server((address, 0)) as server, socket.create_connection(server.getsockname(), _CONNECT_S):
            pass
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error  # the server's own text names it again
        raise EmulatorFailed(f"The loopback address {address} cannot be used: {reason}.") from error


def bare_environment(**extra: str) -> dict[str, str]:
    """The part of this process's environment that a program needs to start and to reach the network."""
    kept = {name: value for name, value in clean_environment().items() if name.upper() in NEEDED}
    return {**kept, **extra}


def is_locked(path: Path) -> bool:
    """Whether a process that runs holds a lock on a file."""
    try:
        with path.open("r+b") as file:  # on network file systems, an exclusive lock needs a writable file
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
