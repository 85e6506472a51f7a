"""Mount the built layers instead of shipping them.

The emulator unzips every layer again for each function process, which then compiles what it imports: with 2,800 files,
3 s of CPU time for each process. AWS does neither, and `sam local invoke` mounts the layer's folder into the
container. This module does the same: it moves the layer's folder out of the build, compiles it once, and replaces it
with a layer of one file that puts the folder at the front of `sys.path`.

Layers hold modules that are compiled for Lambda's Linux. Where they cannot be loaded, on macOS or musl, those of this
environment take their place: its packages have the same versions.
"""

import os
import shutil
import sysconfig
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from local.deployment.processes import SupervisedProcess, clean_environment

LIBRARIES = {"arm64": "-aarch64-linux-gnu", "x86_64": "-x86_64-linux-gnu"}
"""How the names of compiled modules end on Lambda, before `.so`."""

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
        if not loads_libraries():
            use_own_libraries(layer_folder / "python", Path(sysconfig.get_path("platlib")))
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


def loads_libraries() -> bool:
    """Whether this machine's Python loads modules that are compiled for Lambda."""
    return str(sysconfig.get_config_var("EXT_SUFFIX")).removesuffix(".so").endswith(tuple(LIBRARIES.values()))


def use_own_libraries(python_folder: Path, packages: Path) -> None:
    """Replace the compiled modules in a layer's folder with those of the same packages in another folder."""
    for library in list(python_folder.rglob("*.so")):
        for own in _own_libraries(packages / library.relative_to(python_folder)):
            library.unlink(missing_ok=True)
            shutil.copy(own, library.parent)


def _own_libraries(library: Path) -> Iterator[Path]:
    """Yield the modules with the name of a library that this Python loads, in its folder."""
    module = library.name.partition(".")[0]
    return (path for suffix in EXTENSION_SUFFIXES if (path := library.with_name(module + suffix)).is_file())


def pointer_text(python_folder: Path) -> str:
    """The line that puts a mounted layer at the front of `sys.path`."""
    return f"import sys; sys.path.insert(0, {str(python_folder)!r})\n"
