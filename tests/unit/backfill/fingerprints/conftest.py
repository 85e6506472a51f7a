"""Loads modules and compares the descriptions of their functions."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tailrace.backfill.fingerprints.sources import describe_function

IMPORTS = """
import collections, dataclasses, datetime, decimal, enum, functools, logging, os, string, types, typing
from decimal import Decimal
"""

type Load = Callable[[str], Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Return a loader of a module of this text, in a package of its own folder."""

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "given"]:
            del sys.modules[name]

    def loaded(text: str) -> Any:
        forget()
        folder = tmp_path / str(len(list(tmp_path.iterdir()))) / "given"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "rules.py").write_text(IMPORTS + text)
        monkeypatch.syspath_prepend(str(folder.parent))
        return importlib.import_module("given.rules")

    yield loaded
    forget()


type Differ = Callable[[str, str, str], None]


@pytest.fixture
def differ(load: Load) -> Differ:
    """Return a check: with one or the other text for a question mark, ``f`` of a module has two descriptions."""

    def check(text: str, one: str, other: str) -> None:
        first, again, second = (describe_function(load(text.replace("?", part)).f) for part in (one, one, other))
        assert first == again
        assert first != second

    return check
