"""A build is packaged once and completely; a failed stack reports the reason."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from local.deployment import deploy
from local.errors import DeployFailed


class Bucket:
    """The artifacts bucket, with the objects that `sam package` uploaded."""

    def list_objects_v2(self, **_request: Any) -> dict[str, Any]:
        return {"Contents": [{"Key": "0123"}, {"Key": "4567"}]}

    def get_object(self, **request: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(f"content of {request['Key']}".encode())}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the SAM CLI with one that only writes the template; return the actions it was called with."""
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


def test_an_interrupted_package_is_repeated(
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
    """A stack whose creation passes through these states."""

    def __init__(self, *states: str) -> None:
        self.states = iter(states)

    def describe_stacks(self, **_request: Any) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": next(self.states), "Outputs": [{"OutputKey": "A", "OutputValue": "1"}]}]}

    def describe_stack_events(self, **_request: Any) -> dict[str, Any]:
        failed = {"LogicalResourceId": "Q", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "too long"}
        return {"StackEvents": [failed, {"LogicalResourceId": "B", "ResourceStatus": "CREATE_COMPLETE"}]}


def test_deploying_waits_for_the_stack() -> None:
    waited = deploy._outputs_when_complete(Stacks("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"))
    assert waited == {"A": "1"}


def test_a_failed_stack_reports_the_reason() -> None:
    with pytest.raises(DeployFailed, match=r"ROLLBACK_COMPLETE\)\. Q: too long$"):
        deploy._outputs_when_complete(Stacks("CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE"))
