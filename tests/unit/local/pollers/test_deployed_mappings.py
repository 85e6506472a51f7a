"""What is read of a deployed mapping: its properties, its function, and the alias and version of that."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Self

import pytest

from local.deployment import deploy, mappings
from local.errors import DeployFailed
from local.mapping import Failed
from local.pollers.emulator_client import EmulatorClient
from local.pollers.source_poller import SourcePoller

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:tailrace-fanout"


class Handler(BaseHTTPRequestHandler):
    paths: list[str] = []  # noqa: RUF012 - one server at a time

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.paths.append(self.path)
        self.send_response(200)
        if "?Qualifier=" in self.path:
            self.send_header("X-Amz-Executed-Version", "7")
        if "fails" in self.path:
            self.send_header("X-Amz-Function-Error", "Unhandled")
        body = b"[" * 50_000 + b"]" * 50_000 if "deep" in self.path else b"{}"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture
def emulator() -> Iterator[EmulatorClient]:
    Handler.paths.clear()
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        client = EmulatorClient(f"http://127.0.0.1:{server.server_port}")
        yield client
        client.close()
        server.shutdown()


@pytest.mark.parametrize("function", ["works", "fails"])
@pytest.mark.parametrize(("qualifier", "version"), [(None, "$LATEST"), ("live", "7")])
def test_the_version_that_ran_is_known_to_the_mapping(
    emulator: EmulatorClient, function: str, qualifier: str | None, version: str
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"""
    mapping = mappings.EventSourceMapping("Mapping", "uuid", function, FUNCTION, "arn", 60, {}, qualifier)
    poller: SourcePoller[object] = SourcePoller(mapping, emulator, calls=1, warm_calls=1)
    result = poller._invoke_or_throttle(b"{}")
    assert getattr(result, "version", None) == version
    suffix = "" if qualifier is None else "?Qualifier=live"
    assert Handler.paths == [f"/2015-03-31/functions/{function}/invocations{suffix}"]


@pytest.mark.parametrize("function", ["deep", "deep-fails"])
def test_a_response_that_is_nested_too_deeply_is_a_failure(emulator: EmulatorClient, function: str) -> None:
    """Before, the call never ended for its poller, which waited for it forever."""
    mapping = mappings.EventSourceMapping("Mapping", "uuid", function, FUNCTION, "arn", 60, {})
    poller: SourcePoller[object] = SourcePoller(mapping, emulator, calls=1, warm_calls=1)
    assert isinstance(poller._invoke_or_throttle(b"{}"), Failed)


class Services:
    """A deployed stack with one mapping."""

    def __init__(self, function_arn: str) -> None:
        self.function_arn = function_arn
        self.asked: dict[str, str] = {}

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{}]}

    def get_template(self, **_: str) -> dict[str, Any]:
        properties = {"FunctionName": "any", "BatchSize": {"Ref": "Size"}, "TumblingWindowInSeconds": 900}
        return {"TemplateBody": {"Resources": {"Mapping": {"Properties": properties}}}}

    def describe_stack_resources(self, **_: str) -> dict[str, Any]:
        resource = {"LogicalResourceId": "Mapping", "PhysicalResourceId": "uuid", "ResourceType": mappings.MAPPING_TYPE}
        return {"StackResources": [resource]}

    def get_paginator(self, operation: str) -> Self:
        assert operation == "list_event_source_mappings"
        return self

    def paginate(self) -> Iterator[dict[str, Any]]:
        """Return the pages of mappings: others fill the first one."""
        mapping = {"UUID": "uuid", "FunctionArn": self.function_arn, "EventSourceArn": "arn:aws:dynamodb:stream"}
        yield {"EventSourceMappings": [{"UUID": "another", "EventSourceArn": "arn:aws:kinesis:stream"}]}
        yield {"EventSourceMappings": [mapping | {"StartingPosition": "LATEST", "BatchSize": 7}]}

    def get_function_configuration(self, **asked: str) -> dict[str, Any]:
        self.asked = asked
        return {"Timeout": 60}


@pytest.mark.parametrize("qualifier", [None, "live", "7"])
def test_the_function_of_a_mapping_is_told_from_its_alias(
    qualifier: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services(FUNCTION if qualifier is None else f"{FUNCTION}:{qualifier}")
    monkeypatch.setattr(mappings, "client", lambda *_: services)
    (found,) = mappings.list_mappings("http://127.0.0.1:1")
    assert (found.function, found.qualifier, found.function_arn) == (
        "tailrace-fanout",
        qualifier,
        services.function_arn,
    )
    version = {} if qualifier is None else {"Qualifier": qualifier}
    assert services.asked == {"FunctionName": "tailrace-fanout", **version}


def test_a_mapping_has_the_properties_of_the_template_and_none_that_the_emulator_adds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mappings, "client", lambda *_: Services(FUNCTION))
    (found,) = mappings.list_mappings("http://127.0.0.1:1")
    assert found.properties == {"BatchSize": 7, "TumblingWindowInSeconds": 900}


class Templated(Services):
    """A deployed stack whose mapping has these properties; the parameter Seconds is 0, and Emulated is true."""

    def __init__(self, properties: dict[str, Any], source: str = "arn:aws:dynamodb:stream") -> None:
        super().__init__(FUNCTION)
        self.properties = properties
        self.source = source
        self.updated: dict[str, Any] = {}

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        given = {"Seconds": "0", "Emulated": "true"}
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
        return {"Stacks": [{"Parameters": parameters}]}

    def get_template(self, **_: str) -> dict[str, Any]:
        waits = {"Fn::Not": [{"Fn::Equals": [{"Ref": "Seconds"}, 0]}]}
        emulated = {"Fn::Equals": [{"Ref": "Emulated"}, "true"]}
        conditions = {
            "Waits": waits,
            "IsEmulated": emulated,
            "IsTrue": {"Fn::Equals": [{"Ref": "Emulated"}, True]},
            "Both": {"Fn::And": [{"Condition": "Waits"}, {"Condition": "IsEmulated"}]},
            "Either": {"Fn::Or": [{"Condition": "Waits"}, {"Condition": "IsEmulated"}]},
        }
        resources = {"Mapping": {"Properties": {"FunctionName": "any", **self.properties}}}
        return {"TemplateBody": {"Conditions": conditions, "Mappings": MAPPINGS, "Resources": resources}}

    def paginate(self) -> Iterator[dict[str, Any]]:
        others, page = super().paginate()
        yield others
        yield {"EventSourceMappings": [page["EventSourceMappings"][0] | {"EventSourceArn": self.source}]}

    def update_event_source_mapping(self, **changes: Any) -> None:
        self.updated = changes


MAPPINGS = {"Windows": {"true": {"Length": 60}}, "Regions": {"us-east-1": {"Length": 30}}}
NOTHING = {"Ref": "AWS::NoValue"}


def choice(condition: str, one: object, other: object) -> dict[str, Any]:
    return {"Fn::If": [condition, one, other]}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"Ref": "Seconds"}, "0"),
        (choice("Waits", {"Ref": "Seconds"}, 900), 900),  # as on WriteBehindSeconds
        (choice("Both", 60, 900), 900),
        (choice("Either", 60, 900), 60),
        (choice("Either", choice("Waits", 1, 2), 900), 2),
        (choice("IsTrue", 60, 900), 60),
        ([{"Kept": {"Ref": "Seconds"}, "Removed": NOTHING}, NOTHING], [{"Kept": "0"}]),
        ({"Fn::FindInMap": ["Windows", {"Ref": "Emulated"}, "Length"]}, 60),
        ({"Fn::FindInMap": ["Regions", {"Ref": "AWS::Region"}, "Length"]}, 30),
    ],
)
def test_a_property_may_depend_on_parameters(window: object, expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html"""
    monkeypatch.setattr(mappings, "client", lambda *_: Templated({"TumblingWindowInSeconds": window}))
    (found,) = mappings.list_mappings("http://127.0.0.1:1")
    assert found.properties == {"TumblingWindowInSeconds": expected}


def test_a_property_that_is_left_out_has_the_default_of_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator lists 10 as BatchSize where there is none, and a stream's default is 100."""
    properties = {"TumblingWindowInSeconds": choice("Waits", 60, NOTHING), "BatchSize": choice("Waits", 60, NOTHING)}
    monkeypatch.setattr(mappings, "client", lambda *_: Templated(properties))
    (found,) = mappings.list_mappings("http://127.0.0.1:1")
    assert found.properties == {}


@pytest.mark.parametrize(
    "window",
    [choice("Unknown", 60, 900), {"Fn::GetAtt": ["Other", "Window"]}, {"Fn::FindInMap": ["Windows", "a", "b"]}],
)
def test_a_property_that_depends_on_anything_else_is_refused(window: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mappings, "client", lambda *_: Templated({"TumblingWindowInSeconds": window}))
    with pytest.raises(DeployFailed, match="Cannot resolve TumblingWindowInSeconds of Mapping"):
        mappings.list_mappings("http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("enabled", "polled"),
    [
        ({}, True),
        ({"Enabled": True}, True),
        ({"Enabled": choice("IsEmulated", False, True)}, True),
        ({"Enabled": False}, False),
        ({"Enabled": choice("Waits", True, False)}, False),
    ],
)
def test_a_mapping_that_is_disabled_on_aws_is_not_polled(
    enabled: dict[str, Any], polled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html"""
    monkeypatch.setattr(mappings, "client", lambda *_: Templated(enabled))
    assert bool(mappings.list_mappings("http://127.0.0.1:1")) is polled


class Twice(Services):
    """A deployed stack with two mappings, whose functions are given."""

    def __init__(self, *functions: str, enabled: bool = True, source: str = "arn:aws:dynamodb:stream") -> None:
        super().__init__(FUNCTION)
        self.source = {"EventSourceArn": source} if source else {}
        self.functions = {f"Mapping{index}": function for index, function in enumerate(functions)}
        self.enabled = enabled

    def get_template(self, **_: str) -> dict[str, Any]:
        return {
            "TemplateBody": {"Resources": {name: {"Properties": {"Enabled": self.enabled}} for name in self.functions}}
        }

    def describe_stack_resources(self, **_: str) -> dict[str, Any]:
        kind = mappings.MAPPING_TYPE
        found = [
            {"LogicalResourceId": name, "PhysicalResourceId": name, "ResourceType": kind} for name in self.functions
        ]
        return {"StackResources": found}

    def paginate(self) -> Iterator[dict[str, Any]]:
        yield {
            "EventSourceMappings": [
                {"UUID": name, "FunctionArn": function, **self.source} for name, function in self.functions.items()
            ]
        }


@pytest.mark.parametrize("enabled", [True, False])
def test_a_second_mapping_of_the_same_source_to_the_same_function_is_refused(
    enabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded in sqs_mapping_controls.json (docs/local.md): such pairs are refused; aliases count as functions."""
    monkeypatch.setattr(mappings, "client", lambda *_: Twice(FUNCTION, FUNCTION, enabled=enabled))
    reason = "Lambda would refuse Mapping1: Mapping0 passes the same source to the same function"
    with pytest.raises(DeployFailed, match=reason):
        mappings.list_mappings("http://127.0.0.1:1")
    monkeypatch.setattr(mappings, "client", lambda *_: Twice(FUNCTION, f"{FUNCTION}:live"))
    assert [one.qualifier for one in mappings.list_mappings("http://127.0.0.1:1")] == [None, "live"]


@pytest.mark.parametrize("source", ["arn:aws:kafka:us-east-1:000000000000:cluster/c/1", ""])
def test_a_function_may_have_several_mappings_of_a_cluster(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They differ in their topics; those of a cluster that AWS does not manage name no source."""
    monkeypatch.setattr(mappings, "client", lambda *_: Twice(FUNCTION, FUNCTION, source=source))
    assert mappings.list_mappings("http://127.0.0.1:1") == []


@pytest.mark.parametrize(
    ("source", "polled"),
    [("arn:aws:dynamodb:stream", True), ("arn:aws:sqs:queue", True), ("arn:aws:kinesis:stream", False), ("", False)],
)
def test_a_mapping_is_served_either_here_or_by_the_emulator(
    source: str, polled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would give the function each record twice, as to a mapping without Enabled."""
    services = Templated({}, source)
    monkeypatch.setattr(mappings, "client", lambda *_: services)
    monkeypatch.setattr(deploy, "client", lambda *_: services)
    deploy.leave_to_pollers("http://127.0.0.1:1")
    assert bool(services.updated) is polled
    assert bool(mappings.list_mappings("http://127.0.0.1:1")) is polled
