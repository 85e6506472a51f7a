"""Changes of the example's definition: an aggregate comes, a version rises, the transform changes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LAYER = Path("layers/tailrace")
DEFINITION, TRANSFORMS = LAYER / "pipeline" / "definition.py", LAYER / "pipeline" / "transforms.py"

ADDED = """
        Aggregate(
            "dest_days",
            of=flights,
            by=[field("dest"), day("scheduled_departure", tz=NEW_YORK)],
            measures=traffic,
        ),
    ],
    routes"""
_ROUTE = "f\"{item['origin']}-{item['dest']}\""
_OTHER_ROUTE = "f\"{item['dest']} from {item['origin']}\""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the definition: `apply` makes it in a copy of the repository."""

    name: str
    apply: Callable[[Path], None]


def add_aggregate(folder: Path) -> None:
    """Add an aggregate."""
    _replace(folder / DEFINITION, "\n    ],\n    routes", ADDED)


def raise_version(folder: Path) -> None:
    """Give an aggregate other measures, as its next version."""
    _raise(folder, "carrier_hours")
    text = (folder / DEFINITION).read_text()
    head, found, rest = text.partition('"carrier_hours"')
    (folder / DEFINITION).write_text(head + found + rest.replace("measures=punctuality,", "measures=traffic,", 1))


def change_transform(folder: Path) -> None:
    """Name routes otherwise: all that the transform feeds gets its next version."""
    _replace(folder / TRANSFORMS, _ROUTE, _OTHER_ROUTE)
    for aggregate in re.findall(r'Aggregate\(\s*"(\w+)"', (folder / DEFINITION).read_text()):
        _raise(folder, aggregate)


EDITS = (
    Edit("an aggregate is added", add_aggregate),
    Edit("a version is raised", raise_version),
    Edit("the transform changes", change_transform),
)


def _raise(folder: Path, aggregate: str) -> None:
    path = folder / DEFINITION
    text = path.read_text()
    pattern = re.compile(rf'("{aggregate}",\s*of=flights,)(\s*version=(\d+),)?')
    found = pattern.search(text)
    assert found is not None
    version = int(found[3] or 1) + 1
    path.write_text(f"{text[: found.start()]}{found[1]}\n            version={version},{text[found.end() :]}")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
