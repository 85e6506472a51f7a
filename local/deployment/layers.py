"""Mount the built layers instead of shipping them.

The emulator unzips every layer anew for every process that runs a function, and each of them then compiles what it
imports: 3 s of processor time a process, with 2,800 files. AWS does neither, and `sam local invoke` mounts the layer's
folder into the container. So does this: the folder that `sam build` made is set aside, compiled once, and in its
place comes a layer of one file, which puts that folder at the front of `sys.path`.
"""

import os
import shutil
from pathlib import Path

from local.deployment.processes import SupervisedProcess, clean_environment

SITE_PACKAGES = Path("python", "lib", "python3.13", "site-packages")


def mount_layers(build: Path, final_folder: Path, python: Path) -> None:
    """Move every layer in the folder `build` to `build/layers`, and leave a pointer in its place.

    Layers are the folders that hold `python/`; functions hold their modules themselves. `final_folder` is the name that
    `build` is going to have. `python` is the interpreter that runs the functions, and compiles them.
    """
    for layer in sorted(path.parent for path in build.glob("*/python")):
        layer_folder = build / "layers" / layer.name
        layer_folder.parent.mkdir(exist_ok=True)
        shutil.move(layer, layer_folder)
        # In front of what the interpreter brings along, as a layer is on AWS.
        path = str(final_folder / "layers" / layer.name / "python")
        (layer / SITE_PACKAGES).mkdir(parents=True)
        (layer / SITE_PACKAGES / "mounted.pth").write_text(f"import sys; sys.path.insert(0, {path!r})\n")
        # The modules know their place from here on, so they are compiled for the name that it is going to have.
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
        # Out of Ctrl-C's reach, which its workers would answer with a traceback each, and without a word: what cannot
        # be compiled is told to whoever imports it.
        with Path(os.devnull).open("wb") as devnull:
            SupervisedProcess(command, env=clean_environment(), output=devnull).wait()
