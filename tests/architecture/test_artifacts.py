"""What `sam build` makes is what the template says: the declared architecture, and nothing but what is needed."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.deployment.layers import loads_libraries
from tests.architecture.stack import PAGE, ROOT, STAGES, function_id, template
from tests.sam_build import HOST_ARCHITECTURE, sam_build

# e_machine, two bytes at offset 18 of an ELF file: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
MACHINES = {62: "x86_64", 183: "arm64"}
LARGEST_LAYER_BYTES = 40_000_000

# https://peps.python.org/pep-0552/: bytecode with a hash of its source that no import compares
UNCHECKED_HASH = 1

# Imports a function as Lambda does, and prints the files that had no bytecode.
IMPORTING = """
import importlib.machinery, sys
compile_source = importlib.machinery.SourceFileLoader.source_to_code
def compiled(self, data, path, **options):
    print(path)
    return compile_source(self, data, path, **options)
importlib.machinery.SourceFileLoader.source_to_code = compiled
sys.path[:0] = sys.argv[1:]
import app
"""


@dataclass(frozen=True, slots=True)
class Build:
    """A finished build: the architecture that was asked for, and where it lies."""

    architecture: str
    folder: Path

    @property
    def layer(self) -> Path:
        """The folder that Lambda puts on sys.path."""
        return self.folder / "TailraceLayer" / "python"


@pytest.fixture(scope="module", params=["", "x86_64"], ids=["plain", "x86_64"])
def build(request: pytest.FixtureRequest) -> Build:
    """Run the real `sam build`, with and without an architecture."""
    return Build(request.param or template()["Parameters"]["Architecture"]["Default"], sam_build(request.param))


def machine(library: Path) -> str:
    """Return the architecture that a shared library was compiled for."""
    head = library.read_bytes()[:20]
    assert head[:4] == b"\x7fELF", library
    return MACHINES[int.from_bytes(head[18:20], "little")]


def test_compiled_code_is_for_the_declared_architecture(build: Build) -> None:
    """Whatever the build host is; a wheel of the wrong kind would fail at the first import on Lambda."""
    libraries = sorted(build.layer.rglob("*.so"))
    assert libraries
    assert {machine(library) for library in libraries} == {build.architecture}


def test_the_layer_holds_the_engine_and_the_pipeline_and_fits(build: Build) -> None:
    """Beside the dependencies; Lambda unpacks 250 MB at most, and a cold start reads what it needs of it."""
    assert (build.layer / "tailrace" / "aws").is_dir()
    assert (build.layer / "pipeline" / "definition.py").is_file()
    assert list((build.layer / "pipeline").rglob("*.schema.json"))
    assert sum(path.stat().st_size for path in build.layer.rglob("*") if path.is_file()) < LARGEST_LAYER_BYTES


def test_every_module_of_the_layer_is_compiled_for_the_templates_python(build: Build) -> None:
    """Lambda cannot store bytecode, so without it each cold start would compile what it imports."""
    sources = sorted(build.layer.rglob("*.py"))
    assert len(sources) > 500
    for source in sources:
        head = Path(importlib.util.cache_from_source(str(source))).read_bytes()[:8]
        assert head == importlib.util.MAGIC_NUMBER + UNCHECKED_HASH.to_bytes(4, "little"), source


@pytest.mark.skipif(not loads_libraries(), reason="this machine does not load modules that are compiled for Lambda")
@pytest.mark.parametrize("stage", STAGES)
def test_a_start_compiles_nothing_but_the_handler(stage: str) -> None:
    """The layer's bytecode is used, although its files are newer than it says."""
    folder = sam_build(HOST_ARCHITECTURE)
    paths = [folder / "TailraceLayer" / "python", folder / function_id(stage)]
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-S", "-c", IMPORTING, *map(str, paths)]
    started = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (started.stderr, started.returncode) == ("", 0)
    assert started.stdout.splitlines() == [str(paths[1] / "app.py")]


def test_the_sdk_knows_the_services_that_the_functions_call_and_no_others(build: Build) -> None:
    """Every start would parse the rest, and the layer would be twice as large."""
    engine = ROOT / "layers" / "tailrace" / "tailrace"
    called = {
        name for path in engine.rglob("*.py") for name in re.findall(r'\bLiteral\["(\w+)"\]\) -> "', path.read_text())
    }
    services = {path.name for path in (build.layer / "botocore" / "data").iterdir() if path.is_dir()}
    assert called == services


def test_the_build_holds_no_leftovers(build: Build) -> None:
    """No tests, no caches but bytecode, no input of a lock file or of the build in what is ours."""
    ours = [*(build.layer / "tailrace").rglob("*"), *(build.layer / "pipeline").rglob("*"), *build.layer.glob("*")]
    names = {path.name for path in ours}
    assert not names & {"tests", "local", "cli", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
    assert not names & {"Makefile", "platforms", "slim_sdk.py", "bin"}
    assert not [name for name in names if name.endswith((".in", ".md"))]


@pytest.mark.parametrize("stage", STAGES)
def test_a_function_ships_its_handler_only(build: Build, stage: str) -> None:
    """Everything else is in the layer."""
    assert [path.name for path in (build.folder / function_id(stage)).rglob("*")] == ["app.py"]


def test_the_dashboard_ships_its_handler_and_the_site(build: Build) -> None:
    """The page as it is written, and of each library what a browser reads, with its licence; no package, no lock."""
    folder = build.folder / function_id(PAGE)
    page = ROOT / "functions" / "dashboard" / "page"
    ours = {f"site/{path.relative_to(page).as_posix()}" for path in page.rglob("*") if path.is_file()}
    theirs = {f"site/vendor/uplot/{name}" for name in ("uPlot.esm.js", "uPlot.min.css", "LICENSE")}
    names = ("oidc-client-ts.min.js", "LICENSE", "LICENSE-jwt-decode")
    theirs |= {f"site/vendor/oidc-client-ts/{name}" for name in names}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"app.py"} | ours | theirs
    for name in ours:
        assert (folder / name).read_bytes() == (page / name.removeprefix("site/")).read_bytes()
    assert all((folder / name).stat().st_size > 1000 for name in theirs)


def test_the_dashboards_libraries_are_locked_whole() -> None:
    """Each package with its version and its integrity, and none that is not there for the page."""
    lock = json.loads((ROOT / "functions" / "dashboard" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    asked = json.loads((ROOT / "functions" / "dashboard" / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked.values())
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-")
        assert not {"resolved", "hasInstallScript"} & entry.keys()
        assert asked.get(name.removeprefix("node_modules/"), entry["version"]) == entry["version"]
