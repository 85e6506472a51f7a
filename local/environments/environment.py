"""What making an environment takes: commands, and the stamp that tells a whole one. For setup.py: Python 3.9."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import IO

STAMP = ".made-from"  # an environment's last file: it says that the rest is whole, and what it was made from


class SetupError(Exception):
    """Something is missing; the message says what, and how to get it."""


def print_status(text: str) -> None:
    """Tell what is being done."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run_command(command: list[str], failure_hint: str, **options: object) -> str:
    """Run a command and return what it printed.

    Raises:
        SetupError: it failed; ``failure_hint`` says what that means, and the command's own last lines follow.
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
    """Tell whether an environment is whole and made from this."""
    try:
        return (home / STAMP).read_text(encoding="utf-8") == fingerprint
    except OSError:
        return False


def write_stamp(home: Path, fingerprint: str) -> None:
    """Say that an environment is whole; always the last step."""
    (home / STAMP).write_text(fingerprint, encoding="utf-8")


def remove_environment(home: Path) -> None:
    """Remove an environment, its stamp first: what is half removed must not look whole."""
    if (home / STAMP).exists():
        (home / STAMP).unlink()
    shutil.rmtree(home, ignore_errors=True)


def digest(*parts: object) -> str:
    """Return a digest of files' contents and other things."""
    combined = hashlib.sha256()
    for part in parts:
        combined.update(part.read_bytes() if isinstance(part, Path) else str(part).encode())
    return combined.hexdigest()


def check_integrity(archive: Path, integrity: str, message: str) -> None:
    """Compare a file with the digest that npm calls its integrity: ``sha512-…``.

    Raises:
        SetupError: it is another file.
    """
    algorithm, _, expected = integrity.partition("-")
    found = base64.b64encode(hashlib.new(algorithm, archive.read_bytes()).digest()).decode()
    if found != expected:
        raise SetupError(f"{message}: {algorithm}-{found}")


def unpack_folder(archive: Path, folder: str, home: Path) -> None:
    """Unpack the members of an archive whose names begin with ``folder``; its integrity was checked before."""
    with tarfile.open(archive) as packed:
        # Newer Pythons filter nevertheless, and warn where that is not asked for.
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        members = [member for member in packed.getmembers() if member.name.startswith(folder)]
        packed.extractall(home, members=members)  # noqa: S202


def setup_lock(folder: Path) -> IO[str]:
    """Wait until no other setup is at work in a folder; our turn ends with this process, however it ends."""
    import fcntl  # noqa: PLC0415 (Windows has none, and is to be told so)

    folder.mkdir(exist_ok=True)
    lock_file = (folder / ".turn").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print_status("  another setup is at work here: waiting for it …")
        fcntl.flock(lock_file, fcntl.LOCK_EX)
    return lock_file
