"""Find Python interpreters on this machine. Standard library only; runs on Python 3.9 and newer."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
from pathlib import Path

# Where version managers and package managers install interpreters: variable, default folder, pattern.
MANAGER_LOCATIONS = [
    ("PYENV_ROOT", "~/.pyenv", "versions/{v}.*/bin/python{v}"),
    ("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python", "cpython-{v}*/bin/python{v}"),
    ("MISE_DATA_DIR", "~/.local/share/mise", "installs/python/{v}*/bin/python{v}"),
    ("ASDF_DATA_DIR", "~/.asdf", "installs/python/{v}*/bin/python{v}"),
    ("HOMEBREW_PREFIX", "/opt/homebrew", "opt/python@{v}/bin/python{v}"),
    ("", "/usr/local", "opt/python@{v}/bin/python{v}"),
    ("", "/Library/Frameworks/Python.framework", "Versions/{v}/bin/python{v}"),
    ("", "/opt/python", "{v}*/bin/python{v}"),
]


def resolve_interpreter(candidate: str, version: str) -> Path | None:
    """Return the interpreter behind a name if it has the version, or None. A version manager's shim is resolved.

    Free-threaded builds do not count: Lambda has none, and packages need different compiled files for them.
    """
    probe = (
        "import sys, sysconfig; free = sysconfig.get_config_var('Py_GIL_DISABLED'); "
        "print('%d.%d' % sys.version_info[:2] + ('t' if free else '')); print(sys.base_prefix)"
    )
    try:
        done = subprocess.run([candidate, "-c", probe], check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.split("\n")
    if done.returncode or lines[0] != version:
        return None
    paths = (Path(lines[1]) / "bin" / name for name in (f"python{version}", "python3"))
    return next((path for path in paths if path.exists()), None)


def find_interpreter(version: str, tools: Path) -> Path | None:
    """Return an interpreter of a version: this one, or from PATH, a version manager, or a download in ``tools``."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    candidates = [Path(sys.executable), *(Path(folder) / f"python{version}" for folder in folders)]
    fetched = ("", str(tools / "python"), "cpython-{v}*/bin/python{v}")
    # these functions of os.path and glob skip what cannot be read, such as another user's folder in PATH, and a missing
    # home; those of pathlib raise
    for variable, default, pattern in [*MANAGER_LOCATIONS, fetched]:
        home = os.path.expanduser((os.environ.get(variable) or default) if variable else default)  # noqa: PTH111
        found_there = glob.glob(f"{glob.escape(home)}/{pattern.format(v=version)}")  # noqa: PTH207
        candidates += [Path(name) for name in sorted(found_there, reverse=True)]
    for candidate in candidates:
        found = resolve_interpreter(str(candidate), version) if os.path.exists(candidate) else None  # noqa: PTH110
        if found is not None:
            return found
    return None
