"""The dashboard's modules are short, their imports follow the table in its README, and no import runs in a circle."""

import re
from pathlib import Path

import pytest

from cli.dashboard.server import API
from tests.conftest import ROOT

DASHBOARD = ROOT / "functions" / "dashboard"
PAGE = DASHBOARD / "page"
MAX_LINES = 300
MODULES = {path.relative_to(PAGE).as_posix(): path for path in sorted(PAGE.rglob("*.js"))}
IMPORT = re.compile(r'\b(?:from|import)\b[ (]*"([^"\n]+\.js)"')


def imported(path: Path) -> set[str]:
    """Return what a module imports, statically or dynamically, as paths from the page's folder."""
    names = IMPORT.findall(path.read_text(encoding="utf-8"))
    return {(path.parent / name).resolve().relative_to(PAGE).as_posix() for name in names}


IMPORTS = {name: imported(path) for name, path in MODULES.items()}


def folder_of(module: str) -> str:
    """Return the folder of a module; empty for the page's own."""
    return module.rpartition("/")[0]


def table() -> dict[str, set[str]]:
    """Return the README's table: for each folder, the folders that it may import."""
    text = (DASHBOARD / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)
    return {folder: set(re.findall(r"`([a-z_]+)`", allowed)) for folder, allowed in rows}


TABLE = table()


def test_the_table_lists_the_pages_folders_and_the_imports_that_they_need() -> None:
    used: dict[str, set[str]] = {folder_of(module): set() for module in MODULES}
    for module, names in IMPORTS.items():
        used[folder_of(module)] |= {folder_of(name) for name in names if not name.startswith("vendor/")}
    assert {folder: others - {folder} for folder, others in used.items() if folder} == TABLE


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_short_and_imports_modules_that_exist(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) < MAX_LINES
    assert {name for name in IMPORTS[module] if not name.startswith("vendor/")} <= MODULES.keys()


def test_no_import_runs_in_a_circle() -> None:
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"a circle: {' → '.join((*path[path.index(module) :], module))}"
        if module in IMPORTS and module not in done:
            for other in sorted(IMPORTS[module]):
                walk(other, (*path, module))
            done.add(module)

    for module in MODULES:
        walk(module, ())


def test_every_module_is_used() -> None:
    """By another module, or by a page."""
    pages = "".join(path.read_text(encoding="utf-8") for path in DASHBOARD.glob("*/*.html"))
    assert set(MODULES) <= set().union(*IMPORTS.values()) | set(re.findall(r'src="\./([^"]+)"', pages))


def test_local_servers_serve_every_file_of_the_page() -> None:
    """They forward everything below the API's address to the API, so that no file may lie there."""
    addresses = [f"/{path.relative_to(PAGE).as_posix()}" for path in PAGE.rglob("*")]
    assert not [address for address in addresses if address == API or address.startswith(f"{API}/")]
