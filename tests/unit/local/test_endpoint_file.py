"""Of several stacks, the one that was started last is announced until it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import endpoint_file
from local.endpoint_file import read_endpoint_file, remove_endpoint_file, write_endpoint_file


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / ".tailrace" / "endpoint.json"
    monkeypatch.setattr(endpoint_file, "ENDPOINT_FILE", path)
    return path


def test_a_stack_removes_its_own_announcement(file: Path) -> None:
    write_endpoint_file({"endpoint": "http://127.0.0.1:1"}, {"ItemsTable": "items"})
    found = read_endpoint_file()
    assert found == {"endpoint": "http://127.0.0.1:1", "pid": os.getpid(), "outputs": {"ItemsTable": "items"}}
    remove_endpoint_file()
    assert not file.exists()


def test_the_announcement_of_another_running_stack_stays(file: Path) -> None:
    """Before, the end of the first stack removed it."""
    write_endpoint_file({"endpoint": "http://127.0.0.1:1"}, {})
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        file.write_text(json.dumps({"endpoint": "http://127.0.0.1:2", "pid": other.pid, "outputs": {}}))
        remove_endpoint_file()
        assert (read_endpoint_file() or {})["endpoint"] == "http://127.0.0.1:2"
    remove_endpoint_file()
    assert not file.exists()


@pytest.mark.parametrize("damaged", ["", "{", "[]", "7", "{}", '{"pid": "x"}', '{"pid": null}'])
def test_a_damaged_announcement_is_none(file: Path, damaged: str) -> None:
    file.parent.mkdir()
    file.write_text(damaged)
    assert read_endpoint_file() is None
    remove_endpoint_file()
    assert not file.exists()
