"""The emulator of AWS: one ministack process on a loopback port, with fresh state at each start.

It runs in an environment of its own (`.tools/emulator`), because it pins botocore, and under the template's
Python, because it runs the functions in its own interpreter.
"""

import contextlib
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from local.deployment.processes import SupervisedProcess, clean_environment
from local.errors import EmulatorFailed, PortInUse, SetupMissing

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".tools" / "emulator" / "bin" / "python"
LOGS = ROOT / ".tailrace" / "logs"
MAX_LOGS = 5
START_TIMEOUT_S = 40.0
START_ATTEMPTS = 3
HOST = "127.0.0.1"
REGION = "us-east-1"

SETTINGS = {
    "BIND_HOST": HOST,
    "MINISTACK_HOST": HOST,  # the host in queue URLs
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "LAMBDA_EXECUTOR": "local",
    # It looks for left-over containers of its own at each start, and may remove some. Not on this machine.
    "DOCKER_HOST": "unix:///nonexistent/docker.sock",
}


class Emulator:
    """A running emulator. Use `start`; `stop` ends it and every worker that it has started."""

    def __init__(self, process: SupervisedProcess, port: int, log: Path) -> None:
        self._process = process
        self.port = port
        self.log = log
        self.endpoint = f"http://{HOST}:{port}"

    @classmethod
    def start(cls, port: int | None = None, *, python: Path = PYTHON) -> Self:
        """Start on `port`, or on a free one, and wait until it answers.

        Raises SetupMissing, PortBusy and EmulatorFailed.
        """
        if not python.exists():
            raise SetupMissing(f"The emulator is not installed ({python.parent.parent} is missing): run `make setup`.")
        for attempt in range(1, START_ATTEMPTS + 1):
            chosen_port = free_port() if port is None else port
            if port is not None and is_listening(port):
                raise PortInUse(f"Port {port} is in use by another program: choose another with PORT=.")
            emulator = cls._launch(chosen_port, python)
            try:
                emulator.wait_until_healthy()
            except EmulatorFailed:
                emulator.stop()
                # A free port may be taken by another program before the emulator has bound it.
                if port is not None or attempt == START_ATTEMPTS:
                    raise
            except BaseException:
                emulator.stop()
                raise
            else:
                return emulator
        raise AssertionError("unreachable")

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def raise_if_gone(self) -> None:
        """Raise EmulatorFailed when the process has ended."""
        if not self.alive():
            raise EmulatorFailed(f"The emulator has ended unexpectedly; its last words are in {self.log}.")

    def stop(self) -> None:
        """End the process, its workers, and remove what they have left on disk."""
        self._process.stop()

    def wait_until_healthy(self) -> None:
        """Wait until it answers. Raises EmulatorFailed when it ends, or does not answer in time."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.alive():
                raise EmulatorFailed(f"The emulator could not be started: {_last_line(self.log)} (see {self.log})")
            with (
                contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
                _OPENER_WITHOUT_PROXY.open(f"{self.endpoint}/_ministack/health", timeout=2),
            ):
                return
            time.sleep(0.05)
        raise EmulatorFailed(f"The emulator did not answer within {START_TIMEOUT_S:.0f} seconds (see {self.log}).")

    @classmethod
    def _launch(cls, port: int, python: Path) -> Self:
        log = _new_log(port)
        environment = clean_environment(**SETTINGS, GATEWAY_PORT=str(port), MINISTACK_REGION=REGION)
        with log.open("wb") as output:
            process = SupervisedProcess(_command(python, port), env=environment, output=output)
        return cls(process, port, log)


_OPENER_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on the loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _command(python: Path, port: int) -> list[str | Path]:
    """The emulator behind a faster HTTP server than its own, where that is installed: a third less time for a call."""
    if not python.with_name("uvicorn").exists():
        return [python, "-m", "ministack"]
    return [
        *(
            python,
            "-m",
            "uvicorn",
            "local.deployment.emulator_app:app",
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
    # by their names, which begin with the time: another start may remove one at this moment
    for old in sorted(LOGS.glob("emulator-*.log"))[: 1 - MAX_LOGS]:
        old.unlink(missing_ok=True)
    return LOGS / f"emulator-{time.strftime('%Y%m%d-%H%M%S')}-{port}.log"


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
