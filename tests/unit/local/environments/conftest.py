"""A machine on which nothing is installed."""

import sys
from pathlib import Path

import pytest

from local.environments import interpreters, setup
from tests.unit.local.environments.programs import program


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return an empty folder and reduce PATH to its `bin`; no version manager has an interpreter."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(interpreters, "MANAGER_LOCATIONS", [])
    monkeypatch.setattr(setup, "TOOLS", tmp_path / "tools")
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "old" / "python3", "3.9", str(tmp_path / "old"))))
    monkeypatch.setattr(setup, "fetch_python", lambda: Path("fetched"))
    return tmp_path
