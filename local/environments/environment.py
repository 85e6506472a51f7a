"""Building blocks for setup.py: commands, downloads, and the stamp of a complete environment. Runs on Python 3.9."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import IO

STAMP = ".made-from"  # written last: marks a complete environment and holds the digest of its inputs
NETWORK_HINT = "Check the network connection and proxy settings."


class SetupError(Exception):
    """A step failed; the message says what is missing and how to get it."""


def print_status(text: str) -> None:
    """Print a progress message."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run_command(command: list[str], failure_hint: str, **options: object) -> str:
    """Run a command and return its output.

    Raises:
        SetupError: the command failed. The message is ``failure_hint`` and the last lines of the output.
    """
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )
    except OSError as error:
        raise SetupError(f"{failure_hint}\n  {command[0]}: {error.strerror}") from error
    if done.returncode:
        tail = "\n  ".join(done.stdout.strip().splitlines()[-8:])
        raise SetupError(f"{failure_hint}\n  {tail}")
    return str(done.stdout)


def is_current(home: Path, fingerprint: str) -> bool:
    """Return whether an environment is complete and was made from the inputs with this digest."""
    try:
        return (home / STAMP).read_text(encoding="utf-8") == fingerprint
    except OSError:
        return False


def write_stamp(home: Path, fingerprint: str) -> None:
    """Mark an environment as complete; always the last step."""
    (home / STAMP).write_text(fingerprint, encoding="utf-8")


def remove_environment(home: Path) -> None:
    """Remove an environment, the stamp first, so that a partial removal does not look complete."""
    if (home / STAMP).exists():
        (home / STAMP).unlink()
    shutil.rmtree(home, ignore_errors=True)


def digest(*parts: object) -> str:
    """Return a digest of the contents of files and the text of other values."""
    combined = hashlib.sha256()
    for part in parts:
        combined.update(part.read_bytes() if isinstance(part, Path) else str(part).encode())
    return combined.hexdigest()


def real_path(home: Path) -> str:
    """Return the folder of an environment for its digest: the same for all checkouts that share it by a link."""
    return str(home.resolve())


def npm_ci(npm: str, locked: list[Path], home: Path, fingerprint: str, what: str) -> None:
    """Install ``what`` a package-lock.json locks, unless it is current; ``locked`` are that file and those next to it.

    Scripts of packages are not run.

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
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
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


def setup_lock(folder: Path) -> IO[str]:
    """Lock a folder against other setups, waiting for a running one. The lock ends with this process."""
    import fcntl  # noqa: PLC0415 (not on Windows, which main() rejects with a message)

    folder.mkdir(exist_ok=True)
    lock_file = (folder / ".setup.lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print_status("  waiting for another setup to finish …")
        fcntl.flock(lock_file, fcntl.LOCK_EX)
    return lock_file
