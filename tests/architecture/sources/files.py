"""The project's Python files, and what each of them imports."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.architecture.stack import ROOT

PACKAGES = {"tailrace": ROOT / "layers" / "tailrace" / "tailrace", "local": ROOT / "local", "cli": ROOT / "cli"}
"""The packages whose rooms docs/architecture.md lists."""


def modules(folder: Path, pattern: str = "**/*.py") -> list[Path]:
    """Return the Python files of a folder."""
    return sorted(path for path in folder.glob(pattern) if "__pycache__" not in path.parts)


def short(path: Path) -> str:
    """Name a test case after the file."""
    return str(path.relative_to(ROOT))


def named(packages: Mapping[str, Path]) -> dict[str, Path]:
    """Return every module of some packages, by its dotted name."""
    found = {}
    for package, folder in packages.items():
        for path in modules(folder):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports_among(named_modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """Return which of the others each module imports, wherever it does (under TYPE_CHECKING too)."""
    return {name: set(_imported(path, named_modules)) & named_modules.keys() for name, path in named_modules.items()}


def _imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
