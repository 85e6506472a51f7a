"""Short functions, short modules, shorter handlers, folders that a reader can take in."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.architecture.sources.files import modules, short
from tests.architecture.stack import ROOT

LONGEST_FUNCTION = 50
LONGEST_MODULE = 300
LONGEST_HANDLER = 40
MAX_MODULES_IN_A_FOLDER = 15

FOLDERS = ("functions", "layers", "local", "cli", "tests", "benchmarks", "docs/site")
WRITTEN = [path for folder in FOLDERS for path in modules(ROOT / folder)]


@pytest.mark.parametrize("path", WRITTEN, ids=short)
def test_modules_and_functions_are_short(path: Path) -> None:
    """A module has under 300 lines, a function under 50 with its decorators."""
    text = path.read_text()
    length = len(text.splitlines())
    assert length < LONGEST_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            assert (node.end_lineno or 0) - first + 1 < LONGEST_FUNCTION, node.name


@pytest.mark.parametrize("path", modules(ROOT / "functions"), ids=short)
def test_handlers_are_thin(path: Path) -> None:
    """A handler decodes, makes one call and answers: 40 lines at most, the imports included."""
    assert len(path.read_text().splitlines()) <= LONGEST_HANDLER


def test_no_folder_is_crowded() -> None:
    """At most 15 modules, of Python or of JavaScript, lie side by side."""
    patterns = ("**/*.py", "**/*.js")
    beside = Counter(
        path.parent for folder in FOLDERS for pattern in patterns for path in modules(ROOT / folder, pattern)
    )
    assert not {short(folder): count for folder, count in beside.items() if count > MAX_MODULES_IN_A_FOLDER}
