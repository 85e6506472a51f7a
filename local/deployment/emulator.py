"""The AWS emulator: one ministack process on a loopback port, with fresh state at each start, or a kept one.

It has its own virtual environment (`.tools/emulator`) because it pins botocore, with the template's Python because it
runs the functions in its own interpreter.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Self

from botocore.exceptions import BotoCoreError

from local.deployment.processes import SupervisedProcess, bare_environment, is_locked, require_loopback
from local.errors import EmulatorFailed, LocalError, PortInUse, SetupMissing, explain

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".tools" / "emulator" / "bin" / "python"
LOGS = ROOT / ".tailrace" / "logs"
MAX_LOGS = 5
START_TIMEOUT_S = 40.0
START_ATTEMPTS = 3
EXIT_WAIT_S = 3.0
"""How long the process may take to exit after its connections have closed: it removes the folders of its workers."""

HOST = "127.0.0.1"
REGION = "us-east-1"
STACK_NAME = "tailrace"

STATE_VARIABLE = "TAILRACE_STATE"
"""The variable that names the file with the kept state, in the emulator's environment."""

DECISIONS_VARIABLE = "TAILRACE_DECISIONS"
"""The variable that names the file for decisions about roles, in an emulator that enforces policies."""

SAVE_PATH = "/_tailrace/save"
SAVE_TIMEOUT_S = 120.0
DEPLOYMENT_TIMEOUT_S = 60.0
"""How long a snapshot waits for the end of a deployment: one of its middle could not be deployed to any more."""

SAVE_WAIT_S = 0.1

PROCESS_PATH = "/_tailrace/process"
HEALTH_PATH = "/_ministack/health"

_ERROR = "ERROR:"
_IN_USE = "Port {} is in use by another program: choose another with PORT=."

SETTINGS = {
    "BIND_HOST": HOST,
    "MINISTACK_HOST": HOST,  # the host in queue URLs
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "LAMBDA_EXECUTOR": "local",
    # At each start it looks for left-over containers and may remove some: keep it away from the user's Docker.
    "DOCKER_HOST": "unix:///nonexistent/docker.sock",
    "TZ": ":UTC",  # of functions (Lambda guide, configuration-envvars)
}


@dataclass(frozen=True, slots=True)
class EmulatorFiles:
    """What an emulator reads and writes.

    `state` is the file that `save` writes; if it exists, the emulator starts with what it holds. With `decisions`, it
    enforces the policies of roles, and appends each decision to that file as a line of JSON.
    """

    state: Path | None = None
    decisions: Path | None = None


NO_FILES = EmulatorFiles()


class Emulator:
    """A running emulator. `start` creates one; `stop` ends it and all its workers."""

    def __init__(self, process: SupervisedProcess, port: int, log: Path) -> None:
        self._process = process
        self.port = port
        self.log = log
        self.endpoint = f"http://{HOST}:{port}"

    @classmethod
    def start(
        cls,
        port: int | None = None,
        *,
        python: Path = PYTHON,
        files: EmulatorFiles = NO_FILES,
    ) -> Self:
        """Start on `port`, or on a free port, and wait until the emulator responds.

        Raises SetupMissing, PortInUse and EmulatorFailed.
        """
        if not python.exists():
            raise SetupMissing(f"The emulator is not installed ({python.parent.parent} is missing): run `make setup`.")
        require_loopback()
        for attempt in range(1, START_ATTEMPTS + 1):
            chosen_port = free_port() if port is None else port
            if port is not None and is_listening(port):
                raise PortInUse(_IN_USE.format(port))
            emulator = cls._launch(chosen_port, python, files)
            try:
                emulator.wait_until_healthy()
            except EmulatorFailed as error:
                emulator.stop()
                explain(error, emulator.log, LOGS)
                # Another program may take the port before the emulator binds it.
                if port is not None and is_listening(port):
                    raise PortInUse(_IN_USE.format(port)) from error
                if port is not None or attempt == START_ATTEMPTS:
                    raise
            except BaseException:
                emulator.stop()
                raise
            else:
                return emulator
        raise AssertionError("unreachable")

    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def raise_if_gone(self) -> None:
        """Raise EmulatorFailed if the process has exited."""
        if not self.alive():
            raise EmulatorFailed(f"The emulator exited unexpectedly (see {self.log}).")

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Turn a call within the block that got no response into EmulatorFailed, with the cause if it has exited.

        Any LocalError gets a note if a full disk explains it.
        """
        try:
            with self._reporting_calls():
                yield
        except LocalError as error:
            explain(error, self.log, LOGS)
            raise

    @contextlib.contextmanager
    def _reporting_calls(self) -> Iterator[None]:
        try:
            yield
        except BotoCoreError as error:
            deadline = time.monotonic() + EXIT_WAIT_S
            while time.monotonic() < deadline:
                self.raise_if_gone()
                time.sleep(EXIT_WAIT_S / 10)
            raise EmulatorFailed(f"A call to the emulator failed: {error} (see {self.log}).") from error

    def save(self, header: bytes) -> int:
        """Write `header`, a line of JSON, and the state at one moment to the file. Returns the file's size.

        Waits for the end of a deployment. Raises EmulatorFailed; then the file is as it was.
        """
        request = urllib.request.Request(self.endpoint + SAVE_PATH, header, method="POST")  # noqa: S310 - loopback
        deadline = time.monotonic() + DEPLOYMENT_TIMEOUT_S
        while True:
            try:
                with _OPENER_WITHOUT_PROXY.open(request, timeout=SAVE_TIMEOUT_S) as response:
                    return int(json.load(response)["bytes"])
            except (OSError, ValueError) as error:
                waits = isinstance(error, urllib.error.HTTPError) and error.code == HTTPStatus.CONFLICT
                if not waits or time.monotonic() > deadline:
                    raise EmulatorFailed(f"The state could not be saved: {_reason(error)} (see {self.log}).") from error
            time.sleep(SAVE_WAIT_S)

    def stop(self) -> None:
        """End the process and its workers, and remove their temporary files."""
        self._process.stop()

    def wait_until_healthy(self) -> None:
        """Wait until it responds. Raises EmulatorFailed if it exits, or does not respond in time."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.alive():
                raise EmulatorFailed(f"The emulator failed to start: {_last_words(self.log)} (see {self.log}).")
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                if self._responds():
                    return
            time.sleep(0.05)
        raise EmulatorFailed(f"The emulator did not respond within {START_TIMEOUT_S:.0f} seconds (see {self.log}).")

    def _responds(self) -> bool:
        """Whether it is this emulator that responds, and not one that was started on the port at the same moment."""
        with _OPENER_WITHOUT_PROXY.open(self.endpoint + HEALTH_PATH, timeout=2):
            pass
        try:
            with _OPENER_WITHOUT_PROXY.open(self.endpoint + PROCESS_PATH, timeout=2) as response:
                return bool(json.load(response) == {"group": self._process.pid})
        except urllib.error.HTTPError:
            return True  # the plain emulator, which does not tell its process
        except ValueError:
            return False  # a server that has a page for every path

    @classmethod
    def _launch(cls, port: int, python: Path, files: EmulatorFiles) -> Self:
        log = _new_log(port)
        with log.open("wb") as output:
            fcntl.flock(output, fcntl.LOCK_SH)  # shared with the process, which holds it as long as it runs
            process = SupervisedProcess(_command(python, port), env=_environment(port, files), output=output)
        return cls(process, port, log)


_OPENER_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """A loopback port that is free at the moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server can listen on the loopback port. An outgoing connection takes one, too."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closed connection does not count
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def is_listening(port: int) -> bool:
    """Whether a program listens on the loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _environment(port: int, files: EmulatorFiles) -> dict[str, str]:
    """The emulator's environment, which its functions inherit: as on AWS, nothing of the user's shell is in it."""
    enforced = {"AUTH": os.environ["AUTH"]} if "AUTH" in os.environ else {}
    if files.decisions:
        enforced = {"AUTH": "true", DECISIONS_VARIABLE: str(files.decisions)}
    kept = {STATE_VARIABLE: str(files.state)} if files.state else {}
    return bare_environment(**SETTINGS, **kept, **enforced, GATEWAY_PORT=str(port), MINISTACK_REGION=REGION)


def _command(python: Path, port: int) -> list[str | Path]:
    """The emulator's command, with uvicorn if installed: calls take a third less time than with its own server."""
    if not python.with_name("uvicorn").exists():
        return [python, "-m", "ministack"]
    return [
        *(
            python,
            "-m",
            "uvicorn",
            "local.emulation.app:app",
            "--app-dir",
            ROOT,
            "--host",
            HOST,
            "--port",
            str(port),
        ),
        *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
        *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "1"),
    ]


def _new_log(port: int) -> Path:
    LOGS.mkdir(parents=True, exist_ok=True)
    # sorted by name, which starts with the time; a concurrent start may remove the same files
    for old in sorted(LOGS.glob("emulator-*.log"))[: 1 - MAX_LOGS]:
        if not is_locked(old):  # no running emulator writes it
            old.unlink(missing_ok=True)
    return LOGS / f"emulator-{time.strftime('%Y%m%d-%H%M%S')}-{port}.log"


def _reason(error: Exception) -> str:
    """Return what the emulator responded, such as that the disk is full; otherwise the error."""
    told = error.read().decode(errors="replace").strip() if isinstance(error, urllib.error.HTTPError) else ""
    return told.rstrip(".") or str(error)


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix(_ERROR).strip() for line in lines if line.startswith(_ERROR)]
    # the web server's last error says only that there was one
    telling = [line for line in errors if "Application startup failed" not in line] or lines
    return telling[-1] if telling else "no output"
