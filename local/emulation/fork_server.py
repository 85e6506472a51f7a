"""Import what functions have in common once, and fork a process for each function that starts.

    python fork_server.py FOLDER ...

The FOLDERs are the site packages of the layers. Standard input is a socket, on which `local.emulation.forking` sends
requests: the size of what follows, with four open files (the process's standard input, output and error, and one that
it keeps open as long as it runs), and then JSON with `script`, `cwd` and `env`. The response is the process id. The
server exits when the socket closes.

Only modules that read neither the environment nor the clock when they are imported may be imported here. So the
definition and the function's own module are not. Unlike separate processes, forks share the seed of string hashes.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import site
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from setproctitle import getproctitle, setproctitle

SHARED = (
    *("asyncio", "botocore.client", "botocore.handlers", "botocore.httpsession", "concurrent.futures"),
    *("aws_lambda_powertools", "aws_lambda_powertools.event_handler", "jsonschema_rs", "msgspec.json", "zoneinfo"),
)
ENGINE = "tailrace"
FILES = 4
SIZE_BYTES = 4


def main() -> None:
    """Serve, and in a forked process run the requested script as the main program."""
    getproctitle()  # finds the title's memory as long as the environment is unchanged
    del sys.path[0]  # the folder of this script
    interpreter_path = [*sys.path]
    for folder in sys.argv[1:]:
        site.addsitedir(folder)
    for name in (*SHARED, *_engine_modules()):
        with suppress(Exception):  # the function that needs the module reports the error
            importlib.import_module(name)
    gc.freeze()  # so that forks share memory that the collector would write to
    request = _serve(socket.socket(fileno=os.dup(0)))
    if request is not None:
        script = request["script"]
        sys.path[:], sys.argv[:] = [str(Path(script).parent), *interpreter_path], [script]
        runpy.run_path(script, run_name="__main__")


def _engine_modules() -> Iterator[str]:
    """Yield the engine's modules, by their files: most folders have no `__init__.py`, so `pkgutil` passes over them."""
    with suppress(ImportError):
        for folder in map(Path, importlib.import_module(ENGINE).__path__):
            for file in sorted(folder.rglob("*.py")):
                yield ".".join((ENGINE, *file.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")


def _serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for each request. Returns the request in the forked process, and None in the server at its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # leave no zombies
    while True:
        size, files, _, _ = socket.recv_fds(requests, SIZE_BYTES, FILES)
        if not size:
            return None
        request = json.loads(requests.recv(int.from_bytes(size), socket.MSG_WAITALL))
        pid = os.fork()
        if pid == 0:
            requests.close()
            _become(request, files)
            return dict(request)
        for file in files:
            os.close(file)
        requests.sendall(pid.to_bytes(SIZE_BYTES))


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Give the forked process what a new process of Python would have."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, running = files
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    os.set_inheritable(running, False)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    setproctitle(f"{sys.executable} {request['script']}")


if __name__ == "__main__":
    main()
