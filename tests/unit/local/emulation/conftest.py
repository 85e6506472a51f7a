"""Processes that start as the emulator starts those of functions."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from local.deployment.layers import pointer_text
from local.emulation.forking import LAYERS, ForkedProcess, ForkServers, fork_functions

type Start = Callable[..., Any]
type Run = Callable[..., ForkedProcess]


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """Make a mounted layer, whose engine has a module that cannot be imported."""
    engine = tmp_path / "mounted" / "python" / "tailrace"
    (engine / "room").mkdir(parents=True)  # without an __init__.py, as most folders of the engine
    (engine / "__init__.py").write_text("")
    for module in ("shared.py", "room/shared.py"):
        (engine / module).write_text("import os\nIMPORTED_BY = os.getpid()\n")
    (engine / "broken.py").write_text("raise RuntimeError('it is broken')\n")
    return mounted(tmp_path / "layer", engine.parent)


def mounted(layer: Path, python_folder: Path) -> Path:
    packages = layer / "python" / "lib" / "python3.13" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "mounted.pth").write_text(pointer_text(python_folder))
    return layer


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return what the emulator calls instead of `subprocess.Popen`."""
    found: list[ForkServers] = []
    made = ForkServers.__init__

    def noted(self: ForkServers) -> None:
        made(self)
        found.append(self)

    if sys.platform == "darwin":
        pytest.skip("nothing is forked on macOS")
    monkeypatch.setattr(ForkServers, "__init__", noted)
    runtime: dict[str, Any] = {}
    fork_functions(runtime)
    yield runtime["subprocess"].Popen
    for server in found[0]._servers.values():
        server.stop()


@pytest.fixture
def run(start: Start, tmp_path: Path, layer: Path) -> Iterator[Run]:
    """Start a script as the emulator starts a function with a mounted layer."""
    started: list[Any] = []
    numbers = count()

    def run(script: str, **variables: str) -> Any:
        path = tmp_path / f"worker{next(numbers)}.py"
        path.write_text(script)
        env = {**os.environ, LAYERS: str(layer), **variables}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = start([sys.executable, str(path)], cwd=str(tmp_path), text=True, bufsize=1, env=env, **pipes)
        started.append(process)
        return process

    yield run
    for process in started:
        process.stdin.close()
        assert process.wait(60) is not None
        for file in (process.stdout, process.stderr, getattr(process, "_running", None)):
            if file:
                file.close()
