"""Mount the built layers instead of shipping them.

The emulator unzips every layer anew for every process that runs a function, and each of them then compiles what it
imports: 3 s of processor time a process, with 2,800 files. AWS does neither, and `sam local invoke` mounts the layer's
folder into the container. So does this: the folder that `sam build` made is set aside, compiled once, and in its
place comes a layer of one file, which puts that folder at the front of `sys.path`.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

KEPT = 2
"""Sets of layers that stay on disk: a stack that still runs may use the one before the newest."""


def mount_layers(build: Path, home: Path, python: Path) -> None:
    """Move every layer in the folder `build` to `home`, and leave a pointer in its place.

    Layers are the folders that hold `python/`; functions hold their modules themselves. `python` is the interpreter
    that runs the functions: it compiles them, as far as they can be compiled.
    """
    shutil.rmtree(home, ignore_errors=True)
    for layer in sorted(path.parent for path in build.glob("*/python")):
        target = home / layer.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(layer, target)
        # In Lambda's order: the layer before everything that the interpreter brings along.
        site = layer / "python" / "lib" / "python3.13" / "site-packages"
        site.mkdir(parents=True)
        (site / "mounted.pth").write_text(f"import sys; sys.path.insert(0, {str(target / 'python')!r})\n")
        subprocess.run([python, "-m", "compileall", "-q", "-j", "0", target], check=False)  # noqa: S603
    _forget_old(home)


def _forget_old(newest: Path) -> None:
    homes = sorted(newest.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for home in homes[KEPT:]:
        if home != newest:
            shutil.rmtree(home, ignore_errors=True)
