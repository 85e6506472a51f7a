"""Values of the engine are structs: Python spends half a millisecond of a cold start on each dataclass."""

import ast
from pathlib import Path

import pytest

from tests.architecture.sources.files import modules, short
from tests.architecture.stack import ROOT

ENGINE = modules(ROOT / "layers" / "tailrace" / "tailrace")
INHERITING = {"HopGroup"}
"""Dataclasses whose base derives fields."""


def dataclasses_of(text: str) -> list[ast.ClassDef]:
    """Return the dataclasses of a module."""
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    return [one for one in classes if any("dataclass" in ast.unparse(each) for each in one.decorator_list)]


@pytest.mark.parametrize("path", ENGINE, ids=short)
def test_only_classes_that_derive_fields_are_dataclasses(path: Path) -> None:
    """A struct has no fields outside of its constructor, so a class that computes some of them is a dataclass."""
    for one in dataclasses_of(path.read_text()):
        methods = {node.name for node in one.body if isinstance(node, ast.FunctionDef)}
        assert "__post_init__" in methods or one.name in INHERITING, f"{one.name}: make it a msgspec.Struct"
