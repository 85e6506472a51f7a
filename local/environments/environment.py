"""What making an environment takes: commands, and the stamp that tells a whole one. For setup.py: Python 3.9."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

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
