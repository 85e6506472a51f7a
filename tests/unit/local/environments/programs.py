"""Programs that only print."""

from pathlib import Path


def program(path: Path, *lines: str) -> Path:
    """Write a program that prints these lines whatever its arguments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines), encoding="utf-8")
    path.chmod(0o755)
    return path
