"""A definition in a module of its own."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tailrace.definition.pipeline import load_pipeline
from tests.unit.cli.test import definitions


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Write a definition into a module of its own; return its reference."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()

    def write(text: str) -> str:
        (tmp_path / "mine" / "definition.py").write_text(
            definitions.BEGINNING + text + definitions.END, encoding="utf-8"
        )
        return "mine.definition:pipeline"

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]
    load_pipeline.cache_clear()
