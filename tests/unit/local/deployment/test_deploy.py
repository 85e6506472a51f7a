"""Deploying waits for the stack; a failed stack reports the reason. Its clients ignore the user's AWS configuration."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from botocore.exceptions import ClientError

from local.deployment import deploy
from local.deployment.emulator import STACK_NAME
from local.deployment.template import template
from local.errors import DeployFailed


class Stacks:
    """A stack whose creation passes through these states."""

    def __init__(self, *states: str) -> None:
        self.states = iter(states)

    def describe_stacks(self, **_request: Any) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": next(self.states), "Outputs": [{"OutputKey": "A", "OutputValue": "1"}]}]}

    def get_paginator(self, operation: str) -> Self:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, **_request: Any) -> Iterator[dict[str, Any]]:
        """Return the pages of events: those of the way back fill the first one."""
        deleted = {"LogicalResourceId": "B", "ResourceStatus": "DELETE_COMPLETE"}
        failed = {"LogicalResourceId": "Q", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "too long"}
        begun = {"LogicalResourceId": STACK_NAME, "ResourceStatus": "UPDATE_IN_PROGRESS"}
        earlier = failed | {"LogicalResourceId": "of an earlier update"}
        yield {"StackEvents": [deleted]}
        yield {"StackEvents": [failed, {"LogicalResourceId": "B", "ResourceStatus": "CREATE_COMPLETE"}, begun, earlier]}


@pytest.mark.parametrize(
    "states",
    [
        ("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"),
        ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"),
    ],
)
def test_deploying_waits_for_the_stack(states: tuple[str, ...]) -> None:
    assert deploy._outputs_when_complete(Stacks(*states)) == {"A": "1"}


def test_a_failed_stack_reports_the_reason() -> None:
    for states in (
        ("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"),
    ):
        with pytest.raises(DeployFailed, match=r"ROLLBACK_COMPLETE\)\. Q: too long$"):
            deploy._outputs_when_complete(Stacks(*states))


def test_a_deployment_that_does_not_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "DEPLOY_SECONDS", 0.2)
    with pytest.raises(DeployFailed, match=r"did not end in 0 s \(UPDATE_IN_PROGRESS\): start the stack again"):
        deploy._outputs_when_complete(Stacks(*["UPDATE_IN_PROGRESS"] * 100))


class Existing(Stacks):
    """A stack that exists, in its last update's state."""

    def list_queues(self, **_request: Any) -> dict[str, Any]:
        return {}

    def update_stack(self, **_request: Any) -> None:
        message = "No updates are to be performed."
        raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "UpdateStack")


def test_a_stack_that_is_up_to_date_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = Existing(*["UPDATE_ROLLBACK_COMPLETE"] * 3)
    monkeypatch.setattr(deploy, "client", lambda *_: stacks)
    monkeypatch.setattr(deploy, "prepare", lambda *_: None)
    done: list[str] = []  # an earlier run may have ended before it did so
    monkeypatch.setattr(deploy, "apply_left_out", lambda *_: done.append("apply"))
    monkeypatch.setattr(deploy, "leave_to_pollers", lambda *_: done.append("leave"))
    assert deploy.deploy("http://127.0.0.1:1", Path("build"), {"Routes": "None"}) == {"A": "1"}
    assert done == ["apply", "leave"]


def test_a_shift_of_requests_is_refused_with_the_reason() -> None:
    """Before anything is deployed: the emulator would name resource types."""
    with pytest.raises(DeployFailed, match=r"no CodeDeploy.*leave out Deployment, or use AllAtOnce\.$"):
        deploy.deploy("http://127.0.0.1:9", Path("unused"), {"Deployment": "Canary10Percent10Minutes"})


def test_snapshots_are_refused_with_the_reason() -> None:
    with pytest.raises(DeployFailed, match=r"no process from a snapshot: leave out SnapStart, or use Disabled\.$"):
        deploy.deploy("http://127.0.0.1:9", Path("unused"), {"SnapStart": "Enabled"})


class Functions:
    """The functions of a stack: Load, whose concurrency was limited before, and a table."""

    def __init__(self) -> None:
        self.allowed: dict[str, str] = {}
        self.concurrency: dict[str, int | None] = {"tailrace-load": 7}
        self.properties: dict[str, Any] = {}

    def get_template(self, **given: str) -> dict[str, Any]:
        """Return what CloudFormation made of a template: its loops are unrolled, and SAM's functions are Lambda's."""
        assert given["TemplateStage"] == "Processed"
        function = {"Type": "AWS::Lambda::Function", "Properties": self.properties}
        resources = {"Load": function, "Other": function, "Table": {"Type": "AWS::DynamoDB::Table"}}
        return {"TemplateBody": {**template(), "Resources": resources}}

    def describe_stack_resources(self, **_: str) -> dict[str, Any]:
        names = {"Load": "tailrace-load", "Table": "tailrace-items"}
        return {
            "StackResources": [{"LogicalResourceId": one, "PhysicalResourceId": name} for one, name in names.items()]
        }

    def put_function_recursion_config(self, **given: str) -> None:
        self.allowed[given["FunctionName"]] = given["RecursiveLoop"]

    def put_function_concurrency(self, **given: Any) -> None:
        self.concurrency[given["FunctionName"]] = given["ReservedConcurrentExecutions"]

    def delete_function_concurrency(self, **given: str) -> None:
        self.concurrency[given["FunctionName"]] = None


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Functions:
    services = Functions()
    monkeypatch.setattr(deploy, "client", lambda *_: services)
    return services


@pytest.mark.parametrize(
    ("chosen", "reserved"), [({"LoadConcurrency": "2"}, 2), ({"LoadConcurrency": "0"}, None), ({}, None)]
)
def test_properties_that_the_emulator_leaves_out_are_applied(
    chosen: dict[str, str], reserved: int | None, functions: Functions
) -> None:
    """To the functions whose condition holds, as the deployed template has them.

    Before, functions in a loop had no limit, and a build that was deployed again got those of the edited template.
    """
    concurrency = template()["Resources"]["LoadFunction"]["Properties"]["ReservedConcurrentExecutions"]
    functions.properties = {"RecursiveLoop": "Allow", "ReservedConcurrentExecutions": concurrency}
    deploy.apply_left_out("http://127.0.0.1:9", chosen)
    assert functions.allowed == {"tailrace-load": "Allow"}
    assert functions.concurrency == {"tailrace-load": reserved}


def test_properties_that_depend_on_a_parameter_are_resolved(functions: Functions) -> None:
    functions.properties = {"RecursiveLoop": {"Fn::If": ["LimitsLoad", "Terminate", "Allow"]}}
    deploy.apply_left_out("http://127.0.0.1:9", {"LoadConcurrency": "2"})
    assert functions.allowed == {"tailrace-load": "Terminate"}
    functions.properties = {"RecursiveLoop": {"Ref": "AWS::NoValue"}}
    functions.allowed.clear()
    deploy.apply_left_out("http://127.0.0.1:9", {})
    assert functions.allowed == {}


def test_a_concurrency_that_is_no_longer_reserved_does_not_limit_the_function(functions: Functions) -> None:
    deploy.apply_left_out("http://127.0.0.1:9", {})
    assert functions.concurrency == {"tailrace-load": None}


BROKEN = "[broken\nx"
OTHER = """
[default]
request_checksum_calculation = nope
s3 =
  addressing_style = virtual
"""


@pytest.fixture
def new_session() -> Iterator[None]:
    deploy._session.cache_clear()
    yield
    deploy._session.cache_clear()


@pytest.mark.usefixtures("new_session")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_PROFILE", "missing"),
        ("AWS_DEFAULTS_MODE", "unknown"),
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
    ],
)
def test_variables_are_ignored(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, a profile that this machine lacks was told as a failed call to the emulator."""
    monkeypatch.setenv(name, value)
    assert url() == "http://127.0.0.1:1/bucket/key"


@pytest.mark.usefixtures("new_session")
@pytest.mark.parametrize("text", [BROKEN, OTHER])
def test_files_are_ignored(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".aws").mkdir()
    for name in ("config", "credentials"):
        (tmp_path / ".aws" / name).write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / ".aws" / "config"))
    assert url() == "http://127.0.0.1:1/bucket/key"


def url() -> str:
    client = deploy.client("s3", "http://127.0.0.1:1")
    signed = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    assert "AWSAccessKeyId=test" in signed
    return str(signed).partition("?")[0]
