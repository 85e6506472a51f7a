"""What the tests of the load function share: files that take several invocations, though they are short."""

import pytest

from tailrace.aws.stages import load


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write after each line, and read a few lines at a time."""
    monkeypatch.setattr(load, "_FLUSH_LINES", 1)
    monkeypatch.setattr("tailrace.aws.runtime.object_reader.RANGE_BYTES", 250)
