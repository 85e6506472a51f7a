"""A checkout whose pipeline is the one that is imported."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.deployment import definition_lock
from tailrace.definition.pipeline import load_pipeline
from tests.unit.local.deployment.pipeline_checkout import Checkout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    mine = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "pipeline"}
    monkeypatch.setattr(definition_lock, "ROOT", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Checkout(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
        del sys.modules[name]
    sys.modules.update(mine)
    load_pipeline.cache_clear()
