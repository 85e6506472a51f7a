"""Imports between rooms follow the table in docs/architecture.md, and no module imports itself through others."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.stack import ROOT

PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = {"tailrace": ROOT / "layers" / "tailrace" / "tailrace", "local": ROOT / "local", "cli": ROOT / "cli"}


def modules() -> dict[str, Path]:
    """Return every module of the packages, by its dotted name."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of these packages that a file imports, wherever it does (under TYPE_CHECKING too)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@cache
def imports() -> Mapping[str, set[str]]:
    """Return what each module imports."""
    return {name: {other for other in imported(path) if other in MODULES} for name, path in MODULES.items()}


def table() -> dict[str, set[str]]:
    """Return the page's table: for each room the rooms that it may import."""
    rows = re.findall(r"^\| `((?:tailrace|local|cli)\.[a-z._]+)` \|[^|]*\|([^|]*)\|$", PAGE.read_text(), re.MULTILINE)
    found = {}
    for room, cell in rows:
        package = room.split(".")[0]
        names = re.findall(r"`([a-z._]+)`", cell)
        found[room] = {name if name.split(".")[0] in PACKAGES else f"{package}.{name}" for name in names}
    return found


TABLE = table()


def room_of(module: str, rooms: Mapping[str, object]) -> str | None:
    """Return the room of the table that a module lies in."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in rooms), None)


def test_every_folder_of_the_engine_is_a_room_of_the_table() -> None:
    folders = {
        f"tailrace.{path.parent.relative_to(PACKAGES['tailrace'])}".replace("/", ".")
        for name, path in MODULES.items()
        if name.startswith("tailrace.")
    }
    inner = {"tailrace..", "tailrace.aws", "tailrace.aws.jobs.steps", "tailrace.http.openapi"}
    modules = {"tailrace.errors", "tailrace.testing", "tailrace.version"}
    assert folders - inner == {room for room in TABLE if room.startswith("tailrace.")} - modules


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name, TABLE)])
def test_a_module_imports_what_its_room_may(module: str) -> None:
    room = room_of(module, TABLE)
    assert room is not None
    rooms = {room_of(other, TABLE) or other for other in imports()[module]} - {room}
    assert rooms <= TABLE[room] | {"tailrace.errors"}


def test_the_table_allows_nothing_that_no_module_needs() -> None:
    used: dict[str, set[str]] = {room: set() for room in TABLE}
    for module, others in imports().items():
        room = room_of(module, TABLE)
        if room is not None:
            used[room] |= {room_of(other, TABLE) or other for other in others} - {room}
    assert used == TABLE


def test_no_import_runs_in_a_circle() -> None:
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"a circle: {' → '.join((*path[path.index(module) :], module))}"
        if module not in done:
            for other in sorted(imports()[module]):
                walk(other, (*path, module))
            done.add(module)

    for module in MODULES:
        walk(module, ())
