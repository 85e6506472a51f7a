"""Environments are complete or not there, one setup waits for another, and a failed command says what to do."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.environments import environment, setup


def test_an_environment_is_complete_only_with_its_stamp(tmp_path: Path) -> None:
    assert not environment.is_current(tmp_path, "a")
    environment.write_stamp(tmp_path, "a")
    assert environment.is_current(tmp_path, "a")
    assert not environment.is_current(tmp_path, "b")


def test_a_partly_removed_environment_is_not_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.write_stamp(tmp_path, "a")
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # interrupted before it removed anything
    environment.remove_environment(tmp_path)
    assert not environment.is_current(tmp_path, "a")


def test_a_failed_command_reports_the_hint_and_its_last_output() -> None:
    with pytest.raises(environment.SetupError, match=r"no network\?\n  last words"):
        environment.run_command([sys.executable, "-c", "import sys; sys.exit('last words')"], "no network?")
    with pytest.raises(environment.SetupError, match=r"get it there\n  no-such-program: No such file"):
        environment.run_command(["no-such-program"], "get it there")


def test_a_second_setup_waits_for_the_first(tmp_path: Path) -> None:
    second = (
        "import sys; from pathlib import Path; from local.environments import environment; "
        "environment.setup_lock(Path(sys.argv[1])); print('my turn')"
    )
    with environment.setup_lock(tmp_path):
        waiting = subprocess.Popen(
            [sys.executable, "-c", second, str(tmp_path)], cwd=setup.ROOT, stdout=subprocess.PIPE, text=True
        )
        assert waiting.stdout is not None
        assert "waiting" in waiting.stdout.readline()
    assert waiting.communicate(timeout=20)[0] == "my turn\n"
