"""Every way in which the stack can fail, derived from the template and from the metrics that the code counts.

A path is the metric that shows the failure, with the resource or the service that it belongs to. A new function,
mapping, queue, destination, state machine, custom resource, notification or schedule brings its paths with it.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from tests.architecture.stack import ROOT, referred

type Properties = Mapping[str, Any]
type Resources = Mapping[str, Mapping[str, Any]]

AWS = ROOT / "layers" / "tailrace" / "tailrace" / "aws"
NO_FAILURES = {
    "JobsDone", "ItemsReplayed", "EventsReplayed", "MessagesTaken", "ChangesSent", "ChangesRouted", "ChangesRead",
    "RowsTouched", "LinesAccepted", "EventsReceived", "ObjectsWritten", "ObjectsCatalogued", "RequestsAnswered",
    "RowsVerified", "RowsRepaired",
    "RequestsRefused",  # the caller's fault, and the caller is told
    "ItemsUnmatched",  # an existing table holds items of no collection; strict=True sends them to quarantine
    "RowsNotJudged",  # the report of a verification names them
    "ChangesTooLate",  # items that came after the end of their row, as keep= asks
}  # fmt: skip
"""What the code counts that is no failure."""

RETRIED = {"ChangesFailed", "RowsFailed", "MessagesFailed", "MessagesUnreadable"}
"""What comes again; if it lasts, it is lag, a dead letter or a discarded batch."""


@dataclass(frozen=True, order=True)
class Path:
    """A failure: the metric that counts it, and the logical id or the service that it is counted for."""

    metric: str
    of: str


def from_template(resources: Resources) -> set[Path]:
    """Return the failure paths of a template's resources."""
    found: set[Path] = set()
    for name, resource in resources.items():
        kind = "Custom" if resource["Type"].startswith("Custom::") else resource["Type"]
        if kind in _KINDS:
            found |= _KINDS[kind](name, resource["Properties"], resources)
    return found


def _of_function(name: str, function: Properties, resources: Resources) -> set[Path]:
    errors = set() if name in _behind_http(resources) else {Path("Errors", name)}
    return errors | _of_destination(function.get("EventInvokeConfig", {}), name)


def _of_api(name: str, _api: Properties, _resources: Resources) -> set[Path]:
    return {Path("5xx", name)}


def _of_queue(name: str, queue: Properties, _resources: Resources) -> set[Path]:
    if "RedrivePolicy" not in queue:  # a place where failures come to rest
        return {Path("ApproximateNumberOfMessagesVisible", name)}
    dead = {Path("ApproximateNumberOfMessagesVisible", one) for one in referred(queue["RedrivePolicy"])}
    return dead | {Path("ApproximateAgeOfOldestMessage", name)}


def _of_machine(name: str, machine: Properties, _resources: Resources) -> set[Path]:
    timeout = {Path("ExecutionsTimedOut", name)} if "TimeoutSeconds" in machine["Definition"] else set()
    return timeout | {Path("ExecutionsFailed", name)}


def _of_bucket(_name: str, bucket: Properties, resources: Resources) -> set[Path]:
    notified = bucket.get("NotificationConfiguration", {}).get("LambdaConfigurations", [])
    return {path for one in notified for path in _of_asynchronous(one["Function"], resources)}


def _of_schedule(_name: str, schedule: Properties, resources: Resources) -> set[Path]:
    groups = {Path("InvocationDroppedCount", group) for group in referred(schedule["GroupName"])}
    return groups | _of_asynchronous(schedule["Target"]["Arn"], resources)


def _of_custom_resource(_name: str, custom: Properties, _resources: Resources) -> set[Path]:
    return {Path("Errors", function) for function in referred(custom["ServiceToken"])}


def _of_mapping(_name: str, mapping: Properties, _resources: Resources) -> set[Path]:
    (function,) = referred(mapping["FunctionName"])
    (source,) = referred(mapping["EventSourceArn"])
    if "StartingPosition" not in mapping:
        return {Path("ApproximateAgeOfOldestMessage", source)}
    lag = {Path("IteratorAge", function), Path("Throttles", function)}
    return lag | _of_destination(mapping, function)


_KINDS: Mapping[str, Callable[[str, Properties, Resources], set[Path]]] = {
    "AWS::Serverless::Function": _of_function,
    "AWS::ApiGatewayV2::Api": _of_api,
    "AWS::Lambda::EventSourceMapping": _of_mapping,
    "AWS::SQS::Queue": _of_queue,
    "AWS::Serverless::StateMachine": _of_machine,
    "AWS::S3::Bucket": _of_bucket,
    "AWS::Scheduler::Schedule": _of_schedule,
    "Custom": _of_custom_resource,
    "AWS::CloudFormation::CustomResource": _of_custom_resource,
}


def _behind_http(resources: Resources) -> set[str]:
    """Return the functions that only the HTTP API invokes, which counts their failures itself."""
    integrations = [
        found["Properties"] for found in resources.values() if found["Type"] == "AWS::ApiGatewayV2::Integration"
    ]
    return {function for given in integrations for function in referred(given["IntegrationUri"])}


def _of_asynchronous(target: Any, resources: Resources) -> set[Path]:
    """Without a destination, what Lambda gives up is dropped; with one, it is counted there."""
    found: set[Path] = set()
    for name in referred(target):
        given = resources[name]["Properties"].get("EventInvokeConfig", {})
        found |= _of_destination(given, name) or {Path("AsyncEventsDropped", name)}
    return found


def _of_destination(configuration: Mapping[str, Any], function: str) -> set[Path]:
    target = configuration.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if target is None:
        return set()
    (destination,) = referred(target)
    metric = "PutRequests" if destination.endswith("Bucket") else "ApproximateNumberOfMessagesVisible"
    return {Path("DestinationDeliveryFailures", function), Path(metric, destination)}


@cache
def from_code() -> frozenset[Path]:
    """Return what the code counts: each metric with the service whose function counts it."""
    return frozenset(
        Path(metric, _service(path))
        for path in sorted(AWS.rglob("*.py"))
        for metric in _counted(ast.parse(path.read_text()))
    )


def _service(path: FilePath) -> str:
    room = path.relative_to(AWS).parts[0]
    own = {"replay": "fanout"}.get(path.stem, path.stem)
    return {"stages": own, "jobs": "history", "backfill": "aggregate", "api": "api"}[room]


def _counted(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "count_metrics":
            yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def alarmed(alarms: Mapping[str, Mapping[str, Any]]) -> dict[Path, set[str]]:
    """Return the paths that alarms watch, each with the alarms; a metric of the code belongs to its service."""
    found: dict[Path, set[str]] = {}
    for name, alarm in alarms.items():
        names = referred(alarm["Dimensions"])
        names |= {one["Value"] for one in alarm["Dimensions"] if one["Name"] == "service"}
        for one in names:
            found.setdefault(Path(alarm["MetricName"], one), set()).add(name)
    return found
