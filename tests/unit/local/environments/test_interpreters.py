"""The choice of the interpreter: the running one, one of the machine or of a version manager, or a downloaded one."""

import os
import pwd
import sys
from pathlib import Path
from typing import Any

import pytest

from local.environments import interpreters, setup
from tests.unit.local.environments.programs import program


def installed(home: Path, version: str = "3.13") -> Path:
    return program(home / "bin" / "python3.13", version, str(home))


def test_the_running_interpreter_is_used_if_it_has_the_version() -> None:
    found = setup.find_python()
    assert found.parents[1] == Path(sys.base_prefix)


def test_a_broken_shim_does_not_hide_an_interpreter_later_in_path(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = program(nothing_installed / "shims" / "python3.13")
    shim.write_text("#!/bin/sh\necho 'python3.13: command not found' >&2\nexit 127\n", encoding="utf-8")
    real = installed(nothing_installed / "usr")
    monkeypatch.setenv("PATH", f"{shim.parent}:{real.parent}")
    assert setup.find_python() == real


def test_a_shim_is_resolved_to_its_interpreter(nothing_installed: Path) -> None:
    real = installed(nothing_installed / "versions" / "3.13.0")
    program(nothing_installed / "bin" / "python3.13", "3.13", str(real.parents[1]))
    assert setup.find_python() == real


def test_a_version_managers_folder_is_searched(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANAGER_ROOT", str(nothing_installed))
    monkeypatch.setattr(interpreters, "MANAGER_LOCATIONS", [("MANAGER_ROOT", "~/none", "versions/{v}.*/bin/python{v}")])
    installed(nothing_installed / "versions" / "3.13.1t", "3.13t")  # free-threaded
    real = installed(nothing_installed / "versions" / "3.13.0")
    assert setup.find_python() == real


def test_closed_folders_and_a_missing_home_are_passed_over(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PATH may name folders of another user, and the user of a container may have no home."""
    closed, real, stat = nothing_installed / "closed", installed(nothing_installed / "usr"), os.stat

    def refused(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(str(closed)):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refused)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    monkeypatch.delenv("HOME")
    managers = [("MANAGER_ROOT", "~/none", "versions/{v}.*/bin/python{v}"), ("", str(closed), "{v}*/bin/python{v}")]
    monkeypatch.setattr(interpreters, "MANAGER_LOCATIONS", managers)
    monkeypatch.setenv("PATH", f"{closed}:{real.parent}")
    assert setup.find_python() == real


def test_an_interpreter_is_downloaded_only_if_there_is_none(nothing_installed: Path) -> None:
    installed(nothing_installed, "3.12")
    assert setup.find_python() == Path("fetched")
