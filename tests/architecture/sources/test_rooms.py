"""Imports between rooms follow the table in docs/architecture.md."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from graphlib import TopologicalSorter

import pytest

from tests.architecture.sources.files import PACKAGES, imports_among, named
from tests.architecture.stack import ROOT

PAGE = ROOT / "docs" / "architecture.md"
MODULES = named(PACKAGES)


@cache
def imports() -> Mapping[str, set[str]]:
    """Return what each module imports."""
    return imports_among(MODULES)


def table() -> dict[str, set[str]]:
    """Return the page's table: for each room the rooms that it may import."""
    names_of_rooms = rf"(?:{'|'.join(PACKAGES)})(?:\.[a-z._]+)?"
    rows = re.findall(rf"^\| `({names_of_rooms})` \|[^|]*\|([^|]*)\|$", PAGE.read_text(), re.MULTILINE)
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


def rooms_of(modules: Iterable[str], room: str) -> set[str]:
    """Return the rooms of modules that a room imports; outside the engine, all of the engine is one."""
    rooms = {room_of(other, TABLE) or other for other in modules} - {room}
    is_engine = room.startswith("tailrace.")
    return rooms if is_engine else {"tailrace" if one.startswith("tailrace.") else one for one in rooms}


def test_every_folder_of_the_engine_is_a_room_of_the_table() -> None:
    folders = {
        f"tailrace.{path.parent.relative_to(PACKAGES['tailrace'])}".replace("/", ".")
        for name, path in MODULES.items()
        if name.startswith("tailrace.")
    }
    modules = {"tailrace.errors", "tailrace.testing", "tailrace.version"}
    rooms = {room for room in TABLE if room.startswith("tailrace.")}
    assert folders - {"tailrace..", "tailrace.aws"} == rooms - modules


def test_every_other_module_is_in_a_room_too() -> None:
    assert [name for name in MODULES if room_of(name, TABLE) is None and name.count(".") > 1] == []


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name, TABLE)])
def test_a_module_imports_what_its_room_may(module: str) -> None:
    room = room_of(module, TABLE)
    assert room is not None
    assert rooms_of(imports()[module], room) <= TABLE[room]


def test_the_table_allows_nothing_that_no_module_needs() -> None:
    used: dict[str, set[str]] = {room: set() for room in TABLE}
    for module, others in imports().items():
        room = room_of(module, TABLE)
        if room is not None:
            used[room] |= rooms_of(others, room)
    assert used == TABLE


def test_no_room_imports_itself_through_others() -> None:
    assert list(TopologicalSorter(TABLE).static_order())
