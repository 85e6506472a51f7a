"""A running stack that is deployed again polls the mappings that it then has."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from local import stack
from local.deployment import deploy
from local.errors import DeployFailed
from local.stack import Stack

OLD, NEW = Path("old"), Path("new")
MAPPINGS = {OLD: ["fanout"], NEW: ["fanout", "extra"]}
POSITIONS = {"fanout": None}


class Cloud:
    """What is deployed, and what happens."""

    def __init__(self) -> None:
        self.deployed = OLD
        self.events: list[str] = []
        self.refusal: DeployFailed | None = None
        self.failure: DeployFailed | None = None

    def deploy(self, _endpoint: str, built: Path, _parameters: object) -> dict[str, str]:
        self.events.append(f"deploy {built}")
        if self.failure is not None:
            raise self.failure
        self.deployed = built
        return {"build": str(built)}

    def pollers(self, *_: object, positions: object = None, **__: object) -> "Pollers":
        if self.refusal is not None:
            raise self.refusal
        assert positions == POSITIONS
        return Pollers(self, "the others")


class Pollers:
    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.name = name
        self.mappings = MAPPINGS[cloud.deployed]
        self.positions = POSITIONS

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.cloud.events.append(f"pause {self.name}")
        yield
        self.cloud.events.append(f"resume {self.name}")

    def start(self) -> None:
        self.cloud.events.append(f"start {self.name}")

    def stop(self) -> None:
        self.cloud.events.append(f"stop {self.name}")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    made = Cloud()
    monkeypatch.setattr(deploy, "prepare", lambda *_: None)
    monkeypatch.setattr(deploy, "deploy", made.deploy)
    monkeypatch.setattr(stack, "resources", lambda _: {})
    monkeypatch.setattr(stack, "list_mappings", lambda _: MAPPINGS[made.deployed])
    monkeypatch.setattr(stack, "Pollers", made.pollers)
    return made


def running(cloud: Cloud) -> Stack:
    pollers = cast("Any", Pollers(cloud, "the first"))
    return Stack("", {}, {}, pollers, cast("Any", None), built=OLD)


def test_the_same_mappings_keep_their_pollers(cloud: Cloud) -> None:
    updated = running(cloud)
    updated.update(OLD)
    assert cloud.events == ["pause the first", "deploy old", "resume the first"]


def test_other_mappings_get_other_pollers_that_continue(cloud: Cloud) -> None:
    """Before, a queue that was added to the template while the stack ran was never read, and nothing said so."""
    updated = running(cloud)
    updated.update(NEW)
    assert cloud.events[1:4] == ["deploy new", "stop the first", "start the others"]
    assert cast("Any", updated.pollers).name == "the others"
    assert updated.built == NEW


def test_a_mapping_that_lambda_refuses_takes_the_deployment_back(cloud: Cloud) -> None:
    updated = running(cloud)
    cloud.refusal = DeployFailed("Lambda would refuse extra.")
    with pytest.raises(DeployFailed, match="refuse extra"):
        updated.update(NEW)
    assert cloud.events == ["pause the first", "deploy new", "deploy old"]
    assert updated.outputs == {"build": "old"}
    assert updated.built == OLD


def test_a_deployment_that_was_rolled_back_leaves_the_names_of_the_shards(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator gives the history function the template's variables again, and nothing waited for the shards."""
    monkeypatch.setattr(stack, "name_shards", lambda *given: cloud.events.append(f"name {given[1:]}"))
    updated = running(cloud)
    updated.outputs, updated.shards = {"HistoryFunction": "history"}, 4
    cloud.failure = DeployFailed("Stack deployment failed.")
    with pytest.raises(DeployFailed, match="deployment failed"):
        updated.update(NEW)
    assert cloud.events == [
        "pause the first",
        "deploy new",
        "name ({'HistoryFunction': 'history'}, 4)",
    ]
    assert updated.built == OLD
