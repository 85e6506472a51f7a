"""A loader of modules whose functions are described."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
