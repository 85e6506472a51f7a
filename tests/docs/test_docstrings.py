"""The examples in docstrings run, and everything that `from tailrace import …` offers has one."""

import doctest
import importlib

import pytest

import tailrace
from tests.architecture.stack import ROOT

PACKAGE = ROOT / "layers" / "tailrace"
MODULES = [
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in sorted((PACKAGE / "tailrace").rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


@pytest.mark.parametrize("name", tailrace.__all__)
def test_what_a_definition_imports_has_an_example_that_runs_as_it_stands(name: str) -> None:
    """A reader can copy it: it imports what it uses."""
    (example,) = doctest.DocTestFinder(recurse=False, exclude_empty=False).find(getattr(tailrace, name), name, globs={})
    assert example.examples, f"{name} has no example"
    output: list[str] = []
    doctest.DocTestRunner().run(example, out=output.append)
    assert output == []
