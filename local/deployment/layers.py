"""Mount the built layers instead of shipping them.

The emulator unzips every layer again for each function process, which then compiles what it imports: with 2,800 files,
3 s of CPU time for each process. AWS does neither, and `sam local invoke` mounts the layer's folder into the
container. This module does the same: it moves the layer's folder out of the build, compiles it once, and replaces it
with a layer of one file that puts the folder at the front of `sys.path`.
"""

import os
import shutil
from pathlib import Path

from local.deployment.processes import SupervisedProcess, clean_environment

SITE_PACKAGES = Path("python", "lib", "python3.13", "site-packages")


def mount_layers(build: Path, final_folder: Path, python: Path) -> None:
    """Move every layer in the folder `build` to `build/layers` and replace it with a pointer.

    Layers are the folders that contain `python/`; functions have their modules at the top. `build` is renamed to
    `final_folder` later. `python` is the interpreter that runs the functions; it also compiles the layers.
    """
    for layer in sorted(path.parent for path in build.glob("*/python")):
        layer_folder = build / "layers" / layer.name
        layer_folder.parent.mkdir(exist_ok=True)
        shutil.move(layer, layer_folder)
        # Before the interpreter's own packages, like a layer on AWS.
        (layer / SITE_PACKAGES).mkdir(parents=True)
        pointer = pointer_text(final_folder / "layers" / layer.name / "python")
        (layer / SITE_PACKAGES / "mounted.pth").write_text(pointer)
        # Compiled modules contain their path, so compile them for the final one.
        command: list[str | Path] = [
            python,
            "-m",
            "compileall",
            "-q",
            "-j",
            "0",
            "-s",
            build,
            "-p",
            final_folder,
            layer_folder,
        ]
        # In its own session, because on Ctrl-C each compileall worker prints a traceback. Its output is discarded: a
        # module that does not compile fails when it is imported.
        with Path(os.devnull).open("wb") as devnull:
            SupervisedProcess(command, env=clean_environment(), output=devnull).wait()


def pointer_text(python_folder: Path) -> str:
    """The line that puts a mounted layer at the front of `sys.path`."""
    return f"import sys; sys.path.insert(0, {str(python_folder)!r})\n"
