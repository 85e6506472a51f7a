"""Environments are complete or not there, one setup waits for another, and a failed command says what to do."""

import errno
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

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


def test_a_full_disk_is_not_taken_for_the_network() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('No space left on device (os error 28)')"]
    for hint in ("Not fetched.", f"Not fetched. {environment.NETWORK_HINT}"):
        told = r"^Not fetched\. There is no space left on a disk\.\n  No space"
        with pytest.raises(environment.SetupError, match=told):
            environment.run_command(command, hint)


@pytest.mark.parametrize("text", ["Read-only file system (os error 30)", "EACCES: permission denied, mkdir '/x'"])
def test_a_folder_that_cannot_be_written_is_not_taken_for_the_network(text: str) -> None:
    """Such as the cache of a package manager in a home that is not writable."""
    command = [sys.executable, "-c", f"import sys; sys.exit({text!r})"]
    told = f"^Not fetched. A file or folder cannot be written.\n  {re.escape(text)}$"
    with pytest.raises(environment.SetupError, match=told):
        environment.run_command(command, f"Not fetched. {environment.NETWORK_HINT}")


@pytest.mark.parametrize("given", [{}, {"UV_CACHE_DIR": "/cache"}])
def test_caches_are_in_this_folder_if_the_home_folder_cannot_be_written(
    given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container without a home for its user: neither uv nor npm installs anything without a cache."""
    for name in ("UV_CACHE_DIR", "npm_config_cache"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-c", "import os; print([*map(os.environ.get, ('UV_CACHE_DIR', 'npm_config_cache'))])"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert environment.run_command(command, "") == f"{[given.get('UV_CACHE_DIR'), None]}\n"
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    uv, npm = (str(environment.CACHES / name) for name in ("uv", "npm"))
    assert environment.run_command(command, "") == f"{[given.get('UV_CACHE_DIR', uv), npm]}\n"


def test_a_full_disk_is_named_by_a_write_that_names_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(setup, "TOOLS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["setup.py", "dev"])
    monkeypatch.setitem(setup.ENVIRONMENTS, "dev", fail)
    assert setup.main() == 1
    assert f"No space left on device: check the disks of {setup.ROOT} and " in capsys.readouterr().err


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


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a setup whose command runs until it is ended, and has written its process id."""
    script = (
        "import signal, sys; from pathlib import Path; from local.environments import environment\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # which nohup, if it runs the tests, would pass on as ignored
        "environment.prepare_process()\n"
        "with environment.setup_lock(Path(sys.argv[1])):\n"
        "    environment.run_command(['/bin/sh', '-c', 'echo $$ > number; exec sleep 60'], '', cwd=sys.argv[1])\n"
    )
    setting_up = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=setup.ROOT)
    number = tmp_path / "number"
    wait_until(lambda: number.exists() and bool(number.read_text()))
    time.sleep(0.5)  # it may not know yet that the command has started
    yield setting_up
    setting_up.kill()
    setting_up.wait()
    with suppress(ProcessLookupError):
        os.kill(int(number.read_text()), signal.SIGKILL)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_free(folder: Path) -> bool:
    with (folder / ".setup.lock").open() as file, suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_setup_that_is_ended_ends_its_command(
    running: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    running.send_signal(number)
    running.wait(20)
    wait_until(lambda: is_free(tmp_path))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "number").read_text()), 0)


def test_a_setup_waits_for_the_command_of_one_that_was_killed(running: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Before, both installed into the same environment."""
    running.kill()
    running.wait()
    assert not is_free(tmp_path)
    os.kill(int((tmp_path / "number").read_text()), signal.SIGKILL)
    wait_until(lambda: is_free(tmp_path))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_complete_environments_of_another_user_can_be_locked(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with environment.setup_lock(tmp_path):
        pass
    opened = Path.open

    def read_only(self: Path, mode: str = "r", **options: Any) -> Any:
        if mode != "r":
            raise OSError(code, os.strerror(code), str(self))
        return opened(self, mode, **options)

    monkeypatch.setattr(Path, "open", read_only)
    with environment.setup_lock(tmp_path):
        assert not is_free(tmp_path)
    (tmp_path / ".setup.lock").unlink()
    with pytest.raises(OSError, match=os.strerror(code)):
        environment.setup_lock(tmp_path)


def test_a_path_is_the_same_whatever_the_locale(tmp_path: Path) -> None:
    """In an ASCII locale, the two bytes of an umlaut cannot be decoded."""
    script = (
        "import os, sys; from pathlib import Path; from local.environments import environment\n"
        "environment.write_if_changed(Path(sys.argv[1]), os.environ['NAME'])\n"
        "print(environment.digest(os.environ['NAME']))\n"
        "command = [sys.executable, '-I', '-c', 'import sys; print(ascii(sys.argv[1]))', os.environ['NAME']]\n"
        "print(environment.run_command(command, ''))"
    )
    command = [sys.executable, "-X", "utf8=0", "-c", script, str(tmp_path / "layer.pth")]
    plain = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "NAME": "Größe"}
    said = subprocess.run(command, cwd=setup.ROOT, env=plain, capture_output=True, text=True, check=True)
    assert said.stdout.split() == [environment.digest("Größe"), r"'Gr\xf6\xdfe'"]
    assert (tmp_path / "layer.pth").read_text(encoding="utf-8") == "Größe"


def test_an_interruption_while_the_setup_starts_prints_no_traceback(tmp_path: Path) -> None:
    """Every target starts with a setup. The module that it imports first interrupts it."""
    (tmp_path / "argparse.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)\n", encoding="utf-8")
    command = [sys.executable, setup.__file__, "nothing"]
    said = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize("name", ["a:b", 'a"b', "$HOME", "a`b", "a\tb"])
def test_a_path_that_make_reads_as_something_else_is_one_sentence(name: str, tmp_path: Path) -> None:
    """Before, the setup failed late, at a folder that does not exist."""
    with pytest.raises(environment.SetupError, match="move or rename the folder"):
        environment.setup_lock(tmp_path / name / ".tools")
    (tmp_path / "it's a Größe #1 %s").mkdir()
    with environment.setup_lock(tmp_path / "it's a Größe #1 %s" / ".tools"):
        pass
