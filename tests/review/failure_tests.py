"""The tests that make failures happen, as pytest collects them: each is marked with its failure paths."""

import json
import os
import subprocess
import sys
from pathlib import Path as FilePath

import pytest

from tests.architecture.stack import ROOT
from tests.review.failure_paths import Path

MARKER = "failure_path"
_OUTPUT = "COLLECTED_FAILURE_PATHS"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write down what was collected; called where this module is a plugin."""
    found = [[item.nodeid, *mark.args] for item in session.items for mark in item.iter_markers(MARKER)]
    FilePath(os.environ[_OUTPUT]).write_text(json.dumps(found))


def marked_tests(folder: FilePath) -> dict[Path, list[str]]:
    """Return the ids of the tests of each path, collected by pytest from the files that have marked ones."""
    own = FilePath(__file__).parent
    files = sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.parent != own and f"mark.{MARKER}(" in path.read_text()
    )
    output = folder / "collected.json"
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["-p", __name__, "-m", MARKER, *files]
    variables = os.environ | {
        _OUTPUT: str(output),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers/tailrace")]),
    }
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[Path, list[str]] = {}
    for test, metric, of in json.loads(output.read_text()):
        found.setdefault(Path(metric, of), []).append(test)
    return found
