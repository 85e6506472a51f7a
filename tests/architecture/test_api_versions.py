"""Published versions of api: for requests that shift step by step (Deployment), and for snapshots (SnapStart)."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from local.deployment.template import template as written
from tests.architecture.parameters import deployed, of_type
from tests.architecture.stack import ROOT, properties, referred, template, variables

PLAIN = deployed()
SHIFTS = deployed(Deployment="Canary10Percent10Minutes")
SNAPSHOTS = deployed(SnapStart="Enabled")
ADDED = {
    "AWS::Lambda::Version": "ApiVersion",
    "AWS::Lambda::Alias": "ApiAlias",
    "AWS::Lambda::Permission": "ApiAliasPermission",
    "AWS::CodeDeploy::Application": "ApiShifts",
    "AWS::CodeDeploy::DeploymentGroup": "ApiShiftGroup",
    "AWS::IAM::Role": "ApiShiftRole",
}
SAME_FOR_GOOD = {"ItemsTableName", "ItemsStreamArn"}
"""Parameters that no update of a stack changes: what was counted is of one table."""

SHOWN_ONLY = {"JwtReadScope", "JwtWriteScope"}
"""Parameters that only the OpenAPI document shows: a description of 256 characters may have no room for two scopes."""

FOLLOW_THE_LAYER = {"Routes"}
"""Parameters that change only with the definition, which is in the layer: RouteCheck compares them."""


_PRINT_IMPORTED = """
import sys
sys.path[:0] = ["functions/api", "layers/tailrace"]
import app
print("pipeline.definition" in sys.modules, app.stage.cache_info().currsize)
"""


def parameters_of(value: Any) -> set[str]:
    """Return the parameters that a value depends on, directly or by a condition."""
    names = template()["Parameters"].keys()
    found: set[str] = set()
    match value:
        case {"Ref": str(name)} if name in names:
            found.add(name)
        case {"Fn::Sub": str(text)}:
            found |= {name for name in names if f"${{{name}}}" in text}
        case {"Fn::If": [str(condition), *both]}:
            found |= parameters_of(template()["Conditions"][condition]) | parameters_of(both)
        case {"Condition": str(condition)}:
            found |= parameters_of(template()["Conditions"][condition])
        case dict():
            found |= set().union(*map(parameters_of, value.values()))
        case list():
            found |= set().union(*map(parameters_of, value))
    return found


def test_by_default_nothing_of_it_exists() -> None:
    assert not PLAIN.keys() & set(ADDED.values())
    assert PLAIN["ApiIntegration"]["Properties"]["IntegrationUri"] == {"Fn::GetAtt": ["ApiFunction", "Arn"]}


def test_the_parameter_adds_an_alias_that_requests_go_to() -> None:
    added = SHIFTS.keys() - PLAIN.keys()
    assert {SHIFTS[name]["Type"]: name for name in added} == ADDED
    changed = {name for name in PLAIN if PLAIN[name] != SHIFTS[name]}
    assert changed == {"ApiIntegration"}
    assert SHIFTS["ApiIntegration"]["Properties"]["IntegrationUri"] == {"Ref": "ApiAlias"}
    assert SHIFTS["ApiAliasPermission"]["Properties"]["FunctionName"] == {"Ref": "ApiAlias"}
    assert "ApiAliasPermission" in referred(SHIFTS["ApiIntegration"]["Properties"])  # which it has to wait for
    update = SHIFTS["ApiAlias"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert referred(update) == {"ApiShifts", "ApiShiftGroup"}


def test_an_alarm_rolls_the_update_back() -> None:
    (group,) = of_type(SHIFTS, "AWS::CodeDeploy::DeploymentGroup").values()
    assert group["AlarmConfiguration"]["Enabled"] is True
    alarms = {name for one in group["AlarmConfiguration"]["Alarms"] for name in referred(one)}
    assert alarms == {"ApiErrorsAlarm", "FanoutErrorsAlarm", "AggregateErrorsAlarm"}
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert group["DeploymentConfigName"] == {"Fn::Sub": "CodeDeployDefault.Lambda${Deployment}"}


@pytest.mark.parametrize("shift", template()["Parameters"]["Deployment"]["AllowedValues"])
def test_every_shift_lasts_longer_than_an_alarm_needs(shift: str) -> None:
    """An alarm that fires after the shift rolls nothing back."""
    if shift == "AllAtOnce":
        return
    percent, minutes = map(int, re.findall(r"\d+", shift))
    lasts_s = 60 * minutes * (1 if shift.startswith("Canary") else 100 // percent - 1)
    for alarm in ("ApiErrorsAlarm", "FanoutErrorsAlarm", "AggregateErrorsAlarm"):
        assert lasts_s > properties(alarm)["Period"] * properties(alarm)["EvaluationPeriods"]


def test_no_consumer_of_a_stream_or_queue_runs_two_versions() -> None:
    """Two meanings at a time would interrupt the generations of aggregate."""
    for mapping in of_type(SHIFTS, "AWS::Lambda::EventSourceMapping").values():
        assert all(name.endswith("Function") for name in referred(mapping["FunctionName"]))


def test_codedeploy_may_move_this_alias_and_nothing_else() -> None:
    (policy,) = SHIFTS["ApiShiftRole"]["Properties"]["Policies"]
    writes, watches = policy["PolicyDocument"]["Statement"]
    assert {name for one in writes["Resource"] for name in referred(one)} == {"ApiFunction"}
    assert watches["Action"] == "cloudwatch:DescribeAlarms"
    trust = SHIFTS["ApiShiftRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_a_version_is_published_for_every_parameter_that_the_function_sees() -> None:
    """CloudFormation replaces a version when its description changes, and at no other time."""
    function = written()["Resources"]["ApiFunction"]["Properties"]
    shared = written()["Globals"]["Function"]
    seen = parameters_of([function["Environment"], shared]) - SAME_FOR_GOOD - FOLLOW_THE_LAYER - SHOWN_ONLY
    described = parameters_of(written()["Resources"]["ApiVersion"]["Properties"]["Description"])
    assert seen - {"Architecture"} <= described, seen - described  # the layer is built for one
    assert "POWERTOOLS_LOG_LEVEL" in shared["Environment"]["Variables"]
    assert variables("api")


def test_a_version_is_published_for_every_change_of_handler_and_settings() -> None:
    """The layer has everything else; its number is in the description, too."""
    parts = written()["Resources"]["ApiVersion"]["Properties"]["Description"]["Fn::Join"][1]
    found = revision(written()["Resources"]["ApiFunction"])
    assert parts[0] == f"revision {found}", f"write `revision {found}` into ApiVersion of template.yaml"
    assert referred(parts[1]) == {"TailraceLayer"}


def test_no_version_is_published_for_what_lambda_does_not_keep_with_it() -> None:
    """Lambda publishes none if code and configuration are as before, and the update would fail.

    https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
    """
    function = written()["Resources"]["ApiFunction"]
    other_rights = {**function, "DependsOn": "X", "Properties": {**function["Properties"], "Policies": []}}
    assert revision(other_rights) == revision(function)
    described = parameters_of(written()["Resources"]["ApiVersion"]["Properties"]["Description"])
    assert described <= parameters_of([configuration(function), written()["Globals"]["Function"]])


def test_the_description_fits_whatever_is_chosen() -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html: up to 256 characters."""
    separator, parts = written()["Resources"]["ApiVersion"]["Properties"]["Description"]["Fn::Join"]
    assert len(separator.join("x" * longest(part) for part in parts)) <= 256


def longest(part: Any) -> int:
    """Return the length of the longest text that a part of the description may be."""
    match part:
        case str():
            return len(part)
        case {"Ref": str(name)}:
            parameter = template()["Parameters"][name]
            return int(parameter.get("MaxLength") or max(map(len, parameter["AllowedValues"])))
        case {"Fn::Sub": str(text)}:
            return len(re.sub(r"\$\{(\w+)\}", lambda found: "x" * longest({"Ref": found[1]}), text))
        case {"Fn::If": [_, *both]}:
            return max(map(longest, both))
        case {"Fn::Join": [_, parts]}:
            return sum(map(longest, parts))
        case {"Fn::Select": [7, _]}:
            return len("1234567")  # the number of a layer's version
        case {"Fn::Select": [1, _]}:
            return len("mrk-") + 32  # the id of a key; of one region, a UUID
    raise AssertionError(part)


def revision(function: Mapping[str, Any]) -> str:
    """Return what names the state of handler and settings."""
    text = json.dumps([configuration(function), written()["Globals"]["Function"]], sort_keys=True)
    code = (ROOT / "functions" / "api" / "app.py").read_text()
    return hashlib.sha256(f"{text}\n{code}".encode()).hexdigest()[:12]


def configuration(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return those properties of a function that are its own, not its role's."""
    return {name: value for name, value in function["Properties"].items() if name != "Policies"}


def test_requests_go_to_a_published_version_because_only_those_have_snapshots() -> None:
    assert SNAPSHOTS.keys() - PLAIN.keys() == {"ApiVersion", "ApiAlias", "ApiAliasPermission"}
    assert SNAPSHOTS["ApiFunction"]["Properties"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert PLAIN["ApiFunction"]["Properties"]["SnapStart"] == {"ApplyOn": "None"}
    assert SNAPSHOTS["ApiIntegration"]["Properties"]["IntegrationUri"] == {"Ref": "ApiAlias"}


def test_without_a_shift_an_update_moves_all_requests_at_once() -> None:
    assert "UpdatePolicy" not in SNAPSHOTS["ApiAlias"]
    both = deployed(SnapStart="Enabled", Deployment="Canary10Percent10Minutes")
    assert both["ApiAlias"]["UpdatePolicy"].keys() == {"CodeDeployLambdaAliasUpdate"}


def test_another_value_of_the_parameter_publishes_a_version() -> None:
    """A version has a snapshot only if it was published after the setting."""
    assert {"Fn::Sub": "snapshots ${SnapStart}"} in SNAPSHOTS["ApiVersion"]["Properties"]["Description"]["Fn::Join"][1]


def test_nothing_that_snapshots_exclude_is_used() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html"""
    function = {**template()["Globals"]["Function"], **properties("ApiFunction")}
    assert not function.keys() & {"ProvisionedConcurrencyConfig", "FileSystemConfigs", "EphemeralStorage", "ImageUri"}
    assert tuple(map(int, function["Runtime"].removeprefix("python").split("."))) >= (3, 12)


@pytest.mark.parametrize(("kind", "loads"), [("snap-start", True), ("on-demand", False)])
def test_a_snapshot_holds_the_definition_and_no_client(kind: str, loads: bool) -> None:
    environment = dict.fromkeys(variables("api"), "https://example.com/name")
    environment |= {"AWS_LAMBDA_INITIALIZATION_TYPE": kind, "TAILRACE_PIPELINE": "pipeline.definition:pipeline"}
    environment |= {"PATH": os.environ["PATH"], "WRITE_ENTRANCES": "on"}
    command = [sys.executable, "-c", _PRINT_IMPORTED]
    found = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == [str(loads), "0"]
