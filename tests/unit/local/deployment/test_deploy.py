"""A build is packaged once by the SAM CLI, whole or not at all; a stack that fails says why."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from local.deployment import deploy
from local.errors import DeployFailed


class Bucket:
    """The bucket of artifacts, with what `sam package` has put into it."""

    def list_objects_v2(self, **_request: Any) -> dict[str, Any]:
        return {"Contents": [{"Key": "0123"}, {"Key": "4567"}]}

    def get_object(self, **request: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(f"content of {request['Key']}".encode())}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the SAM CLI by one that writes the template; what it was called for is returned."""
    called: list[str] = []

    def sam(action: str, arguments: Sequence[str | Path], _environment: Any) -> None:
        called.append(action)
        Path(arguments[arguments.index("--output-template-file") + 1]).write_text("packaged")

    monkeypatch.setattr(deploy, "BUILDS", tmp_path / "builds")
    monkeypatch.setattr(deploy, "_run_sam", sam)
    return called


def test_a_build_is_packaged_once(packages: list[str], tmp_path: Path) -> None:
    folders = {deploy.package(Bucket(), "http://127.0.0.1:1", tmp_path) for _ in range(2)}
    assert packages == ["package"]
    (folder,) = folders
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"template.yaml": "packaged", "0123": "content of 0123", "4567": "content of 4567"}


def test_what_was_broken_off_is_packaged_anew(
    packages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "get_object", lambda *_request, **_more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            deploy.package(Bucket(), "http://127.0.0.1:1", tmp_path)
    folder = deploy.package(Bucket(), "http://127.0.0.1:1", tmp_path)
    assert packages == ["package", "package"]
    assert sorted(path.name for path in folder.iterdir()) == ["0123", "4567", "template.yaml"]


class Stacks:
    """A stack whose creation ends in a state."""

    def __init__(self, *states: str) -> None:
        self.states = iter(states)

    def describe_stacks(self, **_request: Any) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": next(self.states), "Outputs": [{"OutputKey": "A", "OutputValue": "1"}]}]}

    def describe_stack_events(self, **_request: Any) -> dict[str, Any]:
        failed = {"LogicalResourceId": "Q", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "too long"}
        return {"StackEvents": [failed, {"LogicalResourceId": "B", "ResourceStatus": "CREATE_COMPLETE"}]}


def test_a_stack_is_waited_for() -> None:
    waited = deploy._outputs_when_complete(Stacks("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"))
    assert waited == {"A": "1"}


def test_a_stack_that_fails_says_why() -> None:
    with pytest.raises(DeployFailed, match=r"ROLLBACK_COMPLETE\)\. Q: too long$"):
        deploy._outputs_when_complete(Stacks("CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE"))
