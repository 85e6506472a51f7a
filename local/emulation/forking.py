"""Start the processes of Python functions as forks of one that has imported what they share: see `fork_server`.

Runs in the emulator's process. A stack starts about ten processes, each of which would import the SDK and the engine
for 0.2 s of CPU time before it imports its own function.

On macOS, they do, because system libraries crash in forks: https://docs.python.org/3/library/os.html#os.fork
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

SERVER_SCRIPT = Path(__file__).with_name("fork_server.py")
SIZE_BYTES = 4  # as in the script, which starts faster without importing from here

LAYERS = "_LAMBDA_LAYERS_DIRS"
"""The variable in which the emulator names the folders of a function's layers."""

READ_AT_START = ("PYTHON", "LD_", "DYLD_", "MALLOC_", "POWERTOOLS_DEBUG")
"""Prefixes of variables that are read when Python starts, or when a shared module is imported."""

MAX_SERVERS = 4
EXITED = 1

type Json = dict[str, Any]


def fork_functions(runtime: Json, *, forks: bool = sys.platform != "darwin") -> None:
    """Let the emulator's module with these names fork the processes of Python functions whose layers are mounted.

    Without `forks`, each is started by itself.
    """
    servers = ForkServers()

    def start(command: Sequence[str], **options: Any) -> "subprocess.Popen[str] | ForkedProcess":
        folders = shared_layers(options.get("env", {})) if forks and command[0] == sys.executable else []
        if not folders:
            if options.get("text"):
                # after bytes that are not UTF-8, the emulator would stop reading, and a full pipe blocks the function
                options.setdefault("errors", "replace")
            return subprocess.Popen(command, **options)
        return servers.fork(folders, {"script": command[1], "cwd": options["cwd"], "env": options["env"]})

    runtime["subprocess"] = SimpleNamespace(**{**vars(subprocess), "Popen": start})


def shared_layers(env: Mapping[str, str]) -> list[Path]:
    """Return the site packages of a function's layers, or nothing if the function needs a process of its own.

    That is the case if a layer is not mounted, because it is then in a folder of the function's process.
    """
    if any(name.startswith(READ_AT_START) and os.environ.get(name) != env[name] for name in env):
        return []
    layers = [Path(folder) for folder in env.get(LAYERS, "").split(os.pathsep) if folder]
    found = [next(layer.glob("python/lib/python*/site-packages/mounted.pth"), None) for layer in layers]
    return [pointer.parent for pointer in found if pointer] if all(found) else []


class ForkServers:
    """A fork server for each set of layers, the latest few."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, ...], ForkServer] = {}

    def fork(self, folders: Sequence[Path], request: Json) -> "ForkedProcess":
        """Fork a process that runs the request's script. Raises OSError if it cannot be started."""
        layers = tuple((folder / "mounted.pth").read_text() for folder in folders)
        with self._lock:
            server = self._servers.pop(layers, None)
            if server and not server.is_running():
                server.stop()
                server = None
            server = server or ForkServer(folders)
            self._servers[layers] = server
            while len(self._servers) > MAX_SERVERS:
                self._servers.pop(next(iter(self._servers))).stop()
            return server.fork(request)


class ForkServer:
    """A running server."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._requests, served = socket.socketpair()
        with served:
            command = [sys.executable, str(SERVER_SCRIPT), *map(str, folders)]
            # Forks use the server's standard streams: none is a terminal, as in a function.
            self.process = subprocess.Popen(command, stdin=served.fileno(), stdout=subprocess.DEVNULL)

    def is_running(self) -> bool:
        """Whether the server can fork."""
        return self.process.poll() is None

    def fork(self, request: Json) -> "ForkedProcess":
        """Fork a process. Raises OSError if the server does not respond."""
        content = json.dumps(request).encode()
        (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr), (running, held) = (os.pipe() for _ in range(4))
        process = ForkedProcess(running, to_stdin, from_stdout, from_stderr)
        try:
            size = len(content).to_bytes(SIZE_BYTES)
            socket.send_fds(self._requests, [size], [stdin, stdout, stderr, held])
            self._requests.sendall(content)
            process.pid = int.from_bytes(self._requests.recv(SIZE_BYTES, socket.MSG_WAITALL))
        finally:
            for file in (stdin, stdout, stderr, held):
                os.close(file)
        if not process.pid:
            raise ConnectionError("The fork server exited.")
        return process

    def stop(self) -> None:
        """End the server. Its forks run on."""
        self._requests.close()
        self.process.wait()


class ForkedProcess:
    """A forked process, with the part of `subprocess.Popen` that the emulator uses."""

    def __init__(self, running: int, stdin: int, stdout: int, stderr: int) -> None:
        """`running` is the end of a pipe whose other end the process holds as long as it runs."""
        self.pid = 0
        self._running: IO[bytes] = open(running, "rb", buffering=0)  # noqa: SIM115 - open as long as the object
        self.stdin: IO[str] = open(stdin, "w", buffering=1, encoding="utf-8")  # noqa: SIM115
        self.stdout: IO[str] = open(stdout, encoding="utf-8")  # noqa: SIM115
        self.stderr: IO[str] = open(stderr, encoding="utf-8", errors="replace")  # noqa: SIM115

    def poll(self) -> int | None:
        """Return EXITED, whatever the status, if the process has exited, otherwise None."""
        return EXITED if self._exits_within(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the process to exit. Raises subprocess.TimeoutExpired."""
        if not self._exits_within(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return EXITED

    def terminate(self) -> None:
        """Ask the process to exit."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Let the process exit at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:  # afterwards, the id may be another process's
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _exits_within(self, timeout_s: float | None) -> bool:
        exit_ = select.poll()
        exit_.register(self._running, select.POLLIN)
        return bool(exit_.poll(None if timeout_s is None else timeout_s * 1000))
