"""`make stack KEEP=1` in a checkout of its own: a saved definition is deployed, and the next run continues this one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from benchmarks.stages import bulk
from local.deployment import deploy
from local.deployment.build import build, package
from local.deployment.derived_build import base_of
from local.deployment.emulator import ROOT, Emulator, free_port, is_listening
from tests.openapi.conformance import FLIGHT

SOURCES = ("local", "cli", "layers", "functions", "locks", "template.yaml", "pyproject.toml")
UP_SECONDS = 240.0
CHANGE_SECONDS = 90.0
DEFINITION = "layers/tailrace/pipeline/definition.py"
ADDED = """
        Aggregate("dests", of=flights, by=[field("dest")], measures={"n": count()}),
    ],
    routes"""


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
        table = deploy.client("dynamodb", self.about["endpoint"])
        for name, item in items.items():
            attributes = {
                key: {"N": str(value)} if isinstance(value, int) else {"S": value} for key, value in item.items()
            }
            table.put_item(
                TableName=self.about["outputs"]["ItemsTable"], Item=attributes | {"pk": {"S": f"flights#{name}"}}
            )

    def get(self, path: str) -> Any:
        response = urllib3.request("GET", f"{self.about['dashboard']}api/{path}", timeout=60)
        assert response.status == 200, response.data
        return response.json()

    def aggregates(self) -> list[str]:
        return [aggregate["name"] for aggregate in self.get("aggregates")["aggregates"]]

    def count(self, path: str, measure: str) -> int:
        return sum(row[measure] for row in self.get(path)["rows"])


@dataclass
class Running:
    """The stack of a checkout, as far as a load needs it."""

    about: dict[str, Any]

    @property
    def outputs(self) -> dict[str, str]:
        return dict(self.about["outputs"])

    def client(self, service: str) -> Any:
        return deploy.client(service, self.about["endpoint"])


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout")
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
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop(signal.SIGKILL)


def packaged_build() -> Path:
    """Return a build of the repository, which the copy derives its own ones from."""
    built = build()
    built = base_of(built) or built
    if not (built / "packaged").exists():
        emulator = Emulator.start()
        try:
            s3 = deploy.client("s3", emulator.endpoint)
            s3.create_bucket(Bucket="tailrace-artifacts")
            package(s3, emulator.endpoint, built)
        finally:
            emulator.stop()
    return built


def flights(first: int, end: int) -> dict[str, dict[str, Any]]:
    return {str(number): FLIGHT | {"flight": number + 1} for number in range(first, end)}


DESTS = "aggregates/dests/rows?dest=GSP"
ROWS = "aggregates/origin_days/rows?origin=EWR"


def test_a_kept_stack_follows_its_definition_and_continues(checkout: Checkout) -> None:
    checkout.start("--port", str(checkout.port))
    checkout.put(flights(0, 20))
    checkout.wait_until(lambda: checkout.count(ROWS, "flights") == 20, CHANGE_SECONDS)
    deploys_a_changed_definition(checkout)
    refuses_what_is_invalid(checkout)
    before = checkout.about
    checkout.stop(signal.SIGINT)
    assert "Saving the stack" in checkout.log
    continues_at_the_same_addresses(checkout, before)
    survives_a_kill(checkout)
    loads_a_file_on(checkout)


def deploys_a_changed_definition(checkout: Checkout) -> None:
    checkout.edit("\n    ],\n    routes", ADDED)
    checkout.wait_until(lambda: "Deployed the changed definition" in checkout.log, CHANGE_SECONDS)
    assert "Locked the meaning of dests@1" in checkout.log
    assert "dests" in checkout.aggregates()
    checkout.wait_until(lambda: "Built dests@1 from the items" in checkout.log, CHANGE_SECONDS)
    assert checkout.count(DESTS, "n") == 20  # with its history
    checkout.put(flights(20, 30))
    checkout.wait_until(lambda: checkout.count(ROWS, "flights") == 30, CHANGE_SECONDS)
    checkout.wait_until(lambda: checkout.count(DESTS, "n") == 30, CHANGE_SECONDS)


def refuses_what_is_invalid(checkout: Checkout) -> None:
    """Neither a mistake nor another meaning under the same version is deployed."""
    for old, new, expected in (
        ('by=[field("dest")]', 'by=[fields("dest")]', "NameError: name 'fields' is not defined"),
        ('measures={"n": count()}', 'measures={"n": count(where=has_landed)}', "The meaning of dests@1 has changed"),
    ):
        said = len(checkout.log)
        checkout.edit(old, new)
        checkout.wait_until(
            lambda said=said: "keeps running with the previous definition" in checkout.log[said:],  # type: ignore[misc]
            CHANGE_SECONDS,
        )
        assert expected in checkout.log[said:]
        checkout.edit(new, old)
    assert checkout.log.count("Deployed the changed definition") == 1  # the mended one is the deployed one
    assert checkout.count(DESTS, "n") == 30


def continues_at_the_same_addresses(checkout: Checkout, before: Mapping[str, Any]) -> None:
    checkout.start()
    assert {**checkout.about, "pid": 0} == {**before, "pid": 0}
    assert checkout.count(ROWS, "flights") == 30
    checkout.put(flights(25, 40))  # the first five are there already
    checkout.wait_until(lambda: checkout.count(ROWS, "flights") == 40, CHANGE_SECONDS)
    checkout.wait_until(lambda: checkout.count(DESTS, "n") == 40, CHANGE_SECONDS)


def survives_a_kill(checkout: Checkout) -> None:
    """What was written since the last snapshot is lost; items and rows still agree, whatever was under way."""
    checkout.put(flights(40, 60))
    checkout.stop(signal.SIGKILL)
    checkout.start()
    table = deploy.client("dynamodb", checkout.about["endpoint"])
    items = table.scan(TableName=checkout.about["outputs"]["ItemsTable"], Select="COUNT")["Count"]
    assert 30 <= items <= 60
    for path, measure in ((ROWS, "flights"), (DESTS, "n")):
        checkout.wait_until(lambda path=path, measure=measure: checkout.count(path, measure) == items, CHANGE_SECONDS)  # type: ignore[misc]
    checkout.stop(signal.SIGINT)


def loads_a_file_on(checkout: Checkout) -> None:
    """The emulator keeps the notification in memory only."""
    checkout.start()
    stack = Running(checkout.about)
    expected = bulk.upload(stack, 8_000_000, 0, 50)
    checkout.wait_until(lambda: bulk.stored(stack, "checkpoints") is not None, CHANGE_SECONDS)
    checkout.stop(signal.SIGINT)
    checkout.start()
    checkout.wait_until(lambda: bulk.stored(stack, "receipts") is not None, UP_SECONDS)
    receipt = bulk.stored(stack, "receipts")
    assert receipt is not None
    assert bulk.differences(stack, expected, receipt) == []
    checkout.stop(signal.SIGKILL)
