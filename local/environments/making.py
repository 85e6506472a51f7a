"""What making an environment takes: commands, and the stamp that tells a whole one. For setup.py: Python 3.9."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

STAMP = ".made-from"  # an environment's last file: it says that the rest is whole, and what it was made from


class SetupError(Exception):
    """Something is missing; the message says what, and how to get it."""


def say(text: str) -> None:
    """Tell what is being done."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(command: list[str], missing: str, **options: object) -> str:
    """Run a command and return what it printed.

    Raises:
        SetupError: it failed; ``missing`` says what that means, and the command's own last lines follow.
    """
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )
    except OSError as error:
        raise SetupError(f"{missing}\n  {command[0]}: {error.strerror}") from error
    if done.returncode:
        tail = "\n  ".join(done.stdout.strip().splitlines()[-8:])
        raise SetupError(f"{missing}\n  {tail}")
    return str(done.stdout)


def current(home: Path, made_from: str) -> bool:
    """Tell whether an environment is whole and made from this."""
    try:
        return (home / STAMP).read_text(encoding="utf-8") == made_from
    except OSError:
        return False


def stamp(home: Path, made_from: str) -> None:
    """Say that an environment is whole; always the last step."""
    (home / STAMP).write_text(made_from, encoding="utf-8")


def remove(home: Path) -> None:
    """Remove an environment, its stamp first: what is half removed must not look whole."""
    if (home / STAMP).exists():
        (home / STAMP).unlink()
    shutil.rmtree(home, ignore_errors=True)


def digest(*parts: object) -> str:
    """Return a digest of files' contents and other things."""
    together = hashlib.sha256()
    for part in parts:
        together.update(part.read_bytes() if isinstance(part, Path) else str(part).encode())
    return together.hexdigest()
