"""A stack in memory for each test."""

from pathlib import Path

import pytest

from tests.unit.cli.failures.world import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)
