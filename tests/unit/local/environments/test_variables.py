"""Variables of the shell change neither what `make` and `tailrace` run nor what they install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.environments import environment, setup
from tests.unit.local.environments.programs import program

HOSTILE = {
    "PYTHONPATH": "/opt/ros/lib/python3/dist-packages",
    "PYTHONHOME": "/opt/python",
    "PYTHONSAFEPATH": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PIP_USER": "yes",
    "PIP_TARGET": "/opt/packages",
    "PIP_PREFIX": "/opt",
    "PIP_REQUIRE_HASHES": "1",
}


def make(python: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "setup", f"PYTHON3={python}"]
    return subprocess.run(
        command, cwd=setup.ROOT, env=os.environ | variables, capture_output=True, text=True, check=False
    )


def test_make_passes_on_no_variable_that_changes_what_runs_or_where_packages_go(tmp_path: Path) -> None:
    """A package for another Python in PYTHONPATH ended everything in a traceback; assertions were disabled."""
    python = program(tmp_path / "python3")
    python.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\n", encoding="utf-8")
    said = make(python, **HOSTILE, PIP_INDEX_URL="https://pypi.company", PYTHONIOENCODING="ascii")
    assert said.returncode == 0, said.stderr
    found = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert found.keys() & HOSTILE.keys() == set()
    assert found["PIP_INDEX_URL"] == "https://pypi.company"
    assert found["PYTHONIOENCODING"] == ":replace"


def test_an_old_python_is_one_sentence(tmp_path: Path) -> None:
    """RHEL 8 has Python 3.6, which said: future feature annotations is not defined."""
    python = program(tmp_path / "python3")
    python.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/calls\nexit 1\n', encoding="utf-8")
    said = make(python)
    assert said.returncode != 0
    assert f"setup: {python} does not start or is older than Python 3.9: install a newer one" in said.stderr
    assert (tmp_path / "calls").read_text() == "-c\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository whose environment dev is complete, with an interpreter that prints what it gets."""
    python = program(tmp_path / ".venv" / "bin" / "python")
    python.write_text('#!/bin/sh\necho "$PYTHONPATH|$PYTHONOPTIMIZE$PYTHONHOME|$@"\n', encoding="utf-8")
    (tmp_path / ".venv" / "lib" / "python3.13" / "site-packages").mkdir(parents=True)
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    lock, home = setup.LOCKS / "dev.txt", environment.real_path(tmp_path / ".venv")
    environment.write_stamp(tmp_path / ".venv", environment.digest(lock, setup.UV, setup.PYTHON, home))
    setup.dev()
    return tmp_path


def test_the_command_runs_with_assertions_and_with_the_modules_of_this_checkout(checkout: Path) -> None:
    """A definition's assertions are part of its meaning: without them, its fingerprint differed."""
    command = [str(checkout / ".venv" / "bin" / "tailrace"), "plan", "a b"]
    said = subprocess.run(command, env=os.environ | HOSTILE, capture_output=True, text=True, check=True)
    assert said.stdout == f"{checkout}||-P -m cli plan a b\n"


def test_the_layer_is_that_of_the_checkout_wherever_it_is(checkout: Path) -> None:
    packages = checkout / ".venv" / "lib" / "python3.13" / "site-packages"
    (checkout / "layers" / "tailrace").mkdir(parents=True)
    script = "import site, sys; site.addsitedir(sys.argv[1]); print(sys.path[-1])"
    command = [sys.executable, "-c", script, str(packages)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout == f"{checkout}/layers/tailrace\n"


def test_a_complete_environment_is_only_read(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be another user's, and in use: a command that is rewritten is empty for a moment."""

    def refused(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_text", refused)
    monkeypatch.setattr(Path, "chmod", refused)
    setup.dev()


def test_a_command_that_was_not_made_completely_is_made_again(checkout: Path) -> None:
    command = checkout / ".venv" / "bin" / "tailrace"
    complete = command.read_bytes()
    for spoiled in (b"", b"\xff"):
        command.write_bytes(spoiled)
        command.chmod(0o644)
        setup.dev()
        assert command.read_bytes() == complete
        assert os.access(command, os.X_OK)


@pytest.mark.parametrize("script", ["{0} > /dev/null", "PYTHONIOENCODING=ascii {0}", "{0} >&-", "{0} >&- 2>&-"])
def test_progress_is_printed_wherever_it_can_be(script: str) -> None:
    statements = "from local.environments.environment import *; prepare_process(); print_status('fetching …')"
    command = script.format(f'"{sys.executable}" -c "{statements}"')
    said = subprocess.run(["/bin/sh", "-c", command], cwd=setup.ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


def test_the_output_of_a_command_may_be_in_any_encoding() -> None:
    command = [sys.executable, "-c", r"import os; os.write(1, b'f\xfcr \xe2\x80\xa6')"]
    assert environment.run_command(command, "") == "f\ufffdr …"


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_the_layer_is_built_where_it_belongs(architecture: str, tmp_path: Path) -> None:
    """With PYTHONPYCACHEPREFIX, it had no bytecode, and each cold start compiled all its imports."""
    layer = tmp_path / "layer"
    shutil.copytree(setup.ROOT / "layers" / "tailrace" / "platforms", layer / "platforms")
    shutil.copy(setup.ROOT / "layers" / "tailrace" / "Makefile", layer)
    python = program(tmp_path / "python3.13")
    python.write_text(f'#!/bin/sh\nenv >> {tmp_path}/env\necho "$@" >> {tmp_path}/calls\n', encoding="utf-8")
    hostile = HOSTILE | {"PYTHONPYCACHEPREFIX": "/opt/bytecode", "ARTIFACTS_DIR": str(tmp_path / "out")}
    command = ["make", "-f", "../../Makefile", "build-TailraceLayer", f"PYTHON={python}"]
    (tmp_path / "out").mkdir()
    subprocess.run(
        command, cwd=layer / "platforms" / architecture, env=os.environ | hostile, check=True, capture_output=True
    )
    found = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert found & {"PIP_USER", "PIP_PREFIX", "PYTHONOPTIMIZE", "PYTHONPYCACHEPREFIX"} == set()
    installs = [line for line in (tmp_path / "calls").read_text().splitlines() if "pip install" in line]
    assert ["--no-user" in line for line in installs] == [True]


@pytest.mark.parametrize(("home", "cache"), [(".", ""), ("missing", "{}/.npm-cache")])
def test_sam_build_needs_no_home_folder(home: str, cache: str, tmp_path: Path) -> None:
    """Npm makes its cache there, and installed nothing for a user without one, as in a container."""
    shutil.copy(setup.ROOT / "functions" / "dashboard" / "Makefile", tmp_path)
    npm = tmp_path / "npm"
    npm.write_text('#!/bin/sh\necho "$npm_config_cache"\n', encoding="utf-8")
    npm.chmod(0o755)
    variables = os.environ | {"HOME": str(tmp_path / home), "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    variables.pop("npm_config_cache", None)
    command = ["make", "--no-print-directory", "packages"]
    said = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True).stdout
    assert said == f"{cache.format(tmp_path)}\n"
