"""The OpenAPI document is true: schemathesis asks the function what it offers, over HTTP, on DynamoDB Local."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.api.app import handler
from local.gateway import Gateway
from local.processes import clean_environment
from tests.storage.conftest import Aggregates
from tests.streams import event, history

SETTINGS = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def url(api: Aggregates) -> Iterator[str]:
    """Serve the function, with some rows in its aggregates."""
    order: dict[str, Any] = {"shop": "a", "placed": "2024-10-27T00:30:00Z"}
    orders = [("1", order | {"amount": 5}), ("2", order | {"lines": 2}), ("3", {"shop": "", "placed": "-"})]
    api.absorb(event(history("orders", orders)))
    with Gateway(handler) as gateway:
        thread = threading.Thread(target=gateway.serve_forever)
        thread.start()
        yield gateway.url
        gateway.shutdown()
        thread.join()


@pytest.mark.parametrize("pipeline", ["tests.pipelines.orders", "tests.pipelines.measured", "pipeline.definition"])
def test_every_answer_is_as_the_document_says(
    url: str, pipeline: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TAILRACE_PIPELINE", f"{pipeline}:pipeline")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run", f"{url}/openapi.json"]
    command += ["--max-examples", "15", "--generation-deterministic", "--header", "Authorization: signed", "--no-color"]
    environment = clean_environment(PYTHONWARNINGS="ignore")
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    found = run.stdout[run.stdout.find("= FAILURES") :][:6000]
    assert run.returncode == 0, found or run.stderr[-3000:]
    cases = re.search(r"(\d+) generated", run.stdout)
    assert cases is not None
    assert int(cases[1]) > 200
