"""The examples in docstrings run."""

import doctest
import importlib

import pytest

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
