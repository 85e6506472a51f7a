"""`make format` changes the sources and nothing that make has created, also in a folder without .git."""

import shutil
import subprocess
from pathlib import Path

from local.environments.setup import ROOT

CREATED = (
    ".tools/python/cpython-3.13/lib/ast.py",
    ".tailrace/builds/a/app.py",
    ".cache/docs/a.py",
    ".aws-sam/build/a.py",
)


def test_what_make_has_created_is_not_formatted(tmp_path: Path) -> None:
    """Ruff reads .gitignore in repositories only. In an unpacked archive, it rewrote the installed Python."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for name in ("cli/a.py", *CREATED):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    command = [str(ROOT / ".venv" / "bin" / "ruff"), "check", "--no-cache", "--show-files", "."]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    assert {str(Path(path).relative_to(tmp_path)) for path in shown} == {"cli/a.py", "pyproject.toml"}
