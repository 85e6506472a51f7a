"""A copy of the repository's sources, in which `make stack` runs and follows its definition."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from typing import Any

import urllib3

from local.deployment import deploy
from local.deployment.emulator import ROOT, free_port, is_listening
from tests.foreign.build import packaged_build

SOURCES = ("local", "cli", "layers", "functions", "locks", "template.yaml", "pyproject.toml")
UP_SECONDS = 240.0
DEFINITION = "layers/tailrace/pipeline/definition.py"


class Checkout:
    """A copy of the repository's sources, in which `make stack KEEP=1` runs."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "said.log").read_text()

    @property
    def about(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / ".tailrace" / "endpoint.json").read_text()))

    def start(self, *options: str) -> None:
        with (self.folder / "said.log").open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local.run_stack", "--keep", "1", *options],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(self.folder / "layers" / "tailrace")},
                stderr=said,
                start_new_session=True,
            )
        self.wait_until(lambda: "Press Ctrl-C" in self.log, UP_SECONDS)

    def stop(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(60)
        deadline = time.monotonic() + 60
        while is_listening(self.port):  # the emulator of a killed stack takes a moment to end
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)

    def edit(self, old: str, new: str) -> None:
        path = self.folder / DEFINITION
        assert path.read_text().count(old) == 1
        path.write_text(path.read_text().replace(old, new))

    def put(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        """Put flights, 25 in a request, so that few of them are in one batch of the stream and others in the next."""
        client, table = deploy.client("dynamodb", self.about["endpoint"]), self.about["outputs"]["ItemsTable"]
        requests = []
        for name, item in items.items():
            attributes = {
                key: {"N": str(value)} if isinstance(value, int) else {"S": value} for key, value in item.items()
            }
            requests.append({"PutRequest": {"Item": attributes | {"pk": {"S": f"flights#{name}"}}}})
        for some in batched(requests, 25, strict=False):
            assert not client.batch_write_item(RequestItems={table: list(some)})["UnprocessedItems"]

    def get(self, path: str) -> Any:
        response = urllib3.request("GET", f"{self.about['dashboard']}api/{path}", timeout=60)
        assert response.status == 200, response.data
        return response.json()

    def aggregates(self) -> list[str]:
        return [aggregate["name"] for aggregate in self.get("aggregates")["aggregates"]]

    def count(self, path: str, measure: str) -> int:
        return sum(row[measure] for row in self.get(path)["rows"])


@contextmanager
def checked_out(folder: Path) -> Iterator[Checkout]:
    """Copy the sources into a folder; in the end, stop the stack that runs there."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    for name in (".venv", ".tools"):
        (folder / name).symlink_to((ROOT / name).resolve())
    built = packaged_build()
    shutil.copytree(built, folder / ".tailrace" / "builds" / built.name, symlinks=True)
    made = Checkout(folder, free_port())
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop(signal.SIGKILL)
